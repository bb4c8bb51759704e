//! Terminals in blocking mode: a watcher is called although nobody types, and although nobody looks at what is printed.

use std::fs::File;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;

use zcio::{Batch, BatchProgress, Endpoint, ErrorKind, FanOut, FanOutStep, Item, Mechanism, Transfer};
use zcio_tests::terminals::terminal;
use zcio_tests::{file_with, has, pattern, watchdog};

fn end(file: &File) -> Endpoint<'_> {
    Endpoint::new(file.as_fd()).unwrap()
}

fn is_nonblocking(file: &File) -> bool {
    let flags = nix::fcntl::fcntl(file, nix::fcntl::FcntlArg::F_GETFL).unwrap();
    flags & libc::O_NONBLOCK != 0
}

#[test]
fn a_watcher_is_called_while_nobody_types() {
    let _dog = watchdog(60, "a terminal that nobody types at");
    let (mut near, far) = terminal();
    for mechanism in [None, Some(Mechanism::ReadWrite), Some(Mechanism::Uring)].into_iter().filter(|&named| has(named))
    {
        near.write_all(b"typed").unwrap();
        let sink = tempfile::tempfile().unwrap();
        let mut transfer = Transfer::new(end(&far), end(&sink));
        if let Some(mechanism) = mechanism {
            transfer = transfer.mechanism(mechanism);
        }
        let mut looks = 0;
        let error = transfer.run_watched(|moved| {
            looks += i32::from(moved == 5);
            if looks == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let error = error.unwrap_err();
        assert_eq!((error.kind(), error.moved()), (ErrorKind::Cancelled, 5), "{mechanism:?}: {error}");
    }
}

#[test]
fn a_watcher_is_called_while_nobody_looks() {
    let _dog = watchdog(60, "a terminal that nobody looks at");
    let bytes = pattern(4 << 20);
    let source = file_with(&bytes);
    // The controlling end cannot be opened again, and takes its bytes one by one.
    for controlling in [false, true] {
        let (near, far) = terminal();
        let (sink, reader) = if controlling { (&near, &far) } else { (&far, &near) };
        let (mut before, mut looks) = (0, 0);
        let error = Transfer::new(end(&source), end(sink)).offset(0).run_watched(|moved| {
            looks = if moved == before { looks + 1 } else { 0 };
            before = moved;
            if looks == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        assert!(!is_nonblocking(sink), "the mode is not ours to switch");
        let mut received = vec![0; error.moved() as usize];
        let mut reader = reader;
        std::io::Read::read_exact(&mut reader, &mut received).unwrap();
        assert!(!received.is_empty() && received == bytes[..received.len()]);
    }
}

/// The ends of a new one as sink and reader; the controlling end, as a sink, cannot be opened again.
fn ends(controlling: bool) -> (File, File) {
    let (near, far) = terminal();
    if controlling { (near, far) } else { (far, near) }
}

#[test]
fn a_batch_is_watched_and_a_fan_out_does_not_sleep() {
    for controlling in [false, true] {
        batch_and_fan_out(controlling);
    }
}

fn batch_and_fan_out(controlling: bool) {
    let _dog = watchdog(60, "a terminal that nobody looks at");
    let bytes = pattern(8 << 10);
    let (source, (sink, _reader)) = (file_with(&bytes), ends(controlling));
    let items: Vec<_> = (0..200).map(|_| Item::new(source.as_fd(), sink.as_fd()).count(bytes.len() as u64)).collect();
    let (mut before, mut looks) = (0, 0);
    let report = Batch::new().run_watched(&items, |progress: BatchProgress| {
        looks = if progress.bytes == before { looks + 1 } else { 0 };
        before = progress.bytes;
        if looks == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(report.items.iter().any(|item| item.as_ref().is_err_and(|error| error.kind() == ErrorKind::Cancelled)));

    let large = pattern(1 << 20);
    let (source, (sink, mut reader)) = (file_with(&large), ends(controlling));
    let mut fan_out = FanOut::new(end(&source)).sink(end(&sink));
    while fan_out.step().unwrap() != FanOutStep::Blocked {}
    let mut looks = 0;
    let error = fan_out.run_watched(|_| {
        looks += 1;
        if looks == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Cancelled);
    // Somebody looks after all, and finds everything in order.
    let received = std::thread::spawn(move || {
        let mut received = vec![0; 1 << 20];
        reader.read_exact(&mut received).unwrap();
        received
    });
    assert_eq!(fan_out.run().unwrap().bytes, large.len() as u64);
    assert!(received.join().unwrap() == large);
    assert!(!is_nonblocking(&sink), "the mode is not ours to switch");
}
