//! Operations on the blocking pool: they hold no thread of the runtime, are stopped, and come back with the exact count.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use zcio::copy::Copy;
use zcio::{Endpoint, ErrorKind, FanOut, Transfer, tokio as futures};
use zcio_tests::{names, pattern, watchdog};

use super::on_each_runtime;

fn owning(fd: impl Into<OwnedFd>) -> Endpoint<'static> {
    Endpoint::owning(fd.into()).unwrap()
}

#[test]
fn files_are_copied_beside_the_runtime() {
    let _dog = watchdog(60, "copies");
    on_each_runtime(|| async {
        let dir = tempfile::tempdir().unwrap();
        let [from, copied, moved, one, two] =
            ["from", "copied", "moved", "one", "two"].map(|name| dir.path().join(name));
        let bytes = pattern((3 << 20) + 5);
        std::fs::write(&from, &bytes).unwrap();
        let copy = futures::blocking(Copy::new(&from, &copied));
        let transfer = Transfer::new(Endpoint::open(&from).unwrap(), Endpoint::create(&moved).unwrap());
        let fan_out = FanOut::new(Endpoint::open(&from).unwrap());
        let fan_out = fan_out.sink(Endpoint::create(&one).unwrap()).sink(Endpoint::create(&two).unwrap());
        let ended = tokio::join!(copy, futures::blocking(transfer), futures::blocking(fan_out));
        let counts = [ended.0.unwrap().bytes, ended.1.unwrap().bytes, ended.2.unwrap().bytes];
        assert_eq!(counts, [bytes.len() as u64; 3]);
        for path in [copied, moved, one, two] {
            assert!(std::fs::read(path).unwrap() == bytes, "other bytes");
        }
    });
}

/// Its source gives nothing, and it can be awaited for a while again and again; then it is stopped.
#[test]
fn one_that_is_stopped_comes_back_with_its_count() {
    let _dog = watchdog(60, "stopped");
    on_each_runtime(|| async {
        let (source, mut sender) = std::io::pipe().unwrap();
        let (mut reader, sink) = std::io::pipe().unwrap();
        sender.write_all(b"some bytes").unwrap();
        let mut job = futures::blocking(Transfer::new(owning(source), owning(sink)));
        while job.moved() < 10 {
            assert!(tokio::time::timeout(Duration::from_millis(10), &mut job).await.is_err());
        }
        let (result, transfer) = job.stop().await;
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.moved()), (ErrorKind::Cancelled, 10));
        let mut transfer = transfer.unwrap();
        assert_eq!((transfer.report().unwrap().bytes, transfer.take_undelivered().unwrap()), (10, Vec::new()));
        drop(transfer);
        let mut arrived = Vec::new();
        reader.read_to_end(&mut arrived).unwrap();
        assert_eq!(arrived, b"some bytes");
    });
}

#[test]
fn one_that_is_over_comes_back_too() {
    on_each_runtime(|| async {
        let dir = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| dir.path().join(name));
        std::fs::write(&from, b"bytes").unwrap();
        let mut job = futures::blocking(Copy::new(&from, &to));
        assert_eq!((&mut job).await.unwrap().bytes, 5);
        let (result, copy) = job.stop().await;
        assert_eq!((result.unwrap().bytes, copy), (5, Some(Copy::new(&from, &to))));
    });
}

/// The copy notices that nobody waits for it, and leaves no half of a file.
#[test]
fn one_that_is_dropped_stops() {
    let _dog = watchdog(60, "dropped");
    on_each_runtime(|| async {
        let (source, mut sender) = std::io::pipe().unwrap();
        let (mut reader, sink) = std::io::pipe().unwrap();
        drop(futures::blocking(Transfer::new(owning(source), owning(sink))));
        // Its ends are closed as soon as it stops: then the sender has no reader, and the reader finds the end.
        let ended = tokio::task::spawn_blocking(move || {
            let mut arrived = Vec::new();
            reader.read_to_end(&mut arrived).unwrap();
            while sender.write_all(b"x").is_ok() {}
            arrived
        });
        assert_eq!(ended.await.unwrap(), b"");

        let dir = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| dir.path().join(name));
        let job = futures::blocking(Copy::new(&from, &to));
        assert_eq!(job.await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(names(dir.path()), [""; 0]);
    });
}
