//! A snapshot is one: when a call has returned, nothing that is written to a file later shows at the receiver, whatever the
//! source is. What a socket or a pipe holds may be the page cache of that file.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use zcio::{Batch, Endpoint, FanOut, FanOutStep, Item, Mechanism, Step, Transfer, Visibility};
use zcio_tests::{file_with, has, tcp_pair, watchdog};

const SIZE: usize = 32 << 10;
static BEFORE: [u8; SIZE] = [b'A'; SIZE];
static AFTER: [u8; SIZE] = [b'B'; SIZE];
const STREAMS: [&str; 3] = ["tcp", "unix", "pipe"];

/// A way for bytes: where they go in, and where they come out.
fn way(kind: &str) -> (OwnedFd, OwnedFd) {
    match kind {
        "tcp" => {
            let (near, far) = tcp_pair();
            (near.into(), far.into())
        }
        "unix" => {
            let (near, far) = UnixStream::pair().unwrap();
            (near.into(), far.into())
        }
        _ => {
            let (out, into) = io::pipe().unwrap();
            (into.into(), out.into())
        }
    }
}

/// A stream that holds pages of the file.
fn holding(file: &File, kind: &str) -> OwnedFd {
    let (into, out) = way(kind);
    let sent = nix::sys::sendfile::sendfile64(&into, file, Some(&mut 0), SIZE).unwrap();
    assert_eq!(sent, SIZE);
    out
}

fn end(fd: &impl AsFd) -> Endpoint<'_> {
    Endpoint::new(fd.as_fd()).unwrap()
}

/// What the receiver reads after the file has been changed.
fn received(file: &File, out: OwnedFd) -> Vec<u8> {
    file.write_all_at(&AFTER, 0).unwrap();
    let mut bytes = vec![0; SIZE];
    File::from(out).read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn no_transfer_shows_what_was_written_after_it() {
    let _dog = watchdog(60, "snapshots");
    for mechanism in Mechanism::ALL.iter().map(|&mechanism| Some(mechanism)).chain([None]).filter(|&named| has(named)) {
        for from in ["file", "tcp", "unix", "pipe"] {
            for to in STREAMS {
                let case = format!("{from} -> {to}, {mechanism:?}");
                let file = file_with(&BEFORE);
                let stream = (from != "file").then(|| holding(&file, from));
                let source = stream.as_ref().map_or_else(|| end(&file), end);
                let (into, out) = way(to);
                let mut transfer =
                    Transfer::new(source, end(&into)).count(SIZE as u64).visibility(Visibility::Snapshot);
                if let Some(mechanism) = mechanism {
                    transfer = transfer.mechanism(mechanism);
                }
                let result = transfer.run();
                match result {
                    Ok(report) => assert_eq!(report.bytes, SIZE as u64, "{case}"),
                    Err(error) => {
                        assert!(mechanism.is_some() && error.moved() == 0, "{case}: {error}");
                        continue;
                    }
                }
                assert!(received(&file, out) == BEFORE, "{case}: what was written later");
            }
        }
    }
}

#[test]
fn no_step_shows_what_was_written_after_it() {
    let _dog = watchdog(60, "snapshots, stepped");
    for from in STREAMS {
        let file = file_with(&BEFORE);
        let (stream, (into, out)) = (holding(&file, from), way("unix"));
        let mut transfer = Transfer::new(end(&stream), end(&into)).count(SIZE as u64).visibility(Visibility::Snapshot);
        while transfer.step().unwrap() != Step::Done {}
        assert!(received(&file, out) == BEFORE, "{from}");
    }
}

#[test]
fn no_fan_out_shows_what_was_written_after_it() {
    let _dog = watchdog(60, "snapshots by fan-out");
    for from in ["file", "tcp", "unix", "pipe"] {
        for to in STREAMS {
            let file = file_with(&BEFORE);
            let stream = (from != "file").then(|| holding(&file, from));
            let source = stream.as_ref().map_or_else(|| end(&file), end);
            let (ways, other) = ([way(to), way("unix")], tempfile::tempfile().unwrap());
            let mut fan_out = FanOut::new(source).count(SIZE as u64).visibility(Visibility::Snapshot);
            for (into, _) in &ways {
                fan_out = fan_out.sink(end(into));
            }
            fan_out = fan_out.sink(end(&other));
            while fan_out.step().unwrap() != FanOutStep::Done {}
            drop(fan_out);
            for (_, out) in ways {
                assert!(received(&file, out) == BEFORE, "{from} -> {to}");
            }
        }
    }
}

#[test]
fn no_batch_shows_what_was_written_after_it() {
    let _dog = watchdog(60, "snapshots by batch");
    for to in STREAMS {
        let file = file_with(&BEFORE);
        let (into, out) = way(to);
        // Larger than what goes through the ring: a transfer of its own.
        let items = [Item::new(file.as_fd(), into.as_fd())];
        let report = Batch::new().visibility(Visibility::Snapshot).run(&items);
        assert_eq!(report.items[0].as_ref().unwrap().bytes, SIZE as u64, "{to}");
        assert!(received(&file, out) == BEFORE, "{to}");
    }
}
