//! Where this process may not have more (files that long, descriptors, `/proc`), the error says so, and nothing is lost.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use zcio::buffer::AlignedBuffer;
use zcio::inject::{self, Fault};
use zcio::region::{Access, Peer, RegionOptions, Seals, SharedRegion};
use zcio::{Endpoint, ErrorKind, Mechanism, Transfer};
use zcio_tests::alone::is_alone;
use zcio_tests::{has, pattern, skip};

fn limit_files(length: u64) {
    // SAFETY: nothing is called in a handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    setrlimit(Resource::RLIMIT_FSIZE, length, getrlimit(Resource::RLIMIT_FSIZE).unwrap().1).unwrap();
}

/// On a file system that may have direct I/O, if this user may write there.
fn on_disk() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).or_else(|_| tempfile::tempdir()).unwrap()
}

#[test]
fn a_region_of_an_old_file_that_is_longer_than_files_may_be_leaves_it() {
    if !is_alone("a_region_of_an_old_file_that_is_longer_than_files_may_be_leaves_it") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("old");
    let content = pattern(100_000);
    std::fs::write(&path, &content).unwrap();
    limit_files(8192);
    for length in [8193, 50_000, 100_000, 200_000] {
        for options in [RegionOptions::new(), RegionOptions::new().reserve()] {
            let error = options.access(Access::ReadWrite).length(length).create(&path).unwrap_err();
            assert_eq!((error.operation(), error.errno()), ("ftruncate", Some(libc::EFBIG)), "{length}: {error}");
            assert!(std::fs::read(&path).unwrap() == content, "{length}");
        }
    }
    RegionOptions::new().access(Access::ReadWrite).length(8192).create(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), vec![0; 8192]);
}

#[test]
fn direct_io_names_the_limit_of_a_file() {
    if !is_alone("direct_io_names_the_limit_of_a_file") {
        return;
    }
    let dir = on_disk();
    let content = pattern(100_000);
    for limit in [0, 5000, 8192, 50_001] {
        limit_files(limit);
        let sink = Endpoint::create(dir.path().join("sink")).unwrap();
        match Transfer::new(Endpoint::bytes(&content), sink).mechanism(Mechanism::DirectIo).run() {
            Err(error) if error.operation() == "statx" || error.operation() == "open" => {
                return skip("the file system has no direct I/O");
            }
            outcome => {
                let error = outcome.unwrap_err();
                assert_eq!((error.kind(), error.errno()), (ErrorKind::StorageFull, Some(libc::EFBIG)), "{error}");
                let found = std::fs::read(dir.path().join("sink")).unwrap_or_default();
                assert!(found == content[..error.moved() as usize], "{limit}: {} bytes after {error}", found.len());
            }
        }
        let _ = std::fs::remove_file(dir.path().join("sink"));
    }
}

#[test]
fn without_proc_no_file_is_said_to_be_missing() {
    let dir = on_disk();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    std::fs::write(&from, pattern(10_000)).unwrap();
    std::fs::write(&to, b"old").unwrap();
    let no_proc = |call: &inject::Call| if call.operation == "open" { Fault::Errno(libc::ENOENT) } else { Fault::None };
    let error = inject::with(no_proc, || {
        let ends = (Endpoint::open(&from).unwrap(), Endpoint::create(&to).unwrap());
        Transfer::new(ends.0, ends.1).mechanism(Mechanism::DirectIo).run().unwrap_err()
    });
    assert_eq!(
        (error.kind(), error.errno(), error.moved()),
        (ErrorKind::Refused, Some(libc::EOPNOTSUPP), 0),
        "{error}"
    );
    assert_eq!(std::fs::read(&to).unwrap(), b"old");

    let file = File::open(&from).unwrap();
    let mut buffer = AlignedBuffer::new(16_384).unwrap();
    let error = inject::with(no_proc, || buffer.read_direct(file.as_fd(), 0).unwrap_err());
    assert_eq!((error.kind(), error.errno()), (ErrorKind::Refused, Some(libc::EOPNOTSUPP)), "{error}");
    if !has(Mechanism::DirectIo) {
        return;
    }
    let (into, length) = (buffer.as_mut_ptr(), buffer.len());
    // SAFETY: the buffer's own memory, which nobody looks at meanwhile.
    let read = inject::with(no_proc, || unsafe { zcio::buffer::read_direct_alone(file.as_fd(), 4096, into, length) });
    match read {
        Err(error) if error.kind() == ErrorKind::Refused && error.operation() == "fcntl" => {
            skip("the file system has no direct I/O");
        }
        read => assert!(buffer[..read.unwrap()] == pattern(10_000)[4096..]),
    }
}

#[test]
fn shared_memory_for_which_there_is_no_descriptor_says_so() {
    if !is_alone("shared_memory_for_which_there_is_no_descriptor_says_so") {
        return;
    }
    let (near, far) = UnixStream::pair().unwrap();
    let shared = SharedRegion::create(4096).unwrap();
    shared.seal(Seals::SHRINK).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 64, getrlimit(Resource::RLIMIT_NOFILE).unwrap().1).unwrap();
    shared.send(far.as_fd(), Peer::SameUser).unwrap();
    let all: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let error = SharedRegion::receive(near.as_fd(), Peer::SameUser, Seals::SHRINK).unwrap_err();
    assert_eq!(
        (error.kind(), error.operation(), error.errno()),
        (ErrorKind::Os, "recvmsg", Some(libc::EMFILE)),
        "{error}"
    );
    assert!(File::open("/dev/null").is_err(), "the table is as full as it was");
    drop(all);
    shared.send(far.as_fd(), Peer::SameUser).unwrap();
    SharedRegion::receive(near.as_fd(), Peer::SameUser, Seals::SHRINK).unwrap();
    // Half a greeting is no message of ours.
    (&far).write_all(b"zcio").unwrap();
    let error = SharedRegion::receive(near.as_fd(), Peer::SameUser, Seals::SHRINK).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Untrusted, "{error}");
}

#[test]
fn a_signal_while_it_is_asked_whether_a_file_is_empty_is_no_content() {
    for mechanism in [Mechanism::MmapWrite, Mechanism::Sendfile, Mechanism::Splice, Mechanism::CopyFileRange] {
        let (empty, sink) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let mut signals = 3;
        let interrupted = move |call: &inject::Call| match call.operation {
            "read" | "pread" if signals > 0 => {
                signals -= 1;
                Fault::Errno(libc::EINTR)
            }
            _ => Fault::None,
        };
        let outcome = inject::with(interrupted, || {
            let ends = (Endpoint::new(empty.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
            Transfer::new(ends.0, ends.1).count(1).mechanism(mechanism).run().map(|report| report.bytes)
        });
        assert!(matches!(outcome, Ok(0)), "{mechanism}: {outcome:?}");
    }
}
