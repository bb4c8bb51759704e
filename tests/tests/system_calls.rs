//! The report's number of system calls is the engine's own count: strace, looking from outside, must count the same.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use zcio::Mechanism;
use zcio_tests::{nonblocking, pattern, skip, tcp_pair, watchdog};

const LENGTH: usize = 3_000_001;

/// What goes on between the marks and is no part of moving bytes: the process's memory, its threads, pipes that are made
/// and thrown away, the sink that is inspected and emptied when the transfer begins.
const NOT_COUNTED: [&str; 30] = [
    "fstatfs",
    "munmap",
    "mprotect",
    "mremap",
    "madvise",
    "brk",
    "clone",
    "clone3",
    "futex",
    "rseq",
    "set_robust_list",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "restart_syscall",
    "prctl",
    "sched_getaffinity",
    "sched_yield",
    "sigaltstack",
    "getpid",
    "gettid",
    "exit",
    "close",
    "pipe2",
    "fcntl",
    "ftruncate",
    "linkat",
    "getrandom",
    "clock_gettime",
    "set_tid_address",
];

/// The calls between the marks that move bytes, by name.
fn counted(trace: &str) -> BTreeMap<&str, u64> {
    let inside = trace.lines().skip_while(|line| !line.contains("/zcio-mark/begin")).skip(1);
    let inside = inside.take_while(|line| !line.contains("/zcio-mark/end"));
    let mut calls = BTreeMap::new();
    for line in inside {
        // "<pid> name(arguments…"; the second half of an interrupted line says "<... name resumed>".
        let call = line.split_once(' ').map_or("", |(_, call)| call.trim_start());
        let Some((name, arguments)) = call.split_once('(') else { continue };
        let name_is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let anonymous = name == "mmap" && arguments.contains("MAP_ANONYMOUS");
        // A socket is looked at before a file is emptied for it.
        let look = name == "recvfrom" && arguments.contains("MSG_PEEK");
        // A kept pipe is looked at before it is used again.
        let kept = name.contains("fstat") && arguments.contains("S_IFIFO");
        if name_is_plain && !anonymous && !look && !kept && !NOT_COUNTED.contains(&name) {
            *calls.entry(name).or_default() += 1;
        }
    }
    calls
}

/// Runs one transfer under strace; `None` if the mechanism is not for these ends.
fn check(mechanism: &str, source: &str, sink: &str, stdin: Stdio, directory: &Path) -> Option<u64> {
    let trace = directory.join("trace");
    let output = Command::new("strace")
        .args(["-f", "-o"])
        .arg(&trace)
        .args([env!("CARGO_BIN_EXE_move"), mechanism, source, sink])
        .stdin(stdin)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    if !output.status.success() {
        // 1 is a transfer's error; a named mechanism may not be for these ends. A panic is never right.
        let told = output.status.code() == Some(1) && mechanism != "auto";
        assert!(told, "{mechanism}: {said}{}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    let numbers: Vec<_> = said.split_whitespace().collect();
    let [bytes, _, reported, waits, _] = numbers[..] else { panic!("{said}") };
    assert_eq!(bytes, LENGTH.to_string(), "{mechanism}");
    let trace = std::fs::read_to_string(trace).unwrap();
    let calls = counted(&trace);
    let total: u64 = calls.values().sum();
    assert_eq!(reported, total.to_string(), "{mechanism}, {source} -> {sink}: strace saw {calls:?}");
    let polls: u64 = ["poll", "ppoll"].iter().filter_map(|name| calls.get(name)).sum();
    assert!(waits.parse::<u64>().unwrap() <= polls, "{mechanism}: {waits} waits, {calls:?}");
    Some(polls)
}

/// A socket that the child writes to, drained by a thread.
fn drained(mut far: impl Read + Send + 'static, near: impl Into<OwnedFd>) -> Stdio {
    std::thread::spawn(move || std::io::copy(&mut far, &mut std::io::sink()));
    let near = near.into();
    // Non-blocking, so that the child has to wait in poll(2).
    nonblocking(&near);
    Stdio::from(near)
}

#[test]
fn the_report_counts_what_strace_counts() {
    let _dog = watchdog(120, "transfers under strace");
    if Command::new("strace").arg("--version").stdout(Stdio::null()).status().is_err() {
        return skip("strace is not installed");
    }
    let directory = tempfile::tempdir().unwrap();
    let (source, sink) = (directory.path().join("source"), directory.path().join("sink"));
    std::fs::write(&source, pattern(LENGTH)).unwrap();
    let (source, sink) = (source.to_str().unwrap(), sink.to_str().unwrap());
    let (mut checked, mut polls) = (BTreeMap::new(), 0);
    for mechanism in Mechanism::ALL.iter().map(|mechanism| mechanism.name()).chain(["auto"]) {
        let mut check = |source, sink, stdin| {
            if let Some(seen) = check(mechanism, source, sink, stdin, directory.path()) {
                *checked.entry(mechanism).or_insert(0) += 1;
                polls += seen;
            }
        };
        check(source, sink, Stdio::null());
        let (near, far) = UnixStream::pair().unwrap();
        check(source, "-", drained(far, near));
        let (near, far): (TcpStream, TcpStream) = tcp_pair();
        check(source, "-", drained(far, near));
        let (far, near) = std::io::pipe().unwrap();
        check(source, "-", drained(far, near));
        // From a socket that a thread feeds.
        let (near, mut far) = UnixStream::pair().unwrap();
        std::thread::spawn(move || far.write_all(&pattern(LENGTH)));
        check("-", sink, Stdio::from(OwnedFd::from(near)));
    }
    println!("checked {checked:?}, {polls} polls");
    assert!(polls > 0, "no transfer had to wait");
    for mechanism in Mechanism::ALL.iter().filter(|mechanism| !checked.contains_key(mechanism.name())) {
        println!("{mechanism} serves none of these ends");
    }
    assert!(checked.len() >= 6, "{checked:?}");
}
