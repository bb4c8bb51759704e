//! Netty's lanes, on each JDK: its three transports with its own `DefaultFileRegion`, and with zcio's region in its place.
//!
//! Netty is no part of zcio: its jars are taken from `target/netty`, where `make compare-libraries` puts them, and without
//! them these lanes are missing with that remedy. Netty's own lanes run without zcio's module for it, which `make jar` builds.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

use super::java::{compile, spawn, zcio_jar};
use super::{Language, Method, PLAIN, Starting, java, jdk, missing};
use crate::routes::{FILE_TO_TCP, FILE_TO_TCP_CONNECTIONS};

const REMEDY: &str = "`make compare-libraries` fetches its jars into target/netty";

const PROGRAM: [(&str, &str); 2] = [
    ("Job.java", include_str!("../../lanes/java/Job.java")),
    ("NettyLane.java", include_str!("../../lanes/java/NettyLane.java")),
];

const ZERO_COPY_PROGRAM: [(&str, &str); 1] =
    [("ZeroCopyNettyLane.java", include_str!("../../lanes/java/ZeroCopyNettyLane.java"))];

/// In the order in which they are printed.
pub const METHODS: &[Method] = &[
    Method { name: "netty_nio", routes: &[(SERVED, "Netty NIO, DefaultFileRegion")], ..NETTY },
    Method { name: "netty_epoll", routes: &[(SERVED, "Netty epoll, DefaultFileRegion")], ..NETTY },
    Method { name: "netty_io_uring", routes: &[(SERVED, "Netty io_uring, DefaultFileRegion")], ..NETTY },
];

/// The same with zcio's region.
pub const ZERO_COPY: &[Method] = &[
    Method { name: "zcio_netty_nio", routes: &[(SERVED, "Netty NIO, ZeroCopyFileRegion")], ..OURS },
    Method { name: "zcio_netty_epoll", routes: &[(SERVED, "Netty epoll, ZeroCopyFileRegion")], ..OURS },
    Method { name: "zcio_netty_io_uring", routes: &[(SERVED, "Netty io_uring, ZeroCopyFileRegion")], ..OURS },
];

const NETTY: Method = Method { kind: "Netty", ..PLAIN };
const OURS: Method = Method { zcio: true, ..NETTY };

const SERVED: &[&str] = &[FILE_TO_TCP, FILE_TO_TCP_CONNECTIONS];

/// Starts the table's lanes on every JDK.
pub fn start(starting: &mut Starting<'_>) {
    // Without a JDK Java as a whole is missing already.
    let wanted = [METHODS, ZERO_COPY].map(|methods| !starting.wanted(Language::Java, methods).is_empty());
    if starting.jdks.is_empty() || wanted == [false, false] {
        return;
    }
    let class_path = jars(Path::new("target/netty"))
        .and_then(|libraries| compile(starting.jdks, &PROGRAM, &libraries, starting.folder));
    let class_path = match class_path {
        Ok(class_path) => class_path,
        Err(error) => return starting.missing.push(missing("Netty", &error, REMEDY)),
    };
    spawn(starting, METHODS, "NettyLane", &class_path, REMEDY);
    match with_zcio(starting, &class_path) {
        Ok(class_path) => spawn(starting, ZERO_COPY, "ZeroCopyNettyLane", &class_path, java::REMEDY),
        Err(error) => starting.missing.push(missing("Netty with zcio", &error, java::REMEDY)),
    }
}

fn with_zcio(starting: &Starting<'_>, class_path: &str) -> Result<String> {
    let module = jdk::newest_jar(Path::new("java-bindings/zcio-netty/target"))?.canonicalize()?;
    let libraries = format!("{class_path}:{}:{}", module.display(), zcio_jar(starting)?.display());
    compile(starting.jdks, &ZERO_COPY_PROGRAM, &libraries, starting.folder)
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
