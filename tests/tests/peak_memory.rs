//! The most memory a transfer ever has resident does not depend on how much it moves: 1 MiB or gigabytes, by every
//! mechanism, each in a process of its own.
//!
//! The source is a sparse file, the receiver throws everything away. 16 GiB are moved where that costs nothing but the
//! moving; what has to pass the page cache or land in a file is 2 GiB, unless `ZCIO_LARGE` is set.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use zcio::Mechanism;
use zcio_tests::{tcp_pair, watchdog};

const SMALL: u64 = 1 << 20;
const LARGE: u64 = 16 << 30;
/// Where every byte costs a page of a cache or a file.
const COSTLY: u64 = 2 << 30;
/// How far two peaks may lie apart, in KiB.
const TOLERANCE: u64 = 2 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SinkKind {
    Pipe,
    Tcp,
    File,
}

/// Whether the source's holes become pages of a cache on their way (a mapping, a file system on disk).
fn is_costly(mechanism: &str, sink: SinkKind) -> bool {
    sink == SinkKind::File || !matches!(mechanism, "read_write" | "sendfile" | "splice")
}

/// Reads and throws away. A TCP receiver need not even copy (`MSG_TRUNC`); a pipe's pages go to `/dev/null` as they are.
fn discard(kind: SinkKind) -> (Stdio, Option<JoinHandle<()>>) {
    match kind {
        SinkKind::File => (Stdio::null(), None),
        SinkKind::Pipe => {
            let (far, near) = std::io::pipe().unwrap();
            let drain = move || {
                let null = File::options().write(true).open("/dev/null").unwrap();
                let flags = nix::fcntl::SpliceFFlags::empty();
                while nix::fcntl::splice(&far, None, &null, None, 1 << 20, flags).unwrap() > 0 {}
            };
            (OwnedFd::from(near).into(), Some(std::thread::spawn(drain)))
        }
        SinkKind::Tcp => {
            let (near, far) = tcp_pair();
            let drain = move || loop {
                // SAFETY: with MSG_TRUNC a TCP socket discards, and nothing is written to the (null) buffer.
                let count =
                    unsafe { libc::recv(far.as_fd().as_raw_fd(), std::ptr::null_mut(), 1 << 20, libc::MSG_TRUNC) };
                assert!(count >= 0, "recv: {}", std::io::Error::last_os_error());
                if count == 0 {
                    return;
                }
            };
            (OwnedFd::from(near).into(), Some(std::thread::spawn(drain)))
        }
    }
}

/// Peak memory in KiB of a process that does nothing but this transfer; `None` if the mechanism is not for these ends.
fn peak(mechanism: &str, length: u64, kind: SinkKind, directory: &Path) -> Option<u64> {
    let (source, sink) = (directory.join("source"), directory.join("sink"));
    File::create(&source).unwrap().set_len(length).unwrap();
    let (stdin, drain) = discard(kind);
    let mut command = Command::new(env!("CARGO_BIN_EXE_move"));
    command.args([mechanism, source.to_str().unwrap()]).stdin(stdin).stdout(Stdio::piped());
    if kind == SinkKind::File {
        command.arg(&sink);
    }
    let mut child = command.spawn().unwrap();
    // The command holds the near end as well: without it, the drain sees the end when the child is gone.
    drop(command);
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let status = child.wait().unwrap();
    if let Some(drain) = drain {
        drain.join().unwrap();
    }
    for path in [source, sink] {
        let _ = std::fs::remove_file(path);
    }
    if !status.success() {
        // 1 is a transfer's error: not for these ends. A panic is never right.
        assert_eq!(status.code(), Some(1), "{mechanism}: {said}");
        return None;
    }
    let numbers: Vec<_> = said.split_whitespace().collect();
    assert_eq!(numbers[0], length.to_string(), "{mechanism}: {said}");
    Some(numbers[4].parse().unwrap())
}

#[test]
fn peak_memory_does_not_depend_on_the_length() {
    let _dog = watchdog(600, "transfers of many gigabytes");
    let on_disk = tempfile::tempdir().unwrap();
    let in_memory = tempfile::tempdir_in("/dev/shm").ok();
    let everything = std::env::var_os("ZCIO_LARGE").is_some();
    let mut checked = Vec::new();
    for mechanism in Mechanism::ALL.iter().map(|mechanism| mechanism.name()) {
        // The first kind of sink that it can serve; splice to anything but a pipe goes through a pipe of its own.
        let kinds = match mechanism {
            "splice" => [SinkKind::Tcp, SinkKind::Pipe, SinkKind::File],
            _ => [SinkKind::Pipe, SinkKind::Tcp, SinkKind::File],
        };
        for kind in kinds {
            // A hole of a file in memory is read without a page; mapped, or past the cache, it must be on a disk.
            let mapped = is_costly(mechanism, SinkKind::Pipe) && mechanism != "copy_file_range";
            let directory: PathBuf = match &in_memory {
                Some(directory) if !mapped => directory.path().into(),
                _ => on_disk.path().into(),
            };
            let Some(small) = peak(mechanism, SMALL, kind, &directory) else { continue };
            let length = if everything || !is_costly(mechanism, kind) { LARGE } else { COSTLY };
            let started = Instant::now();
            let large = peak(mechanism, length, kind, &directory).unwrap();
            let seconds = started.elapsed().as_secs_f32();
            println!(
                "{mechanism:<16} to {kind:?}: {small} KiB for 1 MiB, {large} KiB for {} GiB ({seconds:.1} s)",
                length >> 30
            );
            assert!(
                large.abs_diff(small) <= TOLERANCE,
                "{mechanism}: {small} KiB for {SMALL} bytes, {large} for {length}"
            );
            checked.push(mechanism);
            // A disk has buffers of its own as a source and as a sink.
            if mechanism != "direct_io" {
                break;
            }
        }
        if !checked.contains(&mechanism) {
            println!("{mechanism} moves from no file to any of these sinks");
        }
    }
    assert!(checked.len() >= 6, "{checked:?}");
}
