//! Memory as a sink: what bounds it, what is refused before the first byte, what the report says, and that nothing behind the
//! bytes that were moved is touched. (Every source and mechanism is in `matrix.rs`, what happens meanwhile in `ends/`.)

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use zcio::region::{Access, Protection, Region, RegionOptions, Seals, SharedRegion};
use zcio::{AlignedBuffer, Batch, CachePolicy, Endpoint, ErrorKind, FanOut, Item, Mechanism, Relay, Report};
use zcio::{Side, Step, Transfer};
use zcio_tests::{Kind, Source, UNTOUCHED, file_with, nonblocking, pattern, storm_of_signals, watchdog};

const LENGTH: usize = 100_000;

fn end(of: &impl AsFd) -> Endpoint<'_> {
    Endpoint::new(of.as_fd()).unwrap()
}

#[test]
fn its_length_bounds_the_count_and_the_rest_stays_in_the_source() {
    let _dog = watchdog(60, "memory as a sink");
    let bytes = pattern(LENGTH);
    for kind in [Kind::File, Kind::Tcp, Kind::Unix, Kind::Pipe, Kind::Bytes, Kind::Pages] {
        for (room, offset, count, expected) in [
            (LENGTH - 1, None, None, LENGTH - 1),
            (LENGTH, None, None, LENGTH),
            (LENGTH + 1, None, None, LENGTH),
            (5000, Some(4000), None, 1000),
            (5000, Some(4000), Some(7), 7),
            (5000, Some(5000), None, 0),
            (5000, None, Some(6000), 5000),
            (0, None, None, 0),
        ] {
            let case = format!("{kind:?}, {room} from {offset:?}, {count:?}");
            let source = Source::with(kind, &bytes);
            let mut memory = vec![UNTOUCHED; room];
            let mut transfer = Transfer::new(source.end(), Endpoint::bytes_mut(&mut memory));
            if let Some(offset) = offset {
                transfer = transfer.sink_offset(offset);
            }
            if let Some(count) = count {
                transfer = transfer.count(count);
            }
            let report = transfer.run().unwrap_or_else(|error| panic!("{case}: {error}"));
            drop(transfer);
            let place = room - offset.unwrap_or(0) as usize;
            let requested = count.map_or(place, |count| place.min(count as usize)) as u64;
            assert_eq!((report.bytes, report.requested), (expected as u64, Some(requested)), "{case}");
            assert_eq!(report.is_short(), room > LENGTH, "{case}");
            assert_eq!((report.mechanism, report.copies.count), (Mechanism::ReadWrite, Some(1)), "{case}");
            let start = offset.unwrap_or(0) as usize;
            assert!(memory[start..start + expected] == bytes[..expected], "{case}: other bytes");
            let around = memory[..start].iter().chain(&memory[start + expected..]);
            assert!(around.copied().all(|byte| byte == UNTOUCHED), "{case}: written elsewhere");
            if !kind.is_memory() {
                let mut rest = Vec::new();
                File::from(source.as_fd().try_clone_to_owned().unwrap()).read_to_end(&mut rest).unwrap();
                assert!(rest == bytes[expected..], "{case}: {} bytes are left", rest.len());
            }
        }
    }
}

#[test]
fn a_step_does_not_wait_and_goes_on_where_it_was() {
    let (near, mut far) = UnixStream::pair().unwrap();
    nonblocking(&near);
    let mut memory = [0; 10];
    let mut transfer = Transfer::new(end(&near), Endpoint::bytes_mut(&mut memory));
    assert_eq!(transfer.step().unwrap(), Step::Blocked(Side::Source));
    far.write_all(b"1234").unwrap();
    assert_eq!(transfer.step().unwrap(), Step::Moved(4));
    assert_eq!(transfer.step().unwrap(), Step::Blocked(Side::Source));
    far.write_all(b"567890 and more").unwrap();
    assert_eq!(transfer.step().unwrap(), Step::Moved(6));
    assert_eq!(transfer.step().unwrap(), Step::Done);
    drop(transfer);
    assert_eq!(&memory, b"1234567890");
    drop(far);
    let mut rest = String::new();
    (&near).read_to_string(&mut rest).unwrap_or_default();
    assert_eq!(rest, " and more");
}

#[test]
fn bytes_that_were_taken_before_go_first_and_what_is_too_much_comes_back() {
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(b"cdef").unwrap();
    let mut memory = [0; 4];
    let mut transfer = Transfer::new(end(&near), Endpoint::bytes_mut(&mut memory)).taken_before(b"ab".to_vec());
    assert_eq!(transfer.run().unwrap().bytes, 4);
    assert_eq!(transfer.take_undelivered().unwrap(), b"");
    drop(transfer);
    assert_eq!(&memory, b"abcd");
    let mut transfer = Transfer::new(end(&near), Endpoint::bytes_mut(&mut memory)).taken_before(b"uvwxyz".to_vec());
    assert_eq!(transfer.run().unwrap().bytes, 4);
    assert_eq!(transfer.take_undelivered().unwrap(), b"yz");
    drop(transfer);
    assert_eq!(&memory, b"uvwx");
}

#[test]
fn signals_and_a_watcher_lose_nothing() {
    let _dog = watchdog(60, "memory in a storm of signals");
    let _storm = storm_of_signals();
    let bytes = pattern(4 << 20);
    for kind in [Kind::File, Kind::Tcp, Kind::Unix, Kind::Pipe] {
        let source = Source::with(kind, &bytes);
        let mut memory = vec![0; bytes.len()];
        let go_on = |_| std::ops::ControlFlow::Continue(());
        let report = Transfer::new(source.end(), Endpoint::bytes_mut(&mut memory)).run_watched(go_on).unwrap();
        assert_eq!(report.bytes as usize, bytes.len(), "{kind:?}");
        assert!(memory == bytes, "{kind:?}");
    }
}

fn refused(transfer: &mut Transfer<'_>) -> (ErrorKind, u64, String) {
    let error = transfer.run().unwrap_err();
    (error.kind(), error.moved(), error.message().to_string())
}

#[test]
fn memory_that_may_only_be_read_is_refused_before_the_first_byte() {
    let source = file_with(&pattern(LENGTH));
    let to_map = file_with(&vec![1; LENGTH]);
    let read_only = RegionOptions::new().map(to_map.as_fd()).unwrap();
    let protected = Region::anonymous(LENGTH as u64).unwrap();
    protected.protect(.., Protection::Read).unwrap();
    let sealed = SharedRegion::create(LENGTH as u64).unwrap();
    sealed.seal(Seals::WRITE).unwrap();
    let pages = AlignedBuffer::new(10).unwrap().freeze();
    for sink in [
        Endpoint::region(&read_only, ..).unwrap(),
        Endpoint::region(&protected, ..).unwrap(),
        Endpoint::region(sealed.region(), ..).unwrap(),
        Endpoint::pages(pages),
        Endpoint::bytes(b"borrowed"),
    ] {
        let (kind, moved, message) = refused(&mut Transfer::new(end(&source), sink));
        assert_eq!((kind, moved), (ErrorKind::NotWritable, 0), "{message}");
        assert!(message.contains("may only be read"), "{message}");
    }
    assert_eq!((&source).stream_position().unwrap(), 0);
    // Nobody can seal what is being filled.
    let shared = SharedRegion::create(LENGTH as u64).unwrap();
    let transfer = Transfer::new(end(&source), Endpoint::region(shared.region(), ..).unwrap());
    assert_eq!(shared.seal(Seals::WRITE).unwrap_err().errno(), Some(libc::EBUSY));
    drop(transfer);
    let (kind, _, message) =
        refused(&mut Transfer::new(end(&source), Endpoint::bytes_mut(&mut [0; 10])).sink_offset(11));
    assert_eq!(kind, ErrorKind::InvalidInput, "{message}");
}

#[test]
fn what_would_read_its_own_output_is_refused() {
    let bytes = pattern(LENGTH);
    let file = file_with(&bytes);
    let map = |access, offset| RegionOptions::new().access(access).offset(offset).map(file.as_fd()).unwrap();
    let (shared, private) = (map(Access::ReadWrite, 50_000), map(Access::Private, 0));
    let whole = map(Access::ReadWrite, 0);
    let into = |region: &Region, at: u64| Endpoint::region(region, at..).unwrap();
    // From the file into its own mapping, and from one mapping of it into another.
    for (from, at, count, overlaps) in
        [(1, 0, 50_000, true), (0, 0, 50_000, false), (45_000, 100, 6000, true), (60_000, 0, 40_000, true)]
    {
        let view = whole.view(from..).unwrap();
        for source in [end(&file), Endpoint::view(view)] {
            let offset = if source.descriptor().is_some() { from } else { 0 };
            let lent = shared.view(at..).unwrap();
            // SAFETY: of a view that outlives the endpoint.
            let by_address = unsafe { Endpoint::lent_mut(lent.as_mut_ptr(), lent.len()) };
            for sink in [into(&shared, at), by_address] {
                let mut transfer = Transfer::new(source.borrow(), sink).offset(offset).count(count);
                if overlaps {
                    assert_eq!(refused(&mut transfer).0, ErrorKind::InvalidInput, "{from} {at} {count}");
                } else {
                    assert_eq!(transfer.run().unwrap().bytes, count, "{from} {at} {count}");
                }
            }
        }
    }
    // A copy of its own pages is no part of the file.
    let report = Transfer::new(end(&file), into(&private, 0)).offset(10).run().unwrap();
    assert_eq!(report.bytes as usize, LENGTH - 10);
    // One memory.
    let anonymous = Region::anonymous(100).unwrap();
    anonymous.write_at(0, b"0123456789").unwrap();
    let part = |from: u64, to: u64| Endpoint::region(&anonymous, from..to).unwrap();
    assert_eq!(refused(&mut Transfer::new(part(0, 10), part(9, 100))).0, ErrorKind::InvalidInput);
    assert_eq!(refused(&mut Transfer::new(part(0, 10), part(0, 10))).0, ErrorKind::InvalidInput);
    assert_eq!(Transfer::new(part(0, 10), part(10, 100)).run().unwrap().bytes, 10);
    let mut found = [0; 20];
    anonymous.read_at(0, &mut found).unwrap();
    assert_eq!(&found, b"01234567890123456789");
}

/// The bytes of a file by direct I/O, at every place of a block; `None` if there is none here.
fn direct(file: &File, offset: u64, memory: &mut [u8]) -> Option<Report> {
    match Transfer::new(end(file), Endpoint::bytes_mut(memory)).offset(offset).mechanism(Mechanism::DirectIo).run() {
        Err(error) if error.kind() == ErrorKind::Refused => {
            zcio_tests::skip(&format!("no direct I/O here: {error}"));
            None
        }
        result => Some(result.unwrap()),
    }
}

#[test]
fn the_disk_writes_into_memory_that_is_aligned_as_the_file_is() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).or_else(|_| tempfile::tempdir()).unwrap();
    let bytes = pattern((3 << 20) + 777);
    let path = dir.path().join("file");
    std::fs::write(&path, &bytes).unwrap();
    let file = File::open(&path).unwrap();
    for (offset, shift, length, straight) in [
        (0, 0, 4 << 20, true),
        (0, 0, 8192, true),
        (4096, 0, 10_000, true),
        (100, 100, 10_000, true),
        (100, 0, 1 << 20, false),
        (0, 8, 2 << 20, false),
        (0, 0, 500, false),
        ((3 << 20) + 512, 0, 4096, false),
        (4 << 20, 0, 4096, false),
    ] {
        let case = format!("from {offset}, {length} bytes {shift} behind a page");
        let mut buffer = AlignedBuffer::new(shift + length).unwrap();
        buffer.fill(UNTOUCHED);
        let Some(report) = direct(&file, offset, &mut buffer[shift..]) else { return };
        let expected = bytes.get(offset as usize..).unwrap_or_default();
        let expected = &expected[..expected.len().min(length)];
        assert_eq!(report.bytes as usize, expected.len(), "{case}");
        assert_eq!(report.copies.count, Some(u8::from(!straight)), "{case}");
        assert!(buffer[shift..].starts_with(expected), "{case}: other bytes");
        let rest = &buffer[shift + expected.len()..];
        assert!(rest.iter().all(|&byte| byte == UNTOUCHED), "{case}: written behind the end");
    }
}

#[test]
fn what_takes_several_ends_refuses_it_in_words_or_serves_it() {
    let bytes = pattern(LENGTH);
    let file = file_with(&bytes);
    let (near, _far) = UnixStream::pair().unwrap();
    let (mut memory, mut other) = (vec![0; 1000], vec![0; 1000]);
    let error = FanOut::new(end(&file)).sink(Endpoint::bytes_mut(&mut memory)).run().unwrap_err();
    assert_eq!((error.kind(), error.moved()), (ErrorKind::Impossible, 0), "{error}");
    assert!(error.message().contains("memory"), "{error}");
    let error = Relay::new(end(&near), Endpoint::bytes_mut(&mut memory)).run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Impossible, "{error}");
    let source = end(&file);
    let sinks = [Endpoint::bytes_mut(&mut memory), Endpoint::bytes_mut(&mut other)];
    let items = [Item::new(&source, &sinks[0]).offset(5), Item::new(&source, &sinks[1]).offset(LENGTH as u64 - 10)];
    let report = Batch::new().run(&items);
    let told: Vec<_> = report.items.iter().map(|item| item.as_ref().unwrap()).collect();
    assert_eq!((told[0].bytes, told[1].bytes, told[1].requested), (1000, 10, Some(1000)));
    drop(sinks);
    assert!(memory == bytes[5..1005] && other[..10] == bytes[LENGTH - 10..]);
}

#[test]
fn a_cache_policy_is_about_the_source() {
    let bytes = pattern(9 << 20);
    let file = file_with(&bytes);
    let mut memory = vec![0; bytes.len()];
    let policy = CachePolicy { drop_behind: true, read_ahead: Some(1 << 20) };
    let report = Transfer::new(end(&file), Endpoint::bytes_mut(&mut memory)).cache(policy).run().unwrap();
    assert!(report.bytes as usize == bytes.len() && memory == bytes);
}
