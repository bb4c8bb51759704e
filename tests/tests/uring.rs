//! `io_uring` where it is forbidden, and what it leaves behind where it is not.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use zcio::{Answer, Batch, Capabilities, Endpoint, ErrorKind, Item, Mechanism, Transfer};
use zcio_tests::alone::in_child;
use zcio_tests::seccomp::{refuse, refusing};
use zcio_tests::{Kind, Sink, file_with, has, nonblocking, open_descriptors, pattern};

#[test]
fn a_filter_that_forbids_io_uring_is_a_refusal_and_no_more() {
    let Some(errno) = std::env::var_os("ZCIO_TEST_CHILD") else {
        for errno in [libc::ENOSYS, libc::EPERM] {
            in_child("a_filter_that_forbids_io_uring_is_a_refusal_and_no_more", &errno.to_string());
        }
        return;
    };
    let errno: i32 = errno.to_str().unwrap().parse().unwrap();
    refuse(libc::SYS_io_uring_setup, errno);

    let bytes = pattern(100_000);
    let source = file_with(&bytes);
    let sink = Sink::new(Kind::Tcp);
    let ends = || (Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
    let named = Transfer::new(ends().0, ends().1).mechanism(Mechanism::Uring).run().unwrap_err();
    assert_eq!((named.kind(), named.errno(), named.moved()), (ErrorKind::Refused, Some(errno), 0));
    assert_eq!(named.operation(), "io_uring_setup");

    let mut batch = Batch::new();
    let items = [
        Item::new(source.as_fd(), sink.as_fd()).count(10),
        Item::new(std::path::Path::new("/nonexistent"), sink.as_fd()),
        Item::new(source.as_fd(), sink.as_fd()).offset(10),
    ];
    let report = batch.run(&items);
    let refusal = report.refusal.unwrap();
    assert_eq!((refusal.mechanism, refusal.errno), (Mechanism::Uring, Some(errno)), "{refusal:?}");
    assert_eq!(report.items[0].as_ref().unwrap().mechanism, Mechanism::Sendfile);
    assert_eq!(report.items[1].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(report.items[2].as_ref().unwrap().bytes, 99_990);
    assert!(sink.received() == bytes);
}

/// As on Linux 5.1 to 5.19: `io_uring` can be set up there, and not what a ring needs besides.
#[test]
fn a_ring_that_cannot_be_used_is_not_to_be_had() {
    if !has(Mechanism::Uring) {
        return;
    }
    let errno = nix::errno::Errno::EINVAL;
    let (asked, batch) =
        refusing(libc::SYS_io_uring_register, errno, || (Capabilities::probe(), Batch::new().run(&[])));
    let answer = asked.find("uring").unwrap();
    assert!(matches!(answer.answer, Answer::No(_)), "{answer:?}");
    let refusal = batch.refusal.unwrap();
    assert_eq!((answer.errno, refusal.errno), (Some(libc::EINVAL), Some(libc::EINVAL)));
    assert!(refusal.reason.contains("Linux 6.0 is needed"), "{refusal:?}");
}

#[test]
fn transfers_and_batches_leave_nothing_behind() {
    // Other tests of this file open descriptors at the same time: count in a child of our own.
    if std::env::var_os("ZCIO_TEST_CHILD").is_none() {
        return in_child("transfers_and_batches_leave_nothing_behind", "1");
    }
    if !has(Mechanism::Uring) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..300).map(|index| dir.path().join(index.to_string())).collect();
    for path in &paths {
        std::fs::write(path, b"a few bytes").unwrap();
    }
    let source = file_with(&pattern(4 << 20));
    let maps = || std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    let resident = || {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
    };
    let once = || {
        let (near, far) = UnixStream::pair().unwrap();
        nonblocking(&near);
        // Dropped with its buffers full, and with its peer gone.
        for gone in [false, true] {
            let ends = (Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(near.as_fd()).unwrap());
            let mut moving = Transfer::new(ends.0, ends.1).offset(0).mechanism(Mechanism::Uring);
            while matches!(moving.step(), Ok(zcio::Step::Moved(_))) {}
            if !gone {
                far.shutdown(std::net::Shutdown::Both).unwrap();
            }
        }
        let items: Vec<_> = paths.iter().map(|path| Item::new(path.as_path(), near.as_fd())).collect();
        let report = Batch::new().run(&items);
        assert!(report.refusal.is_none(), "{report:?}");
        assert!(report.items.iter().all(|item| item.as_ref().unwrap_err().kind() == ErrorKind::PeerClosed));
    };
    (0..5).for_each(|_| once());
    let before = (open_descriptors(), maps(), resident());
    (0..100).for_each(|_| once());
    let after = (open_descriptors(), maps(), resident());
    assert_eq!(before.0, after.0);
    assert!(after.1 <= before.1 + 2, "mappings: {} before, {} after", before.1, after.1);
    assert!(after.2 < before.2 + (2 << 20), "resident bytes: {} before, {} after", before.2, after.2);
}

#[test]
fn a_batch_has_closed_its_files_when_it_returns() {
    // A child that another test starts holds every descriptor until it executes its program: here there are no others.
    if std::env::var_os("ZCIO_TEST_CHILD").is_none() {
        return in_child("a_batch_has_closed_its_files_when_it_returns", "1");
    }
    // A file that is open for reading cannot be leased for writing (fcntl(2), F_SETLEASE).
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..300).map(|index| dir.path().join(index.to_string())).collect();
    for path in &paths {
        std::fs::write(path, b"a few bytes").unwrap();
    }
    let mut batch = Batch::new();
    for _ in 0..10 {
        let sink = Sink::new(Kind::Unix);
        let items: Vec<_> = paths.iter().map(|path| Item::new(path.as_path(), sink.as_fd())).collect();
        assert!(batch.run(&items).items.iter().all(Result::is_ok));
        for path in &paths {
            let file = std::fs::File::open(path).unwrap();
            let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
            // SAFETY: fcntl(2) with a plain number.
            let leased = unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_WRLCK) };
            assert_eq!(leased, 0, "{}: still open: {}", path.display(), std::io::Error::last_os_error());
        }
        drop(items);
        assert_eq!(sink.received().len(), 300 * 11);
    }
}
