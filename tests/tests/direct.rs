//! Files opened with `O_DIRECT`, and amounts that are no whole blocks: every mechanism, named or not, moves all of it or
//! refuses before the first byte; and to a file that was opened to append as well.

use std::fs::{File, OpenOptions};
use std::io::Seek;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use zcio::{Endpoint, FanOut, Mechanism, Transfer};
use zcio_tests::{Kind, Sink, Source, has, pattern, watchdog};

/// A folder on a disk, which the system's folder for temporary files need not be; he has that who may not write here.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).or_else(|_| tempfile::tempdir()).unwrap()
}

fn all() -> impl Iterator<Item = Option<Mechanism>> {
    Mechanism::ALL.iter().map(|&mechanism| Some(mechanism)).chain([None]).filter(|&named| has(named))
}

fn open(path: &std::path::Path, append: bool) -> Option<File> {
    let direct = OpenOptions::new().read(!append).write(true).append(append).custom_flags(libc::O_DIRECT).open(path);
    match direct {
        Ok(file) => Some(file),
        Err(error) => {
            assert!(std::env::var_os("ZCIO_REQUIRE").is_none(), "no O_DIRECT here, and ZCIO_REQUIRE is set");
            eprintln!("skipped: no O_DIRECT here: {error}");
            None
        }
    }
}

fn named<'a>(source: Endpoint<'a>, sink: Endpoint<'a>, mechanism: Option<Mechanism>) -> Transfer<'a> {
    let transfer = Transfer::new(source, sink);
    if let Some(mechanism) = mechanism { transfer.mechanism(mechanism) } else { transfer }
}

#[test]
fn all_of_it_or_nothing() {
    let _dog = watchdog(120, "O_DIRECT");
    let dir = folder();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    // Less than a block, blocks and a part of one, whole blocks, more than any buffer.
    for size in [100, 10_000, 1 << 20, (3 << 20) + 777] {
        let bytes = pattern(size);
        std::fs::write(&from, &bytes).unwrap();
        for mechanism in all() {
            for kind in [Kind::File, Kind::Tcp, Kind::Unix, Kind::Pipe, Kind::Bytes, Kind::Pages] {
                for append in [false, true] {
                    let old = vec![b'o'; 4096];
                    std::fs::write(&to, if append { &old[..] } else { b"" }).unwrap();
                    let Some(direct) = open(&to, append) else { return };
                    let source = Source::with(kind, &bytes);
                    let case = format!("{kind:?} -> O_DIRECT, append {append}, {mechanism:?}, {size}");
                    let result = named(source.end(), Endpoint::new(direct.as_fd()).unwrap(), mechanism).run();
                    let found = std::fs::read(&to).unwrap();
                    let moved = match &result {
                        Ok(report) => report.bytes,
                        Err(error) => error.moved(),
                    };
                    assert!(moved == if result.is_ok() { size as u64 } else { 0 }, "{case}: {result:?}");
                    let expected = [if append { &old[..] } else { b"" }, &bytes[..moved as usize]].concat();
                    assert!(found == expected, "{case}: other bytes");
                    assert!(mechanism.is_some() || append || result.is_ok(), "{case}: {result:?}");
                }
            }
            for kind in Kind::SINKS {
                for offset in [0, 1, 4096] {
                    let Some(mut direct) = open(&from, false) else { return };
                    direct.rewind().unwrap();
                    let mut sink = if kind.is_memory() { Sink::memory(size) } else { Sink::new(kind) };
                    let case = format!("O_DIRECT from {offset} -> {kind:?}, {mechanism:?}, {size}");
                    let source = Endpoint::new(direct.as_fd()).unwrap();
                    let result = named(source, sink.end(), mechanism).offset(offset as u64).run();
                    let told = result.as_ref().map_or_else(zcio::Error::moved, |report| report.bytes);
                    let received = sink.received_of(told);
                    let expected = bytes.get(offset..).unwrap_or_default();
                    let moved = if result.is_ok() { expected } else { &[] };
                    assert!(received == moved, "{case}: {result:?}");
                    assert!(mechanism.is_some() || result.is_ok(), "{case}: {result:?}");
                }
            }
        }
    }
}

/// A count that is exactly what the file has, tail and all.
#[test]
fn a_count_may_end_with_the_file() {
    let dir = folder();
    let from = dir.path().join("from");
    for size in [100, 10_000, (1 << 20) + 777] {
        let bytes = pattern(size);
        std::fs::write(&from, &bytes).unwrap();
        for mechanism in [Mechanism::ReadWrite, Mechanism::DirectIo] {
            let Some(direct) = open(&from, false) else { return };
            let sink = Sink::new(Kind::Unix);
            let ends = (Endpoint::new(&direct).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
            let report = named(ends.0, ends.1, Some(mechanism)).count(size as u64).run().unwrap();
            assert_eq!(report.bytes, size as u64, "{mechanism}");
            assert!(sink.received() == bytes, "{mechanism}");
        }
    }
}

#[test]
fn the_error_says_what_is_wrong() {
    let dir = folder();
    let to = dir.path().join("to");
    std::fs::write(&to, b"").unwrap();
    let Some(sink) = open(&to, true) else { return };
    let error = Transfer::new(Endpoint::bytes(b"no block"), Endpoint::new(sink.as_fd()).unwrap()).run().unwrap_err();
    assert!(error.message().contains("O_DIRECT") && error.message().contains("whole blocks"), "{error}");
    assert_eq!((error.errno(), error.moved()), (Some(libc::EINVAL), 0));
}

#[test]
fn a_fan_out_moves_all_of_it_or_nothing() {
    let dir = folder();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    for size in [100, 10_000, 1 << 20, (3 << 20) + 777] {
        let bytes = pattern(size);
        std::fs::write(&from, &bytes).unwrap();
        for kind in Kind::ALL {
            std::fs::write(&to, b"").unwrap();
            let (Some(sink), Some(direct)) = (open(&to, false), open(&from, false)) else { return };
            let source = Source::with(kind, &bytes);
            let result = FanOut::new(source.end()).sink(Endpoint::new(sink.as_fd()).unwrap()).run();
            let expected = if result.is_ok() { &bytes[..] } else { b"" };
            assert!(std::fs::read(&to).unwrap() == expected, "{kind:?} -> O_DIRECT, {size}: {result:?}");
            let other = Sink::new(kind);
            let source = Endpoint::new(direct.as_fd()).unwrap();
            let result = FanOut::new(source).sink(Endpoint::new(other.as_fd()).unwrap()).run();
            assert!(other.received() == if result.is_ok() { &bytes[..] } else { b"" }, "O_DIRECT -> {kind:?}, {size}");
        }
    }
}
