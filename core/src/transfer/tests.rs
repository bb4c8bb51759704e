//! The state machine against real files, sockets and pipes; the full matrix stands in tests/.

use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{TcpStream, UdpSocket};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::{Duration, Instant};

use super::*;
use crate::testing::has_uring;
use crate::{ErrorKind, Kind};

fn file_with(bytes: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

fn end(fd: &impl AsFd) -> Endpoint<'_> {
    Endpoint::new(fd.as_fd()).unwrap()
}

fn content(mut file: &std::fs::File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Whether it can be had in a container.
fn is_allowed(mechanism: Mechanism) -> bool {
    mechanism != Mechanism::Uring || has_uring()
}

/// The mechanisms that can go from file to file.
fn between_files() -> Vec<Mechanism> {
    let needs_other_ends =
        [Mechanism::Vmsplice, Mechanism::ZerocopySend, Mechanism::Reflink, Mechanism::ZerocopyReceive];
    Mechanism::ALL.iter().copied().filter(|named| !needs_other_ends.contains(named) && is_allowed(*named)).collect()
}

#[test]
fn positions_are_used_and_advanced_by_what_was_delivered() {
    // The temporary directory's file system may not clone; tests/ has some that do.
    for mechanism in between_files() {
        let (mut source, mut sink) = (file_with(b"0123456789"), file_with(b"abcdefghij"));
        source.seek(SeekFrom::Start(2)).unwrap();
        sink.seek(SeekFrom::Start(1)).unwrap();
        let report = Transfer::new(end(&source), end(&sink)).count(5).mechanism(mechanism).run().unwrap();
        assert_eq!((report.bytes, report.mechanism, report.automatic), (5, mechanism, false));
        assert_eq!((source.stream_position().unwrap(), sink.stream_position().unwrap()), (7, 6), "{mechanism}");
        assert_eq!(content(&sink), b"a23456ghij", "{mechanism}");
    }
}

#[test]
fn offsets_leave_positions_alone() {
    for mechanism in between_files().into_iter().filter(|&named| named != Mechanism::Sendfile) {
        let (mut source, mut sink) = (file_with(b"0123456789"), file_with(b"abcdefghij"));
        source.seek(SeekFrom::Start(9)).unwrap();
        sink.seek(SeekFrom::Start(9)).unwrap();
        Transfer::new(end(&source), end(&sink)).offset(2).sink_offset(1).count(5).mechanism(mechanism).run().unwrap();
        assert_eq!((source.stream_position().unwrap(), sink.stream_position().unwrap()), (9, 9), "{mechanism}");
        assert_eq!(content(&sink), b"a23456ghij", "{mechanism}");
    }
}

#[test]
fn a_range_beyond_the_end_moves_what_there_is_and_says_so() {
    let (source, sink) = (file_with(b"0123456789"), file_with(b""));
    let report = Transfer::new(end(&source), end(&sink)).offset(8).count(100).run().unwrap();
    assert_eq!((report.bytes, report.requested, report.is_short()), (2, Some(100), true));
    let report = Transfer::new(end(&source), end(&sink)).offset(u64::MAX >> 1).count(u64::MAX).run().unwrap();
    assert_eq!((report.bytes, report.is_short()), (0, true));
}

#[test]
fn a_refused_mechanism_hands_over_to_the_next_one() {
    // /proc files have no size that counts, so a real refusal is met only when sendfile is tried: name it.
    let source = std::fs::File::open("/proc/self/maps").unwrap();
    let sink = file_with(b"");
    let error = Transfer::new(end(&source), end(&sink)).mechanism(Mechanism::Sendfile).run().unwrap_err();
    assert_eq!((error.kind(), error.errno(), error.moved()), (ErrorKind::Refused, Some(libc::EINVAL), 0));
    // copy_file_range across file systems: EXDEV, then sendfile carries on.
    let source = nix::sys::memfd::memfd_create(c"zcio", nix::sys::memfd::MFdFlags::MFD_CLOEXEC).unwrap();
    let mut source = std::fs::File::from(source);
    source.write_all(b"0123456789").unwrap();
    let sink = file_with(b"");
    let report = Transfer::new(end(&source), end(&sink)).offset(1).run().unwrap();
    assert_eq!(content(&sink), b"123456789");
    assert_eq!(report.mechanism, Mechanism::Sendfile);
    assert_eq!(report.attempts.len(), 1);
    assert_eq!(report.attempts[0].mechanism, Mechanism::CopyFileRange);
    assert_eq!(report.attempts[0].errno, Some(libc::EXDEV));
}

#[test]
fn bytes_taken_from_a_stream_survive_a_sink_that_fails() {
    for mechanism in
        [Mechanism::ReadWrite, Mechanism::Splice, Mechanism::Uring].into_iter().filter(|&it| is_allowed(it))
    {
        let (mut writer, source) = UnixStream::pair().unwrap();
        writer.write_all(b"not to be lost").unwrap();
        drop(writer);
        // Writing needs the sealed size to grow: EPERM, as long as the seal is there.
        let sink = nix::sys::memfd::memfd_create(c"zcio", nix::sys::memfd::MFdFlags::MFD_ALLOW_SEALING).unwrap();
        let grow = nix::fcntl::FcntlArg::F_ADD_SEALS(nix::fcntl::SealFlag::F_SEAL_GROW);
        nix::fcntl::fcntl(&sink, grow).unwrap();
        let mut transfer = Transfer::new(end(&source), end(&sink)).mechanism(mechanism);
        let error = transfer.run().unwrap_err();
        assert_eq!((error.errno(), error.moved()), (Some(libc::EPERM), 0), "{mechanism}");
        assert_eq!(transfer.take_undelivered().unwrap(), b"not to be lost", "{mechanism}");
        assert_eq!(transfer.take_undelivered().unwrap(), b"", "{mechanism}");
    }
}

#[test]
fn a_full_disk_is_an_error_that_can_be_continued_from() {
    let (mut writer, source) = UnixStream::pair().unwrap();
    writer.write_all(b"0123456789").unwrap();
    drop(writer);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut transfer = Transfer::new(end(&source), end(&full));
    for _ in 0..2 {
        let error = transfer.step().unwrap_err();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::StorageFull, Some(libc::ENOSPC)));
    }
    assert_eq!(transfer.take_undelivered().unwrap(), b"0123456789");
}

#[test]
fn a_watcher_can_stop_a_transfer_that_waits() {
    let (_writer, source) = UnixStream::pair().unwrap();
    let sink = file_with(b"");
    let mut calls = 0;
    let error = Transfer::new(end(&source), end(&sink))
        .run_watched(|moved| {
            assert_eq!(moved, 0);
            calls += 1;
            if calls == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap_err();
    assert_eq!((error.kind(), calls), (ErrorKind::Cancelled, 2));
}

#[test]
fn a_watched_transfer_ends_although_its_sink_is_full() {
    let (_reader, sink) = std::io::pipe().unwrap();
    let source = file_with(&vec![7; 65536]);
    let report = Transfer::new(end(&source), end(&sink)).run_watched(|_| ControlFlow::Continue(())).unwrap();
    assert_eq!(report.bytes, 65536);
}

#[test]
fn the_same_file_is_refused_only_where_the_ranges_overlap() {
    let file = file_with(b"0123456789");
    let error = Transfer::new(end(&file), end(&file)).offset(0).sink_offset(5).run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    Transfer::new(end(&file), end(&file)).offset(0).sink_offset(5).count(5).run().unwrap();
    assert_eq!(content(&file), b"0123401234");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("itself");
    std::fs::write(&path, b"precious").unwrap();
    let sink = Endpoint::create(&path).unwrap();
    let error = Transfer::new(Endpoint::open(&path).unwrap(), sink).run().unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::InvalidInput, Some(path.as_path())));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");

    let appending = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    let report = Transfer::new(Endpoint::open(&path).unwrap(), end(&appending)).run().unwrap();
    assert_eq!((report.bytes, std::fs::read(&path).unwrap().as_slice()), (8, &b"preciousprecious"[..]));
}

#[test]
fn a_request_that_cannot_be_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kept");
    let (_writer, socket) = UnixStream::pair().unwrap();
    let named = |mechanism| {
        Transfer::new(end(&socket), Endpoint::create(&path).unwrap()).mechanism(mechanism).run().unwrap_err()
    };
    for mechanism in [Mechanism::Sendfile, Mechanism::CopyFileRange, Mechanism::MmapWrite] {
        assert_eq!(named(mechanism).kind(), ErrorKind::Impossible);
        assert!(!path.exists());
    }
    std::fs::write(&path, b"precious").unwrap();
    assert_eq!(named(Mechanism::Sendfile).kind(), ErrorKind::Impossible);
    let error = Transfer::new(end(&socket), Endpoint::create(&path).unwrap()).offset(1).run().unwrap_err();
    assert_eq!((error.kind(), error.errno()), (ErrorKind::InvalidInput, Some(libc::ESPIPE)));
    let source = Endpoint::open(dir.path()).unwrap();
    let error = Transfer::new(source, Endpoint::create(&path).unwrap()).run().unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::IsDirectory, Some(dir.path())));
    let write_only = std::fs::OpenOptions::new().write(true).open("/dev/null").unwrap();
    let error = Transfer::new(end(&write_only), Endpoint::create(&path).unwrap()).run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotReadable);
    let read_only = std::fs::File::open(&path).unwrap();
    let error = Transfer::new(Endpoint::open("/proc/self/maps").unwrap(), end(&read_only)).run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotWritable);
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn a_file_without_a_size_is_moved_whole() {
    let (source, sink) = (std::fs::File::open("/proc/cpuinfo").unwrap(), file_with(b""));
    assert_eq!(end(&source).facts().kind, Kind::File);
    let report = Transfer::new(end(&source), end(&sink)).run().unwrap();
    assert!(report.bytes > 0);
    assert!(content(&sink).starts_with(b"processor"));
}

#[test]
fn memory_is_a_source_with_offsets() {
    let sink = file_with(b"");
    let report = Transfer::new(Endpoint::bytes(b"0123456789"), end(&sink)).offset(2).count(5).run().unwrap();
    assert_eq!((report.bytes, report.copies.count), (5, Some(1)));
    assert_eq!(content(&sink), b"23456");
    let report = Transfer::new(Endpoint::bytes(b""), end(&sink)).run().unwrap();
    assert_eq!((report.bytes, report.is_short()), (0, false));
    let error = Transfer::new(end(&sink), Endpoint::bytes(b"0123456789")).run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotWritable);
}

#[test]
fn a_borrowed_end_serves_many_transfers() {
    let (source, sink) = (file_with(b"0123456789"), file_with(b""));
    let (source, sink) = (end(&source), end(&sink));
    for offset in 0..10 {
        Transfer::new(source.borrow(), sink.borrow()).offset(offset).count(1).run().unwrap();
    }
    let file = std::fs::File::from(sink.descriptor().unwrap().try_clone_to_owned().unwrap());
    assert_eq!(content(&file), b"0123456789");
}

#[test]
fn a_socket_that_is_not_connected_costs_nobody_a_file() {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kept");
    std::fs::write(&path, b"precious").unwrap();
    for family in [AddressFamily::Inet, AddressFamily::Unix] {
        let unconnected = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        let error = Transfer::new(end(&unconnected), Endpoint::create(&path).unwrap()).run().unwrap_err();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::NotConnected, Some(libc::ENOTCONN)), "{family:?}");
        assert_eq!(std::fs::read(&path).unwrap(), b"precious", "{family:?}");
    }
}

/// Runs a transfer that would go on for ever and cancels it: how often its watcher was called, and how long it took.
fn cancelled_after(limit: Duration, mut transfer: Transfer<'_>) -> (usize, Duration) {
    let (start, mut looks) = (Instant::now(), 0);
    let error = transfer
        .run_watched(|_| {
            looks += 1;
            if looks >= 2 && start.elapsed() >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    (looks, start.elapsed())
}

#[test]
fn a_watcher_is_called_although_bytes_trickle_in() {
    let (mut writer, source) = UnixStream::pair().unwrap();
    source.set_nonblocking(true).unwrap();
    let trickle = std::thread::spawn(move || {
        while writer.write_all(b".").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let sink = file_with(b"");
    let (looks, took) = cancelled_after(Duration::from_millis(300), Transfer::new(end(&source), end(&sink)));
    drop(source);
    trickle.join().unwrap();
    assert!(looks >= 2 && took < Duration::from_secs(20), "{looks} looks in {took:?}");
}

#[test]
fn direct_io_is_watched_while_it_waits_for_more_from_a_blocking_stream() {
    let (mut writer, source) = UnixStream::pair().unwrap();
    writer.write_all(b"12345").unwrap();
    // Ends the wait, should nobody else: the test then fails instead of hanging.
    let (over, is_over) = std::sync::mpsc::channel::<()>();
    let closes_late = std::thread::spawn(move || {
        let _ = is_over.recv_timeout(Duration::from_secs(30));
        drop(writer);
    });
    let sink = file_with(b"");
    let mut transfer = Transfer::new(end(&source), end(&sink)).mechanism(Mechanism::DirectIo);
    let start = Instant::now();
    let stop = |_| if start.elapsed().as_millis() >= 300 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let error = transfer.run_watched(stop).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!((error.kind(), error.moved()), (ErrorKind::Cancelled, 0));
    assert_eq!(transfer.take_undelivered().unwrap(), b"12345");
    drop(over);
    closes_late.join().unwrap();
}

#[test]
fn a_large_window_is_no_reason_to_ask_for_ever() {
    let policy = crate::CachePolicy { read_ahead: Some(u64::MAX), ..crate::CachePolicy::default() };
    for bytes in [vec![], vec![7; 100_000]] {
        let (source, sink) = (file_with(&bytes), file_with(b""));
        let report = Transfer::new(end(&source), end(&sink)).cache(policy).run().unwrap();
        assert!(content(&sink) == bytes && report.system_calls < 100, "{}", report.system_calls);
    }
}

/// A type of the standard library can be made of any descriptor: nothing of a datagram is lost by believing it.
#[test]
fn a_socket_type_that_is_of_something_else_is_no_source() {
    let udp = || {
        let (near, far) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        far.send_to(&[7; 1000], near.local_addr().unwrap()).unwrap();
        OwnedFd::from(near)
    };
    let datagrams = || {
        let (near, far) = UnixDatagram::pair().unwrap();
        far.send(&[7; 1000]).unwrap();
        OwnedFd::from(near)
    };
    let ends: [(&str, &dyn Fn() -> OwnedFd); 2] = [("UDP", &udp), ("datagrams", &datagrams)];
    for (name, made) in ends {
        let (tcp, unix) = (TcpStream::from(made()), UnixStream::from(made()));
        for source in [Endpoint::new(&tcp).unwrap(), Endpoint::new(&unix).unwrap()] {
            let sink = tempfile::tempfile().unwrap();
            let error = Transfer::new(source.borrow(), end(&sink)).count(500).run().unwrap_err();
            assert_eq!((error.kind(), error.moved()), (ErrorKind::Impossible, 0), "{name}: {error}");
            assert_eq!(content(&sink), b"");
        }
        for fd in [OwnedFd::from(tcp), OwnedFd::from(unix)] {
            assert_eq!(std::fs::File::from(fd).read(&mut [0; 2000]).unwrap(), 1000, "{name}");
        }
    }
}
