//! The fixed cost: how many system calls a transfer makes, on every route, from 4 KiB to 16 MiB, in all three languages.
//!
//! A program per language (`cost.rs` among this crate's binaries, `Cost.java`, `cost.py` beside this file) makes each transfer
//! between two marks, once in the language's own way and then in zcio's: with ends that are new, and with the same ends
//! again. strace counts from outside. Up to 256 KiB zcio makes at most as many calls as the language's own
//! way, and above at most two a mebibyte and eight. A row that does not is listed in [`known`] with what it makes today, so that it can only
//! become less.
//!
//! Needs strace; for Java the jar (`make jar`), for Python the virtual environment (`make venv`).

mod known;
mod peer;
mod trace;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use peer::Peer;
use trace::{Cell, Who};
use zcio_tests::{skip, watchdog};

const MIB: u64 = 1 << 20;
/// Up to here the language's own way is the measure.
const SMALL: u64 = 256 << 10;

/// What zcio may make. What is asked for once, in non-blocking mode, is never more than the language's own. Of what a pipe does not
/// take or give at once, its other side decides in how many calls it comes.
fn allowed(cell: &Cell, own: u64) -> u64 {
    match cell {
        _ if cell.row.starts_with("once-") || cell.size <= SMALL => own,
        _ if cell.row.contains("pipe") => u64::MAX,
        _ => own.max(2 * cell.size.div_ceil(MIB) + 8),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs the program under strace, with a peer for its streams, and counts its calls.
fn counted(program: &[&str], alone: bool) -> BTreeMap<Cell, u64> {
    let directory = tempfile::tempdir().unwrap();
    let peer = Peer::new(directory.path());
    let trace = directory.path().join("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-q", "-e", "signal=none", "-o"]).arg(&trace).args(program);
    let output = command.args(peer.arguments()).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let trace = std::fs::read_to_string(trace).unwrap();
    if let Some(kept) = std::env::var_os("ZCIO_TRACE") {
        std::fs::write(kept, &trace).unwrap();
    }
    trace::count(&trace, alone)
}

/// Prints the table, and fails with the cells that make too many.
fn judge(language: &str, found: &BTreeMap<Cell, u64>) {
    let mut table =
        format!("{language}: system calls (own way, new ends, same ends again; what is too many in brackets)\n");
    let mut wrong = String::new();
    for cell in found.keys().filter(|cell| cell.who == Who::Own) {
        let own = found[cell];
        write!(table, "{:16} {:>6} KiB {own:>6}", cell.row, cell.size >> 10).unwrap();
        for who in [Who::New, Who::Kept] {
            let cell = Cell { who, ..cell.clone() };
            let Some(&made) = found.get(&cell) else { continue };
            let most = allowed(&cell, own);
            let shown = if made > most { format!("({made})") } else { made.to_string() };
            write!(table, " {shown:>6}").unwrap();
            let known = known::most(language, &cell);
            if made > most.max(known.unwrap_or(0)) {
                writeln!(wrong, "{language}, {cell}: {made} system calls, allowed are {most}").unwrap();
            }
        }
        table.push('\n');
    }
    println!("{table}");
    assert!(found.keys().any(|cell| cell.who == Who::New), "nothing was counted");
    assert!(wrong.is_empty(), "{wrong}");
}

fn strace_is_there() -> bool {
    let found = Command::new("strace").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        skip("strace is not installed");
    }
    found
}

#[test]
fn rust_makes_no_more_calls_than_its_own_way() {
    let _dog = watchdog(120, "transfers under strace");
    if strace_is_there() {
        judge("Rust", &counted(&[env!("CARGO_BIN_EXE_cost")], false));
    }
}

#[test]
fn python_makes_no_more_calls_than_its_own_way() {
    let _dog = watchdog(240, "transfers under strace");
    let python = root().join(".venv/bin/python");
    let there = Command::new(&python).args(["-c", "import zcio"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        return skip("no .venv that imports zcio (make venv)");
    }
    if strace_is_there() {
        let program = root().join("tests/tests/cost/cost.py");
        judge("Python", &counted(&[python.to_str().unwrap(), program.to_str().unwrap()], false));
    }
}

/// With the JDK of `JAVA_HOME`.
#[test]
fn java_makes_no_more_calls_than_its_own_way() {
    let _dog = watchdog(240, "transfers under strace");
    let jar = root().join(concat!("java-bindings/zcio/target/zcio-", env!("CARGO_PKG_VERSION"), ".jar"));
    if !jar.exists() {
        return skip("no jar (make jar)");
    }
    if strace_is_there() {
        let java = std::env::var_os("JAVA_HOME").map_or("java".into(), |home| Path::new(&home).join("bin/java"));
        let program = root().join("tests/tests/cost/Cost.java");
        let arguments = ["-Xmx128m", "-XX:+UseSerialGC", "-cp", jar.to_str().unwrap(), program.to_str().unwrap()];
        let program: Vec<_> = [java.to_str().unwrap()].into_iter().chain(arguments).collect();
        judge("Java", &counted(&program, true));
    }
}
