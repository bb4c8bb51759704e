//! One source to many sinks: every sink that lives has exactly the source's bytes, whatever happens to the others.

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

#[test]
fn slow_sinks_do_not_corrupt_the_others() {
    let _dog = watchdog(120, "slow sinks");
    let bytes = pattern(4 << 20);
    for source_kind in Kind::ALL {
        let source = Source::with(source_kind, &bytes);
        let paces = [(1 << 20, 0), (7_001, 100), (1 << 20, 0), (40_000, 1000), (1 << 16, 0)];
        let kinds = [Kind::Tcp, Kind::Unix, Kind::Pipe, Kind::Tcp, Kind::Unix];
        let (sinks, readers): (Vec<_>, Vec<_>) = std::iter::zip(kinds, paces)
            .map(|(kind, (piece, pause))| stream(kind, false, usize::MAX, piece, Duration::from_micros(pause)))
            .unzip();
        let fds: Vec<BorrowedFd<'_>> = sinks.iter().map(|sink| sink.as_fd()).collect();
        fan_out(&source, &fds).run().unwrap();
        drop(fds);
        drop(sinks);
        for (index, reader) in readers.into_iter().enumerate() {
            assert!(reader.join().unwrap() == bytes, "{source_kind:?}: sink {index} has other bytes");
        }
    }
}

#[test]
fn a_sink_that_stands_still_holds_the_source_back_and_nothing_else() {
    let _dog = watchdog(60, "a sink that stands still");
    let bytes = pattern(16 << 20);
    let source = file_with(&bytes);
    let (stuck, _never_read) = UnixStream::pair().unwrap();
    let file = file_with(b"");
    let sinks = [stuck.as_fd(), file.as_fd()];
    let mut shared = fan_out(&source, &sinks);
    while shared.step().unwrap() != FanOutStep::Blocked {}
    let report = shared.report().unwrap();
    // The file is a window or two ahead, not the whole source.
    assert!((1 << 20..=3 << 20).contains(&report.sinks[1].bytes), "{report:?}");
    assert!(content(&file) == bytes[..report.sinks[1].bytes as usize]);
    assert_eq!(shared.interests().count(), 1);
    assert_eq!((&source).stream_position().unwrap(), report.bytes);
    // What it has not got can be had back; the other sink goes on to the end.
    let undelivered = shared.take_undelivered(0).unwrap();
    let (start, taken) = (report.sinks[0].bytes as usize, report.sinks[0].bytes as usize + undelivered.len());
    assert!(!undelivered.is_empty() && undelivered == bytes[start..taken]);
    // A file that was read is at its end by its position.
    let mut file = &file;
    file.seek(SeekFrom::End(0)).unwrap();
    let report = shared.run().unwrap();
    assert_eq!(report.bytes, bytes.len() as u64);
    assert!(content(file) == bytes);
}

#[test]
fn dead_sinks_are_reported_and_dropped() {
    let _dog = watchdog(300, "dead sinks");
    let mut random = Random::seeded(7_310_042);
    let bytes = pattern(3 << 20);
    for round in 0..150 {
        let source_kind = random.of(&Kind::ALL);
        let count = 1 + random.below(6) as usize;
        let mut mortal = Vec::new();
        let (sinks, readers): (Vec<_>, Vec<_>) = (0..count)
            .map(|_| {
                let dies = random.below(2) == 0;
                let until = if dies { random.below(bytes.len() as u64) as usize } else { usize::MAX };
                let (piece, pause) = random.of(&[(1 << 16, 0), (9_999, 20), (1 << 20, 0)]);
                let small = !dies && random.below(8) == 0;
                mortal.push(dies);
                let kind = random.of(&[Kind::Tcp, Kind::Unix, Kind::Pipe]);
                stream(kind, small, until, piece, Duration::from_micros(pause))
            })
            .unzip();
        let source = Source::with(source_kind, &bytes);
        let fds: Vec<BorrowedFd<'_>> = sinks.iter().map(|sink| sink.as_fd()).collect();
        let mut shared = fan_out(&source, &fds);
        let result = shared.run();
        let report = shared.report().unwrap();
        drop(shared);
        drop(fds);
        drop(sinks);
        let received: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        for (index, (received, sink)) in std::iter::zip(&received, &report.sinks).enumerate() {
            let what = format!("round {round}, {source_kind:?}, sink {index} of {mortal:?}");
            assert!(bytes.starts_with(received), "{what}: other bytes");
            assert!(received.len() as u64 <= sink.bytes, "{what}");
            match &sink.error {
                None => assert_eq!(sink.bytes, bytes.len() as u64, "{what}"),
                Some(error) => {
                    assert!(mortal[index], "{what}: {error}");
                    assert_eq!((error.kind(), error.moved()), (ErrorKind::PeerClosed, sink.bytes), "{what}: {error}");
                }
            }
            if !mortal[index] {
                assert_eq!(received.len(), bytes.len(), "{what}");
            }
        }
        if report.sinks.iter().all(|sink| sink.error.is_some()) {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::PeerClosed);
        } else {
            assert_eq!(result.unwrap().bytes, bytes.len() as u64);
        }
    }
}

#[test]
fn a_full_disk_is_one_sinks_affair() {
    let bytes = pattern(4 << 20);
    for source_kind in Kind::ALL {
        let Some(small) = Tmpfs::of(1 << 20) else { return };
        let path = small.path().join("full");
        let (full, good) = (File::create_new(&path).unwrap(), Sink::new(Kind::Unix));
        let source = Source::with(source_kind, &bytes);
        let sinks = [full.as_fd(), good.as_fd()];
        let report = fan_out(&source, &sinks).run().unwrap();
        let error = report.sinks[0].error.as_ref().unwrap();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::StorageFull, Some(libc::ENOSPC)));
        let stored = std::fs::read(&path).unwrap();
        assert_eq!(stored.len() as u64, report.sinks[0].bytes);
        assert!(stored == bytes[..stored.len()] && good.received() == bytes);
    }
}

#[test]
fn the_last_sinks_death_loses_nothing() {
    let bytes = pattern(4 << 20);
    for source_kind in [Kind::Tcp, Kind::Unix, Kind::Pipe] {
        let Some(small) = Tmpfs::of(1 << 20) else { return };
        let full = File::create_new(small.path().join("full")).unwrap();
        let (gone, far) = UnixStream::pair().unwrap();
        // Not by closing it alone: a child that another test starts holds it open until it executes its program.
        far.shutdown(std::net::Shutdown::Both).unwrap();
        drop(far);
        let mut source = Source::with(source_kind, &bytes);
        let (moved, undelivered, of_the_other) = {
            let fd = [full.as_fd(), gone.as_fd()];
            let mut shared = fan_out(&source, &fd);
            let error = shared.run().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
            let of_the_other = shared.take_undelivered(1).unwrap();
            (error.moved() as usize, shared.take_undelivered(0).unwrap(), of_the_other)
        };
        let mut rest = Vec::new();
        match &mut source {
            Source::Tcp(end, _) => end.read_to_end(&mut rest).unwrap(),
            Source::Unix(end, _) => end.read_to_end(&mut rest).unwrap(),
            Source::Pipe(end, _) => end.read_to_end(&mut rest).unwrap(),
            Source::File(_) | Source::Bytes(_) | Source::Pages(_) => unreachable!(),
        };
        let stored = std::fs::read(small.path().join("full")).unwrap();
        assert_eq!(stored.len(), moved);
        // A first window that fills the disk kills both in one step, the socket, which had nothing, as the last: then it is
        // the socket's bytes that are kept.
        let kept =
            if of_the_other.is_empty() { [stored, undelivered, rest] } else { [undelivered, of_the_other, rest] };
        assert!(kept.concat() == bytes, "{source_kind:?}: a byte was lost or doubled");
    }
}

#[test]
fn a_source_that_is_reset_fails_after_its_bytes() {
    let bytes = pattern(100_000);
    let (near, mut far) = tcp_pair();
    // Unread bytes at the closing end make it send a reset instead of an orderly end.
    (&near).write_all(b"never read").unwrap();
    far.write_all(&bytes).unwrap();
    let (one, two) = (file_with(b""), file_with(b""));
    let sinks = [one.as_fd(), two.as_fd()];
    let mut shared = fan_out(&near, &sinks);
    while shared.report().is_none_or(|report| report.bytes < bytes.len() as u64) {
        shared.step().unwrap();
    }
    drop(far);
    let error = shared.run().unwrap_err();
    assert_eq!((error.kind(), error.moved()), (ErrorKind::PeerClosed, bytes.len() as u64), "{error}");
    assert!(content(&one) == bytes && content(&two) == bytes);
}

#[test]
fn a_storm_of_signals_changes_no_byte() {
    let _dog = watchdog(60, "a storm of signals");
    let bytes = pattern(6 << 20);
    let _storm = storm_of_signals();
    for source_kind in Kind::ALL {
        let (source, sinks) = (Source::with(source_kind, &bytes), Kind::ALL.map(Sink::new));
        fan_out(&source, &sinks).run().unwrap();
        assert!(sinks.into_iter().all(|sink| sink.received() == bytes), "{source_kind:?}");
    }
}

#[test]
fn messages_of_one_byte() {
    let _dog = watchdog(60, "one byte");
    let bytes = pattern(3000);
    let (near, mut far) = UnixStream::pair().unwrap();
    let sinks = Kind::ALL.map(Sink::new);
    let sent = bytes.clone();
    let sender = std::thread::spawn(move || sent.iter().for_each(|byte| far.write_all(&[*byte]).unwrap()));
    let report = fan_out(&near, &sinks).run().unwrap();
    sender.join().unwrap();
    assert_eq!(report.bytes, 3000);
    assert!(sinks.into_iter().all(|sink| sink.received() == bytes));
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
    if std::env::var_os("ZCIO_TEST_CHILD").is_none() {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "fan_outs_leave_no_descriptor_behind", "--nocapture"])
            .env("ZCIO_TEST_CHILD", "1")
            .status()
            .unwrap();
        assert!(child.success());
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
