//! A watcher that panics: what it watched is as sound as after any stop. Nothing is lost, a socket is in the mode it was in,
//! and what is used again does what it should.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use zcio::{Batch, Direction, Endpoint, FanOut, Item, Mechanism, Relay, Transfer};
use zcio_tests::{file_with, has, watchdog};

fn panics<T>(work: impl FnOnce() -> T) {
    assert!(catch_unwind(AssertUnwindSafe(work)).is_err(), "the watcher was never called");
}

fn is_nonblocking(fd: &impl AsFd) -> bool {
    let flags = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFL).unwrap();
    flags & libc::O_NONBLOCK != 0
}

fn end(fd: &impl AsFd) -> Endpoint<'_> {
    Endpoint::new(fd.as_fd()).unwrap()
}

#[test]
fn a_transfer_goes_on_where_it_was() {
    let _dog = watchdog(60, "a transfer whose watcher panics");
    let named = [Mechanism::ReadWrite, Mechanism::Splice, Mechanism::Uring, Mechanism::DirectIo];
    for mechanism in named.into_iter().map(Some).chain([None]).filter(|&named| has(named)) {
        let (mut writer, source) = UnixStream::pair().unwrap();
        writer.write_all(b"first, ").unwrap();
        let sink = tempfile::NamedTempFile::new().unwrap();
        let mut transfer = Transfer::new(end(&source), end(sink.as_file()));
        if let Some(mechanism) = mechanism {
            transfer = transfer.mechanism(mechanism);
        }
        panics(|| transfer.run_watched(|_| panic!("on purpose")));
        writer.write_all(b"second").unwrap();
        drop(writer);
        transfer.run().unwrap();
        assert_eq!(std::fs::read(sink.path()).unwrap(), b"first, second", "{mechanism:?}");
    }
}

#[test]
fn a_relay_and_a_fan_out_go_on_and_give_their_sockets_back() {
    let _dog = watchdog(60, "a relay whose watcher panics");
    let ((client, left), (right, server)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    (&client).write_all(b"question").unwrap();
    let mut relay = Relay::new(end(&left), end(&right));
    panics(|| relay.run_watched(|_, _| panic!("on purpose")));
    let mut question = [0; 8];
    (&server).read_exact(&mut question).unwrap();
    assert_eq!((&question, relay.take_undelivered(Direction::Forward).unwrap()), (b"question", vec![]));
    drop(relay);
    assert!(!is_nonblocking(&left) && !is_nonblocking(&right));

    let (mut writer, source) = UnixStream::pair().unwrap();
    writer.write_all(b"first, ").unwrap();
    let sink = tempfile::NamedTempFile::new().unwrap();
    let mut fan_out = FanOut::new(end(&source)).sink(end(sink.as_file()));
    panics(|| fan_out.run_watched(|_| panic!("on purpose")));
    writer.write_all(b"second").unwrap();
    drop(writer);
    fan_out.run().unwrap();
    drop(fan_out);
    assert!(!is_nonblocking(&source));
    assert_eq!(std::fs::read(sink.path()).unwrap(), b"first, second");
}

/// What is still in flight for the first batch must not be taken for the second one's.
#[test]
fn a_batch_can_be_run_again() {
    let _dog = watchdog(60, "a batch whose watcher panics");
    let files: Vec<_> = (0..300).map(|i| file_with(&vec![i as u8; 9000])).collect();
    let mut batch = Batch::new();
    let (full, _reader) = UnixStream::pair().unwrap();
    let items: Vec<_> = files.iter().map(|file| Item::new(file.as_fd(), full.as_fd()).count(9000)).collect();
    panics(|| batch.run_watched(&items, |_| panic!("on purpose")));
    assert!(!is_nonblocking(&full), "the sink's mode");
    let sink = tempfile::NamedTempFile::new().unwrap();
    let backwards: Vec<_> = files.iter().rev().map(|file| Item::new(file.as_fd(), sink.as_fd()).count(9000)).collect();
    let report = batch.run(&backwards);
    assert!(report.items.iter().all(Result::is_ok), "{report:?}");
    let expected: Vec<u8> = (0..300).rev().flat_map(|i| vec![i as u8; 9000]).collect();
    assert!(std::fs::read(sink.path()).unwrap() == expected);
    assert_eq!(report.refusal.is_some(), Batch::new().refusal().is_some(), "it uses io_uring as before");
}
