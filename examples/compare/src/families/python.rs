//! The Python lanes: the standard library, asyncio, uvloop and zcio, in one interpreter.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{CONTROL, Language, Method, PLAIN, Starting, ZCIO, missing};
use crate::routes::{
    EVERY, FILE_TO_FILE, FILE_TO_FILE_TMPFS, FILE_TO_FILE_XFS, FILE_TO_PIPE, FILE_TO_TCP, FILE_TO_TCP_CONNECTIONS,
    HAND_OVER, MAP_CLOSE, MAPPED_SCAN, MAPPED_SUM, RANDOM_READ, RANDOM_READ_DIRECT, RELAY, SMALL_FILES, SMALL_RANGES,
    TCP_TO_FILE, TCP_TO_FILE_DURABLE,
};

/// The lane's program; carried along so that the one that runs is always the one that was built.
const PROGRAM: [(&str, &str); 11] = [
    ("lane.py", include_str!("../../lanes/python/lane.py")),
    ("job.py", include_str!("../../lanes/python/job.py")),
    ("sending.py", include_str!("../../lanes/python/sending.py")),
    ("receiving.py", include_str!("../../lanes/python/receiving.py")),
    ("copying.py", include_str!("../../lanes/python/copying.py")),
    ("reading.py", include_str!("../../lanes/python/reading.py")),
    ("event_loop.py", include_str!("../../lanes/python/event_loop.py")),
    ("zero_copy.py", include_str!("../../lanes/python/zero_copy.py")),
    ("zero_copy_aio.py", include_str!("../../lanes/python/zero_copy_aio.py")),
    ("memory.py", include_str!("../../lanes/python/memory.py")),
    ("arrays.py", include_str!("../../lanes/python/arrays.py")),
];

const COPIES: &[&str] = &[FILE_TO_FILE, FILE_TO_FILE_XFS, FILE_TO_FILE_TMPFS];
const EVENT_LOOP: &[&str] = &[FILE_TO_TCP, FILE_TO_TCP_CONNECTIONS, TCP_TO_FILE, RELAY];

const IN_LOOP: Method = Method { kind: "event loop", ..PLAIN };

/// In the order in which they are printed.
pub const METHODS: &[Method] = &[
    Method { name: "control", routes: &[(EVERY, CONTROL)], control: true, demo: true, ..PLAIN },
    Method {
        name: "loop",
        demo: true,
        routes: &[
            (&[FILE_TO_TCP], "read + sendall, 64 KiB"),
            (&[TCP_TO_FILE], "recv + write, 64 KiB"),
            (COPIES, "read + write, 64 KiB"),
        ],
        ..PLAIN
    },
    Method {
        name: "stdlib",
        demo: true,
        routes: &[
            (&[FILE_TO_TCP], "socket.sendfile"),
            (&[TCP_TO_FILE], "recv_into + write, 256 KiB"),
            (COPIES, "shutil.copyfile"),
            (&[FILE_TO_TCP_CONNECTIONS], "socket.sendfile, threads"),
            (&[TCP_TO_FILE_DURABLE], "recv_into + write + fsync"),
            (&[RELAY], "recv_into + sendall, 256 KiB"),
            (&[FILE_TO_PIPE], "os.splice"),
            (&[SMALL_FILES], "open + os.sendfile + close"),
            (&[SMALL_RANGES], "os.sendfile"),
            (&[MAPPED_SCAN, MAP_CLOSE], "mmap"),
            (&[RANDOM_READ], "os.preadv, threads"),
            (&[RANDOM_READ_DIRECT], "os.preadv, threads"),
            (&[HAND_OVER], "memfd_create + send_fds"),
        ],
        reference: &[
            FILE_TO_TCP,
            TCP_TO_FILE,
            FILE_TO_FILE,
            FILE_TO_FILE_XFS,
            FILE_TO_FILE_TMPFS,
            FILE_TO_TCP_CONNECTIONS,
            TCP_TO_FILE_DURABLE,
            RELAY,
            FILE_TO_PIPE,
            SMALL_FILES,
            SMALL_RANGES,
            MAPPED_SCAN,
            MAP_CLOSE,
            RANDOM_READ,
            RANDOM_READ_DIRECT,
            HAND_OVER,
        ],
        ..PLAIN
    },
    Method { name: "asyncio", routes: &[(EVENT_LOOP, "asyncio")], ..IN_LOOP },
    Method { name: "uvloop", routes: &[(EVENT_LOOP, "uvloop")], ..IN_LOOP },
    Method { name: "numpy", routes: &[(&[MAPPED_SUM], "numpy.memmap")], reference: &[MAPPED_SUM], ..PLAIN },
    Method {
        name: ZCIO,
        demo: true,
        zcio: true,
        routes: &[
            (&[FILE_TO_TCP, TCP_TO_FILE], ZCIO),
            (COPIES, ZCIO),
            (&[FILE_TO_TCP_CONNECTIONS], "zcio, threads"),
            (&[TCP_TO_FILE_DURABLE], "zcio + fdatasync"),
            (&[FILE_TO_PIPE, SMALL_RANGES], ZCIO),
            (&[RELAY], "zcio.relay"),
            (&[SMALL_FILES], "zcio.batch"),
            (&[MAPPED_SCAN, MAP_CLOSE], "zcio.Region"),
            (&[RANDOM_READ], "zcio.Region.read_into, guard, threads"),
            (&[RANDOM_READ_DIRECT], "zcio.read_direct, threads"),
            (&[HAND_OVER], "zcio.SharedRegion"),
        ],
        ..PLAIN
    },
    Method {
        name: "zcio_direct",
        zcio: true,
        routes: &[(&[TCP_TO_FILE_DURABLE], "zcio direct_io + fdatasync")],
        ..PLAIN
    },
    Method { name: "zcio_reads", zcio: true, routes: &[(&[RANDOM_READ, RANDOM_READ_DIRECT], "zcio.reads")], ..PLAIN },
    Method { name: "zcio_copy", zcio: true, routes: &[(COPIES, "zcio.copy")], ..PLAIN },
    Method { name: "zcio_numpy", zcio: true, routes: &[(&[MAPPED_SUM], "numpy on a zcio.Region")], ..PLAIN },
    Method { name: "zcio_aio", zcio: true, routes: &[(EVENT_LOOP, "zcio.aio")], ..IN_LOOP },
    Method { name: "zcio_each", zcio: true, routes: &[(&[SMALL_FILES], "zcio, a transfer each")], ..PLAIN },
];

/// What would help a lane that is missing.
pub fn remedy(method: &Method) -> &'static str {
    match method.name {
        "uvloop" => "`make compare-libraries`; or --python with uvloop installed",
        _ => "install Python 3.11 or newer, then `make venv`; or --python with zcio installed",
    }
}

/// Starts the table's lanes.
pub fn start(starting: &mut Starting<'_>) {
    let interpreter = starting.arguments.python.clone().unwrap_or_else(default_interpreter);
    for (name, text) in PROGRAM {
        if let Err(error) = fs::write(starting.folder.join(name), text) {
            starting.missing.push(missing(Language::Python.name(), &error.into(), "free room on the disk"));
            return;
        }
    }
    for method in starting.wanted(Language::Python, METHODS) {
        let mut command = Command::new(&interpreter);
        command.arg(starting.folder.join("lane.py")).arg(method.name);
        starting.spawn(Language::Python, Language::Python.name(), method, command, remedy(method));
    }
}

fn default_interpreter() -> PathBuf {
    let own = PathBuf::from(".venv/bin/python");
    if own.exists() { own } else { PathBuf::from("python3") }
}
