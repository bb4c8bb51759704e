//! Sinks that are slow, stand still, die or fill up, and a source that does.

use super::*;

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
