//! A path as a destination: whatever refuses a transfer before its first byte, the file that is there keeps its content, and one
//! that is not there is not made. After the first byte it has that many bytes of the source, and nothing else.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use zcio::inject::{self, Call, Fault};
use zcio::{Endpoint, Error, ErrorKind, Mechanism, Report, Side, Step, Transfer};
use zcio_tests::alone::is_alone;
use zcio_tests::{Kind, Source, has, pattern, skip, watchdog};

const SOURCES: [Kind; 6] = [Kind::File, Kind::Tcp, Kind::Unix, Kind::Pipe, Kind::Bytes, Kind::Pages];

/// A folder with a file that is longer than what replaces it, and a name that is free.
struct Sinks {
    _dir: tempfile::TempDir,
    old: PathBuf,
    new: PathBuf,
    content: Vec<u8>,
}

impl Sinks {
    fn new(length: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        let content: Vec<u8> = pattern(length).iter().map(|byte| !byte).collect();
        std::fs::write(&old, &content).unwrap();
        Self { _dir: dir, old, new, content }
    }

    fn paths(&self) -> [&Path; 2] {
        [&self.old, &self.new]
    }

    /// Whether the path is what a transfer with that outcome may have made of it; as it was before afterwards.
    /// `may_wait`: it was not refused, and a new file has its name while it waits for the first byte.
    fn check(&self, path: &Path, bytes: &[u8], outcome: &Result<Report, Error>, may_wait: bool, case: &str) {
        let found = std::fs::read(path).ok();
        match outcome {
            Ok(report) => {
                assert_eq!(report.bytes, bytes.len() as u64, "{case}");
                assert!(found.as_deref() == Some(bytes), "{case}: other bytes as a success");
            }
            Err(error) if error.moved() == 0 => {
                let before = (path == self.old).then_some(&self.content);
                let length = found.as_ref().map(Vec::len);
                let waited = may_wait && path == self.new && length == Some(0);
                assert!(waited || found.as_ref() == before, "{case}: {length:?} bytes, after {error}");
            }
            Err(error) => {
                let moved = &bytes[..error.moved() as usize];
                assert!(found.as_deref() == Some(moved), "{case}: not what was moved, after {error}");
            }
        }
        let _ = std::fs::remove_file(&self.new);
        std::fs::write(&self.old, &self.content).unwrap();
    }
}

/// One transfer to the path, every call of which goes by `hook`.
fn run(
    source: &Source,
    path: &Path,
    mechanism: Option<Mechanism>,
    hook: impl FnMut(&Call) -> Fault + 'static,
) -> Result<Report, Error> {
    inject::with(hook, || named(Transfer::new(source.end(), Endpoint::create(path)?), mechanism).run())
}

fn named(transfer: Transfer<'_>, mechanism: Option<Mechanism>) -> Transfer<'_> {
    mechanism.into_iter().fold(transfer, Transfer::mechanism)
}

fn mechanisms() -> impl Iterator<Item = Option<Mechanism>> {
    Mechanism::ALL.iter().copied().map(Some).chain([None]).filter(|&mechanism| has(mechanism))
}

#[test]
fn a_call_that_fails_before_the_first_byte_costs_nothing() {
    let _dog = watchdog(300, "old content");
    let bytes = pattern(200_000);
    let sinks = Sinks::new(300_000);
    let (mut refused, mut served) = (BTreeSet::new(), BTreeSet::new());
    for mechanism in mechanisms() {
        for from in SOURCES {
            // What it asks of the kernel when nothing fails.
            let asked = Rc::new(RefCell::new(0));
            let counted = asked.clone();
            let source = Source::with(from, &bytes);
            let outcome = run(&source, &sinks.old, mechanism, move |_| {
                *counted.borrow_mut() += 1;
                Fault::None
            });
            sinks.check(&sinks.old, &bytes, &outcome, false, &format!("{mechanism:?} from {from:?}"));
            match outcome {
                Err(error) if error.kind() == ErrorKind::Impossible => continue,
                Ok(_) => _ = served.insert(mechanism.map(Mechanism::name)),
                Err(_) => {}
            }
            let calls = *asked.borrow();
            for errno in [libc::EPERM, libc::EMFILE, libc::EIO, libc::ENOSPC] {
                for which in 0..calls.min(16) {
                    for path in sinks.paths() {
                        let source = Source::with(from, &bytes);
                        let mut number = 0;
                        let outcome = run(&source, path, mechanism, move |_| {
                            number += 1;
                            if number == which + 1 { Fault::Errno(errno) } else { Fault::None }
                        });
                        // A full device may have room once the old content has gone: nobody knows before.
                        if errno == libc::ENOSPC && outcome.as_ref().is_err_and(|error| error.moved() == 0) {
                            let _ = std::fs::remove_file(&sinks.new);
                            std::fs::write(&sinks.old, &sinks.content).unwrap();
                            continue;
                        }
                        let case = format!("{mechanism:?} from {from:?} to {path:?}: errno {errno} of call {which}");
                        let waits = ![Kind::File, Kind::Bytes, Kind::Pages].contains(&from);
                        sinks.check(path, &bytes, &outcome, waits, &case);
                        refused.extend(outcome.is_err().then_some(mechanism.map(Mechanism::name)));
                    }
                }
            }
        }
    }
    let may_fail = Mechanism::ALL
        .iter()
        .filter(|named| **named != Mechanism::ZerocopySend && **named != Mechanism::ZerocopyReceive);
    for named in may_fail.filter(|&&named| has(named)) {
        assert!(refused.contains(&Some(named.name())), "{named} was never refused: {refused:?}");
        let clones = *named == Mechanism::Reflink;
        assert!(clones || served.contains(&Some(named.name())), "{named} has never served: {served:?}");
    }
}

/// As many descriptors are left as there are sorts of need: a ring, a pipe, a file opened once more.
#[test]
fn few_descriptors_cost_nothing() {
    if !is_alone("few_descriptors_cost_nothing") {
        return;
    }
    let _dog = watchdog(60, "few descriptors");
    let bytes = pattern(200_000);
    let sinks = Sinks::new(300_000);
    let from = sinks.old.with_file_name("from");
    std::fs::write(&from, &bytes).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 64, getrlimit(Resource::RLIMIT_NOFILE).unwrap().1).unwrap();
    let mut refused = BTreeSet::new();
    for mechanism in mechanisms() {
        for left in 0..8 {
            for path in sinks.paths() {
                let mut all: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
                all.truncate(all.len() - left);
                let outcome = (|| {
                    let transfer = Transfer::new(Endpoint::open(&from)?, Endpoint::create(path)?);
                    named(transfer, mechanism).run()
                })();
                drop(all);
                let case = format!("{mechanism:?} to {path:?} with {left} descriptors left");
                if !outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Impossible) {
                    sinks.check(path, &bytes, &outcome, false, &case);
                }
                if outcome.is_err_and(|error| error.errno() == Some(libc::EMFILE)) && left > 1 && path == sinks.old {
                    refused.extend(mechanism.map(Mechanism::name));
                }
            }
        }
    }
    for named in [Mechanism::Splice, Mechanism::Uring].into_iter().filter(|&named| has(named)) {
        assert!(refused.contains(named.name()), "{named} needs descriptors of its own: {refused:?}");
    }
}

/// The address space is full, or no page may be locked: what was asked for that was not to be had is what the words say.
#[test]
fn little_memory_costs_nothing_and_the_limit_is_called_by_its_name() {
    if !is_alone("little_memory_costs_nothing_and_the_limit_is_called_by_its_name") {
        return;
    }
    let _dog = watchdog(60, "little memory");
    let bytes = pattern(200_000);
    let sinks = Sinks::new(300_000);
    let from = sinks.old.with_file_name("from");
    std::fs::write(&from, &bytes).unwrap();
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let size = pages.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 4096;
    let most = getrlimit(Resource::RLIMIT_AS).unwrap().1;
    let mut said = BTreeSet::new();
    for mechanism in mechanisms() {
        for more in [0, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 2 << 20, 16 << 20] {
            for path in sinks.paths() {
                // What the program itself keeps in reserve would not be missed.
                setrlimit(Resource::RLIMIT_AS, size + more, most).unwrap();
                let outcome = (|| {
                    let transfer = Transfer::new(Endpoint::open(&from)?, Endpoint::create(path)?);
                    named(transfer, mechanism).run()
                })();
                setrlimit(Resource::RLIMIT_AS, most, most).unwrap();
                if !outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Impossible) {
                    let case = format!("{mechanism:?} to {path:?} with {more} bytes left");
                    sinks.check(path, &bytes, &outcome, false, &case);
                }
                if let (Err(error), Some(Mechanism::Uring)) = (outcome, mechanism) {
                    said.insert((error.operation(), error.message().to_string()));
                }
            }
        }
    }
    if !has(Mechanism::Uring) {
        return;
    }
    assert!(said.iter().all(|(operation, words)| *operation == "mmap" && words.contains("RLIMIT_AS")), "{said:?}");
    assert!(!said.is_empty(), "there was room for everything");
    // Without the right to lock as much as one likes (CAP_IPC_LOCK).
    let locked = 256 << 10;
    setrlimit(Resource::RLIMIT_MEMLOCK, locked, locked).unwrap();
    let nobody = nix::unistd::Uid::from_raw(65_534);
    if nix::unistd::geteuid().is_root() && nix::unistd::setuid(nobody).is_err() {
        return skip("it cannot become another user");
    }
    // With nothing at all even the ring is too much for some kernels.
    for (limit, operations) in [(locked, &["io_uring_register"][..]), (0, &["io_uring_register", "io_uring_setup"])] {
        setrlimit(Resource::RLIMIT_MEMLOCK, limit, locked).unwrap();
        let (source, sink) = (tempfile(&bytes), tempfile(b""));
        let [source, sink] = [&source, &sink].map(|file| Endpoint::new(file.as_fd()).unwrap());
        let error = Transfer::new(source, sink).mechanism(Mechanism::Uring).run().unwrap_err();
        assert!(operations.contains(&error.operation()) && error.errno() == Some(libc::ENOMEM), "{error}");
        assert!(error.message().contains("RLIMIT_MEMLOCK"), "{error}");
    }
}

fn tempfile(bytes: &[u8]) -> OwnedFd {
    let name = nix::sys::memfd::memfd_create(c"zcio", nix::sys::memfd::MFdFlags::MFD_CLOEXEC).unwrap();
    let mut file = File::from(name);
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.into()
}

/// A sink offset leaves zeroes before it, whatever was there.
#[test]
fn what_was_there_before_the_sink_offset_is_zeroes() {
    let bytes = pattern(200_000);
    let sinks = Sinks::new(300_000);
    for mechanism in mechanisms() {
        for at in [1, 4096, 100_000, 300_000, 1 << 20] {
            let source = zcio_tests::file_with(&bytes);
            for path in sinks.paths() {
                let transfer = Transfer::new(Endpoint::new(source.as_fd()).unwrap(), Endpoint::create(path).unwrap());
                let transfer = transfer.offset(0).sink_offset(at);
                let outcome = named(transfer, mechanism).run();
                let Ok(_) = outcome else { continue };
                let mut expected = vec![0; at as usize];
                expected.extend(&bytes);
                assert!(std::fs::read(path).unwrap() == expected, "{mechanism:?} to {path:?} at {at}");
                std::fs::remove_file(&sinks.new).ok();
                std::fs::write(&sinks.old, &sinks.content).unwrap();
            }
        }
    }
}

/// Somebody else has made the file meanwhile: what was taken out of a stream is not lost with the one that got no name.
#[test]
fn what_a_stream_gave_to_a_file_that_got_no_name_is_handed_back() {
    for mechanism in [Mechanism::ReadWrite, Mechanism::Splice, Mechanism::DirectIo, Mechanism::Uring] {
        if !has(mechanism) {
            continue;
        }
        let bytes = pattern(200_000);
        let sinks = Sinks::new(1);
        let (reader, mut writer) = std::io::pipe().unwrap();
        let feeder = std::thread::spawn({
            let bytes = bytes.clone();
            move || writer.write_all(&bytes)
        });
        let sink = Endpoint::create(&sinks.new).unwrap();
        let mut transfer = Transfer::new(Endpoint::new(&reader).unwrap(), sink).mechanism(mechanism);
        std::fs::write(&sinks.new, b"theirs").unwrap();
        let error = loop {
            match transfer.step() {
                // The feeder has not come yet.
                Ok(Step::Blocked(Side::Source)) => std::thread::yield_now(),
                Ok(step) => assert_eq!(step, Step::Moved(0), "{mechanism}"),
                Err(error) => break error,
            }
        };
        assert_eq!((error.errno(), error.moved()), (Some(libc::EEXIST), 0), "{mechanism}: {error}");
        assert_eq!(std::fs::read(&sinks.new).unwrap(), b"theirs", "{mechanism}");
        // It goes on once the name is free.
        std::fs::remove_file(&sinks.new).unwrap();
        assert_eq!(transfer.run().unwrap().bytes, bytes.len() as u64, "{mechanism}");
        feeder.join().unwrap().unwrap();
        assert!(std::fs::read(&sinks.new).unwrap() == bytes, "{mechanism}");
    }
}

/// Content that nobody may cut off is not written over either.
#[test]
fn a_file_that_cannot_be_cut_is_left_alone() {
    use nix::fcntl::{FcntlArg, SealFlag, fcntl};
    use nix::sys::memfd::{MFdFlags, memfd_create};
    let sealed = memfd_create(c"zcio", MFdFlags::MFD_ALLOW_SEALING | MFdFlags::MFD_CLOEXEC).unwrap();
    let mut file = File::from(sealed);
    file.write_all(b"precious").unwrap();
    fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK)).unwrap();
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let error = Transfer::new(Endpoint::bytes(b"new"), Endpoint::create(path).unwrap()).run().unwrap_err();
    assert_eq!((error.operation(), error.errno()), ("ftruncate", Some(libc::EPERM)));
    let mut content = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut content).unwrap();
    assert_eq!(content, "precious");
}

/// Nobody is told that nothing has moved over content that is gone: a source that fails at once costs nothing either.
#[test]
fn files_without_a_size_are_read_or_refused() {
    let sinks = Sinks::new(10);
    let files =
        ["self/pagemap", "self/mem", "self/maps", "self/environ", "version"].map(|name| format!("/proc/{name}"));
    for source in files.iter().map(String::as_str).chain(["/dev/null"]) {
        for (mechanism, path) in mechanisms().flat_map(|mechanism| sinks.paths().map(|path| (mechanism, path))) {
            let transfer = Transfer::new(Endpoint::open(source).unwrap(), Endpoint::create(path).unwrap());
            match named(transfer.count(1 << 16), mechanism).run() {
                Ok(report) => {
                    let empty = source == "/dev/null";
                    assert_eq!(report.bytes == 0, empty, "{mechanism:?} of {source}: success for less");
                    assert_eq!(std::fs::read(path).unwrap().len() as u64, report.bytes);
                }
                Err(error) => {
                    let untouched = std::fs::read(path).ok() == (path == sinks.old).then(|| sinks.content.clone());
                    assert!(untouched && error.moved() == 0, "{mechanism:?} of {source}: {error}");
                }
            }
            std::fs::remove_file(&sinks.new).ok();
            std::fs::write(&sinks.old, &sinks.content).unwrap();
        }
    }
}
