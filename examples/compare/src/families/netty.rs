//! Netty's lanes, on each JDK: its three transports with its own `DefaultFileRegion`.
//!
//! Netty is no part of zcio: its jars are taken from `target/netty`, where `make compare-libraries` puts them, and without them these
//! lanes are missing with that remedy. zcio's own lane for Netty belongs into this table, and into `NettyLane.java`.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

use super::java::{compile, spawn};
use super::{Language, Method, PLAIN, Starting, missing};
use crate::routes::{FILE_TO_TCP, FILE_TO_TCP_CONNECTIONS};

const REMEDY: &str = "`make compare-libraries` fetches its jars into target/netty";

const PROGRAM: [(&str, &str); 2] = [
    ("Job.java", include_str!("../../lanes/java/Job.java")),
    ("NettyLane.java", include_str!("../../lanes/java/NettyLane.java")),
];

/// In the order in which they are printed.
pub const METHODS: &[Method] = &[
    Method { name: "netty_nio", routes: &[(SERVED, "Netty NIO, DefaultFileRegion")], ..PLAIN },
    Method { name: "netty_epoll", routes: &[(SERVED, "Netty epoll, DefaultFileRegion")], ..PLAIN },
    Method { name: "netty_io_uring", routes: &[(SERVED, "Netty io_uring, DefaultFileRegion")], ..PLAIN },
];

const SERVED: &[&str] = &[FILE_TO_TCP, FILE_TO_TCP_CONNECTIONS];

/// Starts the table's lanes on every JDK.
pub fn start(starting: &mut Starting<'_>) {
    // Without a JDK Java as a whole is missing already.
    if starting.jdks.is_empty() || starting.wanted(Language::Java, METHODS).is_empty() {
        return;
    }
    let class_path = jars(Path::new("target/netty"))
        .and_then(|libraries| compile(starting.jdks, &PROGRAM, &libraries, starting.folder));
    match class_path {
        Ok(class_path) => spawn(starting, METHODS, "NettyLane", &class_path, REMEDY),
        Err(error) => starting.missing.push(missing("Netty", &error, REMEDY)),
    }
}

fn jars(folder: &Path) -> Result<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_jar = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "jar");
    let jars: Vec<_> = entries
        .filter(is_jar)
        .filter_map(|path| path.canonicalize().ok())
        .map(|path| path.display().to_string())
        .collect();
    ensure!(!jars.is_empty(), "no jars of Netty in {}", folder.display());
    Ok(jars.join(":"))
}
