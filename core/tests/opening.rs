//! Opening paths without waiting for anybody: `Endpoint::open_now` and `create_now`.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use zcio::{Endpoint, ErrorKind, Kind, Transfer};

#[test]
fn a_fifo_without_its_other_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let error = Endpoint::create_now(&path).unwrap_err();
    assert_eq!((error.errno(), error.path()), (Some(libc::ENXIO), Some(path.as_path())), "{error}");
    let reader = Endpoint::open_now(&path).unwrap();
    assert_eq!((reader.facts().kind, reader.facts().nonblocking), (Kind::Pipe, true));
    let writer = Endpoint::create_now(&path).unwrap();
    assert_eq!((writer.facts().kind, writer.facts().nonblocking), (Kind::Pipe, true));
}

#[test]
fn files_are_opened_as_ever() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    assert_eq!(Endpoint::open_now(&from).unwrap_err().kind(), ErrorKind::NotFound);
    std::fs::write(&from, b"content").unwrap();
    for _ in 0..2 {
        let ends = (Endpoint::open_now(&from).unwrap(), Endpoint::create_now(&to).unwrap());
        assert_eq!(Transfer::new(ends.0, ends.1).run().unwrap().bytes, 7);
        assert_eq!(std::fs::read(&to).unwrap(), b"content");
    }
    drop(Endpoint::create_now(&to).unwrap());
    assert_eq!(std::fs::read(&to).unwrap(), b"content", "emptied before the transfer");
}

/// linux/fcntl.h; libc does not have it.
const F_SETSIG: i32 = 10;

/// Takes a lease on a file that this process has open, or gives it up; the signal of its break is one that does no harm.
#[allow(unsafe_code)]
fn lease(file: &File, kind: i32) -> std::io::Result<()> {
    for (command, argument) in [(F_SETSIG, libc::SIGURG), (libc::F_SETLEASE, kind)] {
        // SAFETY: fcntl(2) with integers.
        if unsafe { libc::fcntl(file.as_raw_fd(), command, argument) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

fn is_waited_for(path: &Path) -> bool {
    // "1: LEASE BREAKING READ …", as long as somebody's open waits for it.
    let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| line.contains("BREAKING") && line.contains(&format!(":{inode} ")))
}

#[test]
fn a_lease_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("leased");
    std::fs::write(&path, b"content").unwrap();
    let holder = File::options().write(true).open(&path).unwrap();
    if let Err(error) = lease(&holder, libc::F_WRLCK) {
        eprintln!("not tested: no leases on the file system of {}: {error}", path.display());
        return;
    }
    std::thread::scope(|scope| {
        let opened = scope.spawn(|| Endpoint::open_now(&path));
        while !is_waited_for(&path) {
            std::thread::yield_now();
        }
        lease(&holder, libc::F_UNLCK).unwrap();
        assert_eq!(opened.join().unwrap().unwrap().facts().size, 7);
    });
}
