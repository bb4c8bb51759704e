//! One source to many sinks: every sink that lives has exactly the source's bytes, whatever happens to the others.

mod sinks;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use zcio::{Endpoint, ErrorKind, FanOut, FanOutReport, FanOutStep, Mechanism, Readiness};
use zcio_tests::mounts::Tmpfs;
use zcio_tests::seccomp::refuse;
use zcio_tests::{
    Kind, Random, Sink, Source, content, file_with, nonblocking, open_descriptors, pattern, storm_of_signals, tcp_pair,
    watchdog,
};

fn end(fd: &impl AsFd) -> Endpoint<'_> {
    Endpoint::new(fd.as_fd()).unwrap()
}

fn fan_out<'fd>(source: &'fd impl AsFd, sinks: &'fd [impl AsFd]) -> FanOut<'fd> {
    sinks.iter().fold(FanOut::new(end(source)), |fan_out, sink| fan_out.sink(end(sink)))
}

/// An event loop around the steps.
fn drive(fan_out: &mut FanOut<'_>) -> FanOutReport {
    let mut total = 0;
    loop {
        match fan_out.step().unwrap() {
            FanOutStep::Done => break,
            FanOutStep::Moved(count) => total += count,
            FanOutStep::Blocked => {
                let wait = fan_out.interests().map(|(fd, readiness)| match readiness {
                    Readiness::Readable => PollFd::new(fd, PollFlags::POLLIN),
                    Readiness::Writable => PollFd::new(fd, PollFlags::POLLOUT),
                });
                let mut wait: Vec<_> = wait.collect();
                assert!(!wait.is_empty(), "blocked on nothing");
                poll(&mut wait, PollTimeout::NONE).unwrap();
            }
        }
    }
    let report = fan_out.report().unwrap();
    assert_eq!(total, report.sinks.iter().map(|sink| sink.bytes).sum::<u64>());
    report
}

#[test]
fn every_kind_of_source_to_every_kind_of_sink() {
    let _dog = watchdog(120, "every kind");
    for length in [0, 1, 4097, (5 << 20) + 13] {
        let bytes = pattern(length);
        for source_kind in Kind::ALL {
            for (step, unblocked) in [(false, false), (true, false), (true, true)] {
                let source = Source::with(source_kind, &bytes);
                let sinks: Vec<_> = Kind::ALL.into_iter().chain(Kind::ALL).map(Sink::new).collect();
                if unblocked {
                    nonblocking(&source);
                    sinks.iter().for_each(nonblocking);
                }
                let mut shared = fan_out(&source, &sinks);
                let report = if step { drive(&mut shared) } else { shared.run().unwrap() };
                drop(shared);
                // An empty file has no size that counts, so it is read.
                let read = source_kind.is_file() && length == 0;
                let expected = if read { Mechanism::ReadWrite } else { Mechanism::Splice };
                assert_eq!((report.bytes, report.mechanism), (length as u64, expected), "{source_kind:?}");
                assert!(report.attempts.is_empty(), "{report:?}");
                for (sink, told) in sinks.into_iter().zip(report.sinks) {
                    assert!(told.error.is_none() && told.bytes == length as u64);
                    assert!(sink.received() == bytes, "{source_kind:?}, {length}: other bytes");
                }
            }
        }
    }
}

#[test]
fn bulk_to_three_sockets() {
    let _dog = watchdog(120, "bulk");
    let bytes = pattern(64 << 20);
    let source = file_with(&bytes);
    let sinks = [Kind::Tcp, Kind::Unix, Kind::Tcp].map(Sink::new);
    let report = fan_out(&source, &sinks).run().unwrap();
    assert_eq!(report.bytes, bytes.len() as u64);
    assert!(sinks.into_iter().all(|sink| sink.received() == bytes));
}

#[test]
fn positions_offsets_and_counts() {
    for refused in [false, true] {
        let test = std::thread::spawn(move || {
            if refused {
                refuse(libc::SYS_tee, libc::ENOSYS);
            }
            let (mut source, mut one, mut two) = (file_with(b"0123456789"), file_with(b"abcdef"), file_with(b"ABCDEF"));
            source.seek(SeekFrom::Start(2)).unwrap();
            one.seek(SeekFrom::Start(1)).unwrap();
            two.seek(SeekFrom::Start(6)).unwrap();
            let report = FanOut::new(end(&source)).sink(end(&one)).sink_at(end(&two), 3).count(4).run().unwrap();
            assert_eq!((report.bytes, report.requested), (4, Some(4)));
            let positions = [&mut source, &mut one, &mut two].map(|file| file.stream_position().unwrap());
            assert_eq!(positions, [6, 5, 6]);
            assert_eq!((content(&one), content(&two)), (b"a2345f".to_vec(), b"ABC2345".to_vec()));
            // An offset leaves the source's position alone.
            FanOut::new(end(&source)).sink(end(&one)).offset(8).run().unwrap();
            assert_eq!(source.stream_position().unwrap(), 6);
        });
        test.join().unwrap();
    }
}

#[test]
fn sinks_that_cannot_be_spliced_to_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = pattern(3 << 20);
    for source_kind in Kind::ALL {
        let path = dir.path().join(format!("{source_kind:?}"));
        std::fs::write(&path, b"kept ").unwrap();
        let append = File::options().append(true).open(&path).unwrap();
        let null = File::options().write(true).open("/dev/null").unwrap();
        let (source, plain) = (Source::with(source_kind, &bytes), file_with(b""));
        let sinks = [append.as_fd(), plain.as_fd(), null.as_fd(), null.as_fd()];
        let report = fan_out(&source, &sinks).run().unwrap();
        let mechanisms: Vec<_> = report.sinks.iter().map(|sink| sink.mechanism).collect();
        assert_eq!(mechanisms[..2], [Mechanism::ReadWrite, Mechanism::Splice]);
        assert!(std::fs::read(&path).unwrap() == [b"kept ", &bytes[..]].concat());
        assert!(content(&plain) == bytes);
    }
    // /proc has no size and is read. (Not what other tests change meanwhile, as the mounts.)
    let (source, one, two) = (File::open("/proc/version").unwrap(), file_with(b""), file_with(b""));
    let report = FanOut::new(end(&source)).sink(end(&one)).sink(end(&two)).run().unwrap();
    assert!(report.bytes > 0 && report.mechanism == Mechanism::ReadWrite);
    assert_eq!(content(&one), content(&two));
    assert_eq!(content(&one), std::fs::read("/proc/version").unwrap());
}

#[test]
fn a_refused_call_is_noted_and_every_sink_has_the_same_bytes() {
    let _dog = watchdog(120, "a refused call");
    let bytes = pattern((8 << 20) + 5);
    for (call, name) in [(libc::SYS_tee, "tee"), (libc::SYS_splice, "splice")] {
        for errno in [libc::ENOSYS, libc::EPERM, libc::EINVAL] {
            for source_kind in Kind::ALL {
                // In the middle: some have the window, some have part of it, some have nothing yet.
                for (before, unblocked) in [(0, false), (3, false), (0, true), (4, true)] {
                    let source = Source::with(source_kind, &bytes);
                    let sinks: Vec<_> = Kind::ALL.into_iter().chain([Kind::Pipe]).map(Sink::new).collect();
                    if unblocked {
                        sinks.iter().for_each(nonblocking);
                    }
                    let report = std::thread::scope(|scope| {
                        let filtered = scope.spawn(|| {
                            let mut shared = fan_out(&source, &sinks);
                            (0..before).for_each(|_| assert_ne!(shared.step().unwrap(), FanOutStep::Done));
                            refuse(call, errno);
                            shared.run().unwrap()
                        });
                        filtered.join().unwrap()
                    });
                    let what = format!("{name} {errno} {source_kind:?} {before} {unblocked}");
                    assert_eq!((report.bytes, report.mechanism), (bytes.len() as u64, Mechanism::ReadWrite), "{what}");
                    assert_eq!(report.attempts.len(), 1, "{what}");
                    assert_eq!((report.attempts[0].operation, report.attempts[0].errno), (name, Some(errno)), "{what}");
                    assert!(sinks.into_iter().all(|sink| sink.received() == bytes), "{what}: other bytes");
                }
            }
        }
    }
}

/// A sink with a thread that reads `until` bytes, at its own pace, and closes.
fn reader(mut far: impl Read + Send + 'static, until: usize, piece: usize, pause: Duration) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let (mut received, mut buffer) = (Vec::new(), vec![0; piece]);
        while received.len() < until {
            let most = piece.min(until - received.len());
            match far.read(&mut buffer[..most]) {
                // An end, or a reset by the test: it compares what came before.
                Ok(0) | Err(_) => break,
                Ok(count) => received.extend_from_slice(&buffer[..count]),
            }
            if !pause.is_zero() {
                std::thread::sleep(pause);
            }
        }
        received
    })
}

/// A stream sink of some kind and the reader behind it.
fn stream(
    kind: Kind,
    small: bool,
    until: usize,
    piece: usize,
    pause: Duration,
) -> (Box<dyn AsFd>, JoinHandle<Vec<u8>>) {
    match kind {
        Kind::Tcp => {
            let (near, far) = tcp_pair();
            if small {
                setsockopt(&near, sockopt::SndBuf, &4096).unwrap();
            }
            (Box::new(near), reader(far, until, piece, pause))
        }
        Kind::Unix => {
            let (near, far) = UnixStream::pair().unwrap();
            if small {
                setsockopt(&near, sockopt::SndBuf, &4096).unwrap();
            }
            (Box::new(near), reader(far, until, piece, pause))
        }
        _ => {
            let (far, near) = std::io::pipe().unwrap();
            (Box::new(near), reader(far, until, piece, pause))
        }
    }
}

/// Pipes that are much smaller than the window, as an unprivileged user gets them who has many: tee copies only a part.
#[test]
fn without_pipe_room_the_window_is_shared_piece_by_piece() {
    let _dog = watchdog(120, "small pipes");
    let bytes = pattern(2 << 20);
    let test = std::thread::spawn(move || {
        let (source, far) = UnixStream::pair().unwrap();
        let sinks = [Kind::Unix, Kind::File, Kind::Pipe, Kind::Tcp].map(Sink::new);
        let mut shared = fan_out(&source, &sinks);
        // The window's pipe is there now and has its full size; the sinks' are made when there is something for them, and
        // are refused theirs (F_SETPIPE_SZ is fcntl).
        assert_eq!(shared.step().unwrap(), FanOutStep::Blocked);
        refuse(libc::SYS_fcntl, libc::EPERM);
        let sent = bytes.clone();
        let sender = std::thread::spawn(move || { &far }.write_all(&sent).unwrap());
        assert_eq!(shared.run().unwrap().bytes, bytes.len() as u64);
        sender.join().unwrap();
        drop(shared);
        assert!(sinks.into_iter().all(|sink| sink.received() == bytes));
    });
    test.join().unwrap();
}

#[test]
fn a_watcher_sees_the_count_and_can_stop() {
    let _dog = watchdog(60, "a watcher");
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(b"12345").unwrap();
    let file = file_with(b"");
    let mut calls = 0;
    let sinks = [file.as_fd()];
    let error = fan_out(&near, &sinks)
        .run_watched(|moved| {
            calls += 1;
            assert_eq!(moved, 5);
            if calls < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .unwrap_err();
    assert_eq!((error.kind(), error.moved()), (ErrorKind::Cancelled, 5));
}

#[test]
fn a_refused_request_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    std::fs::write(&old, b"precious").unwrap();
    let source = file_with(b"0123");
    let (read_only, pipe) = (File::open(&old).unwrap(), std::io::pipe().unwrap().0);
    let kind = |fan_out: FanOut<'_>| {
        let mut fan_out = fan_out;
        fan_out.run().unwrap_err().kind()
    };
    let created =
        || FanOut::new(end(&source)).sink(Endpoint::create(&old).unwrap()).sink(Endpoint::create(&new).unwrap());
    assert_eq!(kind(created().sink(end(&read_only))), ErrorKind::NotWritable);
    assert_eq!(kind(created().sink(end(&pipe))), ErrorKind::NotWritable);
    assert_eq!(kind(created().sink(Endpoint::create(&old).unwrap())), ErrorKind::InvalidInput);
    assert_eq!(kind(created().sink(end(&source))), ErrorKind::InvalidInput);
    assert_eq!(kind(FanOut::new(end(&source))), ErrorKind::InvalidInput);
    let memory = FanOut::new(Endpoint::bytes(b"0123")).sink(Endpoint::create(&new).unwrap());
    assert_eq!(kind(memory), ErrorKind::Impossible);
    let (socket, _far) = UnixStream::pair().unwrap();
    assert_eq!(kind(created().sink_at(end(&socket), 3)), ErrorKind::InvalidInput);
    assert_eq!(std::fs::read(&old).unwrap(), b"precious");
    assert!(!new.exists());
    assert_eq!(created().run().unwrap().bytes, 4);
    assert_eq!((std::fs::read(&old).unwrap(), std::fs::read(&new).unwrap()), (b"0123".to_vec(), b"0123".to_vec()));
}

#[test]
fn fan_outs_leave_no_descriptor_behind() {
    // Other tests of this file open descriptors at the same time: count in a child of our own.
    if !zcio_tests::alone::is_alone("fan_outs_leave_no_descriptor_behind") {
        return;
    }
    let bytes = pattern(1 << 20);
    let once = || {
        let (stuck, far) = UnixStream::pair().unwrap();
        let (full, file) = (File::options().write(true).open("/dev/full").unwrap(), file_with(b""));
        let source = file_with(&bytes);
        let sinks = [stuck.as_fd(), full.as_fd(), file.as_fd()];
        let mut shared = fan_out(&source, &sinks);
        while shared.step().unwrap() != FanOutStep::Blocked {}
        drop(far);
        assert_eq!(shared.run().unwrap().bytes, bytes.len() as u64);
    };
    // A pool of pipes may keep a few: let it fill first.
    (0..20).for_each(|_| once());
    let before = open_descriptors();
    (0..200).for_each(|_| once());
    assert_eq!(open_descriptors(), before);
}
