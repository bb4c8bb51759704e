//! The `zcio` command as its users meet it: a process with arguments, descriptors, signals and an exit code.
#![allow(missing_docs)]

mod closed;
mod copy;
mod inspect;
mod inspect_jvm;
mod interrupt;
mod learn;
mod learn_witnesses;
mod relay;
#[allow(dead_code)] // Of the workspace's tests: not all of it is needed here.
#[path = "../../../tests/src/seccomp.rs"]
mod seccomp;
mod sockets;
mod terminal;
mod untouched;
mod usage;
mod waits;
mod whole;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// More than any socket's buffers hold, and not a multiple of anything.
const LARGE: usize = (48 << 20) + 12_345;

/// The command with these arguments, its three streams in pipes.
fn zcio<A: AsRef<OsStr>>(arguments: &[A]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zcio"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A shell lets its background jobs ignore Ctrl-C, nohup(1) a hang-up, and what is ignored is inherited.
    // SAFETY: signal(2) is async-signal-safe, and these are the default actions.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            libc::signal(libc::SIGHUP, libc::SIG_DFL);
            Ok(())
        })
    };
    command
}

fn run<A: AsRef<OsStr>>(arguments: &[A]) -> Output {
    zcio(arguments).output().unwrap()
}

/// Its exit code was 0 and it had nothing to say on standard error; gives back standard output.
#[track_caller]
fn quiet(output: &Output) -> &[u8] {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*errors), (Some(0), ""));
    &output.stdout
}

/// It failed with that code; gives back what it said.
#[track_caller]
fn failed(output: &Output, code: i32) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{errors}");
    errors
}

/// The one document that was written.
#[track_caller]
fn document(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}

/// Bytes in which no page is like another.
fn pattern(length: usize) -> Vec<u8> {
    let mut state = length as u64 | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state >> 8).to_le_bytes()[..7]);
    }
    bytes.truncate(length);
    bytes
}

/// A directory with a file `from` that has these bytes.
fn folder(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    std::fs::write(&from, bytes).unwrap();
    (folder, from)
}

/// The same bytes, told apart without printing them.
#[track_caller]
fn assert_bytes(path: &Path, expected: &[u8]) {
    let found = std::fs::read(path).unwrap();
    assert_eq!(found.len(), expected.len());
    let differs = found.iter().zip(expected).position(|(left, right)| left != right);
    assert_eq!(differs, None, "the first byte that differs");
}

/// A command that listens on a port of the system's choice, and its address.
fn listening(mut command: Command) -> (Child, BufReader<ChildStderr>, String) {
    let mut child = command.spawn().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("zcio: listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
    (child, errors, address)
}

fn signal(child: &Child, number: i32) {
    // SAFETY: takes two numbers; the child has not been waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, number) }, 0);
}

/// Waits until somebody can connect to a UNIX-domain socket: its path is there a moment earlier. (By its flag of
/// include/linux/net.h, `__SO_ACCEPTCON`, in the kernel's table, `proc_net(5)`.)
#[track_caller]
fn until_it_listens(socket: &Path) {
    until("it listens", || listens(socket));
}

/// Waits until a socket that was closed is dead: a child that another test starts holds it open until it executes its program.
#[track_caller]
fn until_nobody_listens(socket: &Path) {
    until("nobody listens", || !listens(socket));
}

fn listens(socket: &Path) -> bool {
    let name = format!(" {}", socket.display());
    let table = std::fs::read_to_string("/proc/net/unix").unwrap();
    table.lines().any(|line| line.ends_with(&name) && line.split(' ').nth(3) == Some("00010000"))
}

/// Waits for something that is about to be true.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(120), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Says why a test is skipped, or fails where nothing may be skipped.
fn skip(test: &str, reason: &str) {
    assert!(std::env::var_os("ZCIO_REQUIRE").is_none(), "{test} cannot run, and ZCIO_REQUIRE is set: {reason}");
    eprintln!("SKIPPED: {test}: {reason}");
}
