//! What goes wrong in the middle: peers that vanish, full disks, files that shrink, signals. Every error carries the bytes
//! that were moved before it, and no byte is lost between the two ends.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use zcio::{Endpoint, ErrorKind, Mechanism, Step, Transfer};
use zcio_tests::mounts::{Tmpfs, await_room};
use zcio_tests::{
    Kind, Sink, Source, content, file_with, has, nonblocking, open_descriptors, pattern, storm_of_signals, tcp_pair,
    watchdog,
};

fn transfer<'fd>(source: &'fd impl AsFd, sink: &'fd impl AsFd) -> Transfer<'fd> {
    Transfer::new(Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap())
}

const FROM_FILE: [Mechanism; 6] = [
    Mechanism::ReadWrite,
    Mechanism::MmapWrite,
    Mechanism::Sendfile,
    Mechanism::Splice,
    Mechanism::DirectIo,
    Mechanism::Uring,
];
/// Those that can begin at a stream.
const FROM_STREAM: [Mechanism; 4] = [Mechanism::ReadWrite, Mechanism::Splice, Mechanism::Uring, Mechanism::DirectIo];

#[test]
fn a_peer_that_closes_half_way() {
    let _dog = watchdog(60, "a peer that closes half-way");
    let bytes = pattern(64 << 20);
    let source = file_with(&bytes);
    for mechanism in FROM_FILE.into_iter().filter(|&named| has(named)) {
        let (tcp, tcp_reader) = tcp_pair();
        let (unix, unix_reader) = UnixStream::pair().unwrap();
        let (pipe_reader, pipe) = std::io::pipe().unwrap();
        let pairs: [(Box<dyn AsFd>, Box<dyn Read + Send>); 3] = [
            (Box::new(tcp), Box::new(tcp_reader)),
            (Box::new(unix), Box::new(unix_reader)),
            (Box::new(pipe), Box::new(pipe_reader)),
        ];
        for (sink, mut reader) in pairs {
            let expected = bytes[..3 << 20].to_vec();
            let peer = std::thread::spawn(move || {
                let mut half = vec![0; 3 << 20];
                reader.read_exact(&mut half).unwrap();
                assert!(half == expected);
            });
            let fd = sink.as_fd();
            let error = transfer(&source, &fd).offset(0).mechanism(mechanism).run().unwrap_err();
            peer.join().unwrap();
            assert_eq!(error.kind(), ErrorKind::PeerClosed, "{mechanism}: {error}");
            let moved = error.moved();
            assert!((3 << 20..bytes.len() as u64).contains(&moved), "{mechanism}: {moved} bytes moved");
        }
    }
}

#[test]
fn a_source_that_is_reset_delivers_what_it_gave_and_then_fails() {
    let bytes = pattern(100_000);
    for mechanism in [Mechanism::ReadWrite, Mechanism::Splice, Mechanism::Uring].into_iter().filter(|&named| has(named))
    {
        let (near, mut far) = tcp_pair();
        // Unread bytes at the closing end make it send a reset instead of an orderly end.
        (&near).write_all(b"never read").unwrap();
        far.write_all(&bytes).unwrap();
        let sink = tempfile::tempfile().unwrap();
        let mut stepped = transfer(&near, &sink).mechanism(mechanism);
        while stepped.report().is_none_or(|report| report.bytes < bytes.len() as u64) {
            stepped.step().unwrap();
        }
        drop(far);
        let error = stepped.run().unwrap_err();
        assert_eq!((error.kind(), error.moved()), (ErrorKind::PeerClosed, bytes.len() as u64), "{mechanism}: {error}");
        assert!(content(&sink) == bytes, "{mechanism}");
    }
}

/// Its buffer is not full when the reset comes, and a socket tells that once.
#[test]
fn direct_io_delivers_what_a_reset_source_gave_and_then_fails() {
    let _dog = watchdog(60, "direct_io from a source that is reset");
    let bytes = pattern(100_000);
    let (near, mut far) = tcp_pair();
    nonblocking(&near);
    (&near).write_all(b"never read").unwrap();
    far.write_all(&bytes).unwrap();
    let sink = tempfile::tempfile().unwrap();
    let mut stepped = transfer(&near, &sink).mechanism(Mechanism::DirectIo);
    // Twice, because a step may come before the last byte.
    for _ in 0..2 {
        while !matches!(stepped.step().unwrap(), Step::Blocked(_)) {}
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    drop(far);
    let error = stepped.run().unwrap_err();
    assert_eq!((error.kind(), error.moved()), (ErrorKind::PeerClosed, bytes.len() as u64), "{error}");
    assert!(content(&sink) == bytes);
    assert_eq!(stepped.take_undelivered().unwrap(), b"");
}

/// poll(2) calls such a socket not ready until somebody connects to it, where a read or write says what is wrong.
#[test]
fn a_listening_socket_fails_also_for_who_is_watched() {
    let _dog = watchdog(60, "a listening socket");
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let unix = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    let file = file_with(b"some bytes");
    let other = tempfile::tempfile().unwrap();
    for listener in [tcp.as_fd(), unix.as_fd()] {
        for (source, sink) in [(listener, other.as_fd()), (file.as_fd(), listener)] {
            let began = std::time::Instant::now();
            let error = transfer(&source, &sink).run_watched(|_| {
                if began.elapsed().as_secs() < 5 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            assert_eq!(error.unwrap_err().kind(), ErrorKind::NotConnected);
        }
    }
}

#[test]
fn a_full_disk_keeps_count_and_content_in_step() {
    let bytes = pattern(4 << 20);
    // The others do not go from one file system to another, or not from a file to a file.
    let mechanisms =
        [Mechanism::ReadWrite, Mechanism::MmapWrite, Mechanism::Sendfile, Mechanism::Splice, Mechanism::DirectIo];
    for mechanism in mechanisms.into_iter().map(Some).chain([None]) {
        let Some(small) = Tmpfs::of(1 << 20) else { return };
        let sink = File::create_new(small.path().join("full")).unwrap();
        let source = file_with(&bytes);
        let mut moving = transfer(&source, &sink);
        if let Some(mechanism) = mechanism {
            moving = moving.mechanism(mechanism);
        }
        let error = moving.run().unwrap_err();
        assert_eq!(
            (error.kind(), error.errno()),
            (ErrorKind::StorageFull, Some(libc::ENOSPC)),
            "{mechanism:?}: {error}"
        );
        let stored = std::fs::read(small.path().join("full")).unwrap();
        assert!(!stored.is_empty());
        assert_eq!(stored.len() as u64, error.moved(), "{mechanism:?}");
        assert!(stored == bytes[..stored.len()], "{mechanism:?}");
        assert_eq!(
            (&source).stream_position().unwrap(),
            error.moved(),
            "{mechanism:?}: the position must fit the count"
        );
    }
}

#[test]
fn a_full_disk_loses_nothing_that_a_socket_gave() {
    let bytes = pattern(4 << 20);
    for mechanism in FROM_STREAM.into_iter().filter(|&named| has(named)).map(Some).chain([None]) {
        for kind in [Kind::Tcp, Kind::Unix, Kind::Pipe] {
            let Some(small) = Tmpfs::of(1 << 20) else { return };
            let path = small.path().join("full");
            let sink = File::create_new(&path).unwrap();
            let mut source = Source::with(kind, &bytes);
            let (moved, undelivered) = {
                let mut moving = transfer(&source, &sink);
                if let Some(mechanism) = mechanism {
                    moving = moving.mechanism(mechanism);
                }
                let error = moving.run().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::StorageFull, "{mechanism:?}: {error}");
                (error.moved() as usize, moving.take_undelivered().unwrap())
            };
            let mut rest = Vec::new();
            match &mut source {
                Source::Tcp(end, _) => end.read_to_end(&mut rest).unwrap(),
                Source::Unix(end, _) => end.read_to_end(&mut rest).unwrap(),
                Source::Pipe(end, _) => end.read_to_end(&mut rest).unwrap(),
                _ => unreachable!(),
            };
            let whole = [std::fs::read(&path).unwrap()[..moved].to_vec(), undelivered, rest].concat();
            assert!(whole == bytes, "{mechanism:?} from {kind:?}: a byte was lost or doubled");
        }
    }
}

#[test]
fn a_disk_that_has_room_again_is_written_on() {
    let bytes = pattern((4 << 20) - 8192);
    for mechanism in FROM_STREAM.into_iter().filter(|&named| has(named)) {
        let Some(small) = Tmpfs::of(4 << 20) else { return };
        let ballast = small.path().join("ballast");
        std::fs::write(&ballast, vec![1; 5 << 19]).unwrap();
        let sink = File::options().read(true).write(true).create_new(true).open(small.path().join("full")).unwrap();
        let source = Source::with(Kind::Unix, &bytes);
        let mut moving = transfer(&source, &sink).mechanism(mechanism);
        let error = moving.run().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        std::fs::remove_file(ballast).unwrap();
        await_room(small.path(), 5 << 19);
        moving.run().unwrap();
        assert!(content(&sink) == bytes, "{mechanism}");
    }
}

#[test]
fn a_file_that_shrinks_ends_the_transfer_where_it_ends() {
    let _dog = watchdog(60, "a shrinking file");
    // More than a step moves, so that the cut comes before the end.
    let bytes = pattern(24 << 20);
    for mechanism in FROM_FILE.into_iter().filter(|&named| has(named)) {
        let source = file_with(&bytes);
        let sink = Sink::new(Kind::Unix);
        nonblocking(&sink);
        let mut moving = transfer(&source, &sink).mechanism(mechanism);
        while moving.report().is_none_or(|report| report.bytes == 0) {
            moving.step().unwrap();
        }
        source.set_len(4096).unwrap();
        let report = moving.run().unwrap();
        drop(moving);
        let received = sink.received();
        assert_eq!(received.len() as u64, report.bytes, "{mechanism}");
        // What was in flight may show the cut as zeroes (aliased pages); nothing may be anything else.
        let same = received.iter().zip(&bytes).all(|(got, sent)| got == sent || *got == 0);
        assert!(same && received.len() < bytes.len(), "{mechanism}");
    }
}

#[test]
fn a_storm_of_signals_changes_no_byte() {
    let _dog = watchdog(60, "a storm of signals");
    let bytes = pattern(16 << 20);
    let both = |source_kind| Kind::ALL.map(|sink_kind| (source_kind, sink_kind));
    for (source_kind, sink_kind) in Kind::ALL.into_iter().flat_map(both) {
        for mechanism in [None, Some(Mechanism::Uring)].into_iter().filter(|&named| has(named)) {
            let (source, sink) = (Source::with(source_kind, &bytes), Sink::new(sink_kind));
            let storm = storm_of_signals();
            let mut moving = transfer(&source, &sink);
            if let Some(mechanism) = mechanism {
                moving = moving.mechanism(mechanism);
            }
            let report = moving.run().unwrap();
            drop((moving, storm));
            let name = format!("{source_kind:?} -> {sink_kind:?}, {mechanism:?}");
            assert_eq!(report.bytes, bytes.len() as u64, "{name}");
            assert!(sink.received() == bytes, "{name}: other bytes");
        }
    }
}

#[test]
fn failing_transfers_leave_no_descriptor_behind() {
    // Other tests of this file open descriptors at the same time: count in a child of our own.
    if !zcio_tests::alone::is_alone("failing_transfers_leave_no_descriptor_behind") {
        return;
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let once = || {
        let (mut writer, source) = UnixStream::pair().unwrap();
        writer.write_all(b"abc").unwrap();
        assert_eq!(transfer(&source, &full).run().unwrap_err().kind(), ErrorKind::StorageFull);
        let (unconnected, file) = (tempfile::tempfile().unwrap(), file_with(b"abc"));
        let mut moving = transfer(&source, &unconnected).mechanism(Mechanism::Splice);
        nonblocking(&source);
        assert!(matches!(moving.step(), Ok(Step::Blocked(_) | Step::Done)));
        assert!(transfer(&file, &source).mechanism(Mechanism::CopyFileRange).run().is_err());
    };
    once();
    let before = open_descriptors();
    (0..200).for_each(|_| once());
    assert_eq!(open_descriptors(), before);
}

#[test]
fn an_urgent_byte_does_not_end_a_stream() {
    use nix::sys::socket::{MsgFlags, send};
    use std::os::fd::AsRawFd;

    let _dog = watchdog(30, "an urgent byte");
    for blocking in [true, false] {
        for into in [Kind::File, Kind::Tcp, Kind::Unix, Kind::Pipe] {
            for open_until_the_end in [true, false] {
                let (near, mut far) = tcp_pair();
                near.set_nonblocking(!blocking).unwrap();
                let sender = std::thread::spawn(move || {
                    far.write_all(b"before ").unwrap();
                    send(far.as_raw_fd(), b"!", MsgFlags::MSG_OOB).unwrap();
                    far.write_all(b"after").unwrap();
                    if open_until_the_end {
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        far.write_all(b" all").unwrap();
                    }
                });
                let sink = Sink::new(into);
                if !open_until_the_end {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                let report = transfer(&near, &sink).mechanism(Mechanism::Splice).run().unwrap();
                sender.join().unwrap();
                let expected: &[u8] = if open_until_the_end { b"before after all" } else { b"before after" };
                assert_eq!(sink.received(), expected, "{into:?}, blocking: {blocking}");
                assert_eq!(report.bytes, expected.len() as u64);
            }
        }
    }
}
