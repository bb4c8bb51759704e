//! Moves a file to standard input's descriptor and says what that took: the child process of tests that look at a whole
//! process from outside (strace, peak memory). One thread, no test harness, nothing else in it.
//!
//! `move MECHANISM SOURCE [SINK]`: `auto` or a mechanism's name; a path or `-` for standard input. Without a sink, or with
//! `-`, the sink is standard input (a socket or a pipe's write end works as well there as anywhere). Prints
//! `bytes mechanism system_calls waits peak_kib` on standard output.

use std::io::Write;
use std::os::fd::AsFd;

use zcio::{Endpoint, Mechanism, Transfer};

/// The lines between which strace is to count: paths that do not exist.
fn mark(name: &str) {
    let _ = std::fs::metadata(format!("/zcio-mark/{name}"));
}

/// The most memory this process has had resident, in KiB (`VmHWM`).
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let stdin = std::io::stdin();
    let inherited = || Endpoint::new(stdin.as_fd()).unwrap();
    let path = |index: usize| arguments.get(index).filter(|path| *path != "-");
    let source = path(1).map_or_else(inherited, |path| Endpoint::open(path).unwrap());
    let sink = path(2).map_or_else(inherited, |path| Endpoint::create(path).unwrap());
    let mut transfer = Transfer::new(source, sink);
    if arguments[0] != "auto" {
        transfer = transfer.mechanism(arguments[0].parse::<Mechanism>().unwrap());
    }
    // The first time, the standard library tries out what the kernel has.
    mark("warm");
    mark("begin");
    let result = transfer.run();
    mark("end");
    let mut out = std::io::stdout();
    match result {
        Ok(report) => {
            let (bytes, mechanism) = (report.bytes, report.mechanism);
            writeln!(out, "{bytes} {mechanism} {} {} {}", report.system_calls, report.waits, peak_kib()).unwrap();
        }
        Err(error) => {
            writeln!(out, "{error}").unwrap();
            std::process::exit(1);
        }
    }
}
