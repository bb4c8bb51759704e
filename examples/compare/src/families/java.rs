//! The Java lanes, on each JDK: streams, NIO and zcio. Their program is compiled once, for all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::jdk::{self, Jdk, OLDEST};
use super::{CONTROL, Language, Method, Missing, PLAIN, Starting, ZCIO, missing};
use crate::routes::{
    EVERY, FILE_TO_FILE, FILE_TO_FILE_TMPFS, FILE_TO_FILE_XFS, FILE_TO_PIPE, FILE_TO_TCP, FILE_TO_TCP_CONNECTIONS,
    HAND_OVER, MAP_CLOSE, MAPPED_SCAN, MAPPED_SUM, RANDOM_READ, RANDOM_READ_DIRECT, RELAY, SMALL_FILES, SMALL_RANGES,
    TCP_TO_FILE, TCP_TO_FILE_DURABLE,
};

/// What would help lanes that are missing.
pub const REMEDY: &str = "install a JDK (Debian: openjdk-17-jdk-headless) and Maven, then `make jar`; or --jdk, --jar";

/// The lane's program; carried along so that the one that runs is always the one that was built.
const PROGRAM: [(&str, &str); 9] = [
    ("Lane.java", include_str!("../../lanes/java/Lane.java")),
    ("Job.java", include_str!("../../lanes/java/Job.java")),
    ("FileToTcp.java", include_str!("../../lanes/java/FileToTcp.java")),
    ("TcpToFile.java", include_str!("../../lanes/java/TcpToFile.java")),
    ("FileToFile.java", include_str!("../../lanes/java/FileToFile.java")),
    ("Relay.java", include_str!("../../lanes/java/Relay.java")),
    ("Small.java", include_str!("../../lanes/java/Small.java")),
    ("Mapping.java", include_str!("../../lanes/java/Mapping.java")),
    ("Reading.java", include_str!("../../lanes/java/Reading.java")),
];

const COPIES: &[&str] = &[FILE_TO_FILE, FILE_TO_FILE_XFS, FILE_TO_FILE_TMPFS];

/// In the order in which they are printed.
pub const METHODS: &[Method] = &[
    Method { name: "control", routes: &[(EVERY, CONTROL)], control: true, demo: true, ..PLAIN },
    Method {
        name: "streams",
        demo: true,
        routes: &[
            (&[FILE_TO_TCP, TCP_TO_FILE], "streams, 8 KiB"),
            (COPIES, "streams, 8 KiB"),
            (&[RELAY, FILE_TO_PIPE, SMALL_FILES, MAPPED_SCAN], "streams, 8 KiB"),
        ],
        ..PLAIN
    },
    Method {
        name: "transfer_to",
        demo: true,
        routes: &[
            (&[FILE_TO_TCP], "NIO transferTo"),
            (COPIES, "NIO transferTo"),
            (&[FILE_TO_TCP_CONNECTIONS], "NIO transferTo, a thread each"),
            (&[FILE_TO_PIPE, SMALL_FILES, SMALL_RANGES], "NIO transferTo"),
        ],
        reference: &[
            FILE_TO_TCP,
            FILE_TO_FILE,
            FILE_TO_FILE_XFS,
            FILE_TO_FILE_TMPFS,
            FILE_TO_TCP_CONNECTIONS,
            FILE_TO_PIPE,
            SMALL_FILES,
            SMALL_RANGES,
        ],
        ..PLAIN
    },
    Method {
        name: "transfer_from",
        demo: true,
        routes: &[
            (&[TCP_TO_FILE], "NIO transferFrom"),
            (COPIES, "NIO transferFrom"),
            (&[TCP_TO_FILE_DURABLE], "NIO transferFrom + force"),
        ],
        reference: &[TCP_TO_FILE, TCP_TO_FILE_DURABLE],
        ..PLAIN
    },
    Method {
        name: "map_write",
        demo: true,
        routes: &[(&[FILE_TO_TCP, FILE_TO_FILE], "NIO map + write"), (&[MAP_CLOSE], "NIO map, left to the GC")],
        ..PLAIN
    },
    Method {
        name: "nio",
        routes: &[
            (&[RELAY], "NIO, 64 KiB direct buffer"),
            (&[MAPPED_SCAN], "NIO map"),
            (&[MAPPED_SUM], "NIO map, getLong"),
            (&[MAP_CLOSE], "NIO map + invokeCleaner"),
            (&[RANDOM_READ], "NIO read, threads"),
            (&[RANDOM_READ_DIRECT], "NIO read DIRECT, threads"),
            (&[HAND_OVER], "NIO UNIX socket"),
        ],
        reference: &[RELAY, MAPPED_SCAN, MAPPED_SUM, MAP_CLOSE, RANDOM_READ, RANDOM_READ_DIRECT, HAND_OVER],
        ..PLAIN
    },
    Method {
        name: ZCIO,
        demo: true,
        zcio: true,
        routes: &[
            (&[FILE_TO_TCP, TCP_TO_FILE], ZCIO),
            (COPIES, ZCIO),
            (&[FILE_TO_TCP_CONNECTIONS], "zcio, a thread each"),
            (&[TCP_TO_FILE_DURABLE], "zcio + force"),
            (&[FILE_TO_PIPE], ZCIO),
            (&[RELAY], "zcio Relay"),
            (&[SMALL_FILES], "zcio Batch"),
            (&[MAPPED_SCAN, MAP_CLOSE], "zcio MappedRegion"),
            (&[MAPPED_SUM], "zcio MappedRegion, getLong"),
            (&[HAND_OVER], "zcio SharedRegion"),
        ],
        ..PLAIN
    },
    Method {
        name: "zcio_channel",
        zcio: true,
        routes: &[
            (&[FILE_TO_TCP, FILE_TO_PIPE, SMALL_RANGES], "zcio transferTo"),
            (&[FILE_TO_TCP_CONNECTIONS], "zcio transferTo, a thread each"),
            (&[TCP_TO_FILE], "zcio transferFrom"),
            (&[TCP_TO_FILE_DURABLE], "zcio transferFrom + force"),
        ],
        ..PLAIN
    },
    Method { name: "zcio_reads", zcio: true, routes: &[(&[RANDOM_READ, RANDOM_READ_DIRECT], "zcio Reads")], ..PLAIN },
    Method { name: "zcio_copy", zcio: true, routes: &[(COPIES, "zcio Copy")], ..PLAIN },
    Method {
        name: "zcio_each",
        zcio: true,
        routes: &[(&[SMALL_FILES, SMALL_RANGES], "zcio, a Transfer each")],
        ..PLAIN
    },
];

/// Starts the table's lanes on every JDK.
pub fn start(starting: &mut Starting<'_>) {
    if starting.jdks.is_empty() {
        starting.missing.push(Missing {
            lane: Language::Java.name().to_string(),
            reason: "no JDK of 17 or newer in /usr/lib/jvm, and none in JAVA_HOME".to_string(),
            remedy: REMEDY.to_string(),
        });
        return;
    }
    let class_path = zcio_jar(starting)
        .and_then(|jar| compile(starting.jdks, &PROGRAM, &jar.display().to_string(), starting.folder));
    match class_path {
        Ok(class_path) => spawn(starting, METHODS, "Lane", &class_path, REMEDY),
        Err(error) => starting.missing.push(missing(Language::Java.name(), &error, REMEDY)),
    }
}

/// The jar that was named, or the one that was built last.
pub fn zcio_jar(starting: &Starting<'_>) -> Result<PathBuf> {
    let jar = match &starting.arguments.jar {
        Some(jar) => jar.clone(),
        None => jdk::newest_jar(Path::new("java-bindings/zcio/target"))?,
    };
    jar.canonicalize().with_context(|| format!("no jar at {}", jar.display()))
}

/// One process for each JDK and method.
pub fn spawn(starting: &mut Starting<'_>, methods: &'static [Method], class: &str, class_path: &str, remedy: &str) {
    let (jdks, names) = (starting.jdks, jdk::names(starting.jdks));
    for (jdk, name) in jdks.iter().zip(names) {
        for method in starting.wanted(Language::Java, methods) {
            let mut command: Command = jdk.java();
            command.arg("-cp").arg(class_path).arg(class).arg(method.name);
            starting.spawn(Language::Java, &name, method, command, remedy);
        }
    }
}

/// Compiles a program into `folder` by the first of these JDKs that has a compiler, and returns the path to run it with.
pub fn compile(jdks: &[Jdk], program: &[(&str, &str)], libraries: &str, folder: &Path) -> Result<String> {
    let javac = jdks.iter().map(|jdk| jdk.home.join("bin/javac")).find(|javac| javac.is_file());
    let mut javac = Command::new(javac.context("none of the JDKs has a compiler (bin/javac)")?);
    javac.args(["--release", &OLDEST.to_string(), "-Xlint:all", "-Werror", "-proc:none", "-d"]).arg(folder);
    javac.args(["-cp", &format!("{}:{libraries}", folder.display())]);
    for (name, text) in program {
        let source = folder.join(name);
        fs::write(&source, text)?;
        javac.arg(source);
    }
    let output = javac.output()?;
    if !output.status.success() {
        bail!("the lane does not compile against {libraries}:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(format!("{}:{libraries}", folder.display()))
}
