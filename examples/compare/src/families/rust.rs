//! The Rust lanes: zcio's core, the bare system calls, and the standard library. They are this same program
//! ([`crate::rust_lane`]), so they can never be missing or out of date.

use std::env;
use std::process::Command;

use anyhow::Context;

use super::{CONTROL, Language, Method, PLAIN, Starting, ZCIO, missing};
use crate::routes::{
    EVERY, FILE_TO_FILE, FILE_TO_FILE_TMPFS, FILE_TO_FILE_XFS, FILE_TO_PIPE, FILE_TO_TCP, FILE_TO_TCP_CONNECTIONS,
    HAND_OVER, MAP_CLOSE, MAPPED_SCAN, MAPPED_SUM, RANDOM_READ, RANDOM_READ_DIRECT, RELAY, SMALL_FILES, SMALL_RANGES,
    TCP_TO_FILE, TCP_TO_FILE_DURABLE,
};

/// What would help a lane that is missing.
pub const REMEDY: &str = "build this program again";

const COPIES: &[&str] = &[FILE_TO_FILE, FILE_TO_FILE_XFS, FILE_TO_FILE_TMPFS];

const RAW: &[(&[&str], &str)] = &[
    (&[FILE_TO_TCP], "sendfile loop"),
    (&[FILE_TO_TCP_CONNECTIONS], "sendfile, a thread each"),
    (&[TCP_TO_FILE], "recv + write, 256 KiB"),
    (&[TCP_TO_FILE_DURABLE], "recv + write + fsync"),
    (&[RELAY], "read + write, 64 KiB"),
    (COPIES, "read + write, 256 KiB"),
    (&[FILE_TO_PIPE], "splice loop"),
    (&[SMALL_FILES], "open + sendfile + close"),
    (&[SMALL_RANGES], "sendfile"),
    (&[MAPPED_SCAN, MAPPED_SUM, MAP_CLOSE], "mmap"),
    (&[RANDOM_READ], "pread, threads"),
    (&[RANDOM_READ_DIRECT], "pread, threads"),
    (&[HAND_OVER], "memfd by hand"),
];

/// In the order in which they are printed.
pub const METHODS: &[Method] = &[
    Method { name: "raw", demo: true, routes: RAW, reference: EVERY, ..PLAIN },
    Method { name: "control", routes: &[(EVERY, CONTROL)], control: true, demo: true, ..PLAIN },
    Method {
        name: "std",
        demo: true,
        routes: &[
            (&[FILE_TO_TCP, TCP_TO_FILE, FILE_TO_FILE], "std::io::copy"),
            (&[RELAY, FILE_TO_FILE_XFS, FILE_TO_FILE_TMPFS, FILE_TO_PIPE], "std::io::copy"),
            (&[MAPPED_SCAN], "read, 256 KiB"),
            (&[HAND_OVER], "UNIX socket"),
        ],
        reference: EVERY,
        ..PLAIN
    },
    Method { name: "splice", routes: &[(&[TCP_TO_FILE, RELAY, FILE_TO_TCP], "splice loop, 1 MiB pipe")], ..PLAIN },
    Method { name: "uring", routes: &[(&[RANDOM_READ, RANDOM_READ_DIRECT], "io_uring")], ..PLAIN },
    Method {
        name: ZCIO,
        demo: true,
        zcio: true,
        routes: &[
            (&[FILE_TO_TCP, TCP_TO_FILE], ZCIO),
            (COPIES, ZCIO),
            (&[FILE_TO_TCP_CONNECTIONS], "zcio, a thread each"),
            (&[TCP_TO_FILE_DURABLE], "zcio + fdatasync"),
            (&[RELAY], "zcio Relay"),
            (&[FILE_TO_PIPE, SMALL_RANGES], ZCIO),
            (&[SMALL_FILES], "zcio Batch"),
            (&[MAPPED_SCAN, MAPPED_SUM, MAP_CLOSE], "zcio Region"),
            (&[RANDOM_READ], "zcio Region.read_at, guard, threads"),
            (&[RANDOM_READ_DIRECT], "zcio AlignedBuffer, threads"),
            (&[HAND_OVER], "zcio SharedRegion"),
        ],
        ..PLAIN
    },
    Method { name: "zcio_each", zcio: true, routes: &[(&[SMALL_FILES], "zcio, a Transfer each")], ..PLAIN },
    Method { name: "zcio_reads", zcio: true, routes: &[(&[RANDOM_READ, RANDOM_READ_DIRECT], "zcio Reads")], ..PLAIN },
    Method {
        name: "zcio_direct",
        zcio: true,
        routes: &[(&[TCP_TO_FILE_DURABLE], "zcio direct_io + fdatasync")],
        ..PLAIN
    },
];

/// A lane that changes one byte, or says that it saw others. Only tests ask for it.
pub const WRONG_BYTE: &str = "wrong_byte";
/// A lane that, after its first job, leaves the last byte out and denies it. Only tests ask for it.
pub const WRONG_COUNT: &str = "wrong_count";

static WRONG: [Method; 2] = [
    Method { name: WRONG_BYTE, demo: true, routes: &[(EVERY, WRONG_BYTE)], ..PLAIN },
    Method { name: WRONG_COUNT, demo: true, routes: &[(EVERY, WRONG_COUNT)], ..PLAIN },
];

/// Starts the table's lanes.
pub fn start(starting: &mut Starting<'_>) {
    spawn(starting, starting.wanted(Language::Rust, METHODS));
}

/// Starts the one that is wrong in that way.
pub fn start_wrong(starting: &mut Starting<'_>, name: &str) {
    spawn(starting, WRONG.iter().filter(|method| method.name == name).collect());
}

fn spawn(starting: &mut Starting<'_>, methods: Vec<&'static Method>) {
    for method in methods {
        match env::current_exe().context("cannot find this program") {
            Ok(program) => {
                let mut command = Command::new(program);
                command.arg("lane").arg(method.name);
                starting.spawn(Language::Rust, Language::Rust.name(), method, command, REMEDY);
            }
            Err(error) => starting.missing.push(missing(&format!("Rust · {}", method.name), &error, REMEDY)),
        }
    }
}
