//! Where a copy goes: a file that is written in place, or one beside it that takes its name at the end.
//!
//! Dropped before it was published, it takes away again what it has made, and nothing else.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::sys::stat::{FileStat, Mode, fchmod};
use nix::unistd::{fsync, ftruncate, linkat, unlink};

use super::status;
use crate::error::{Error, ErrorKind, Result};

/// As many symbolic links as the kernel follows (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

#[derive(Debug)]
pub(super) struct Destination {
    fd: OwnedFd,
    /// The name that the copy is to have, symbolic links followed.
    path: PathBuf,
    /// What is to be removed if the copy fails: the file that was made for it, if that has a name.
    unfinished: Option<PathBuf>,
    /// The copy is made beside its destination.
    beside: bool,
    /// The permission bits of the file that is to be replaced.
    mode: Option<Mode>,
    created: bool,
}

impl Destination {
    /// Opens or makes the file that is written to. An existing one is not changed by this. With `private` a new file is
    /// nobody else's until it gets its final mode.
    pub fn open(path: &Path, source: &FileStat, atomic: bool, private: bool) -> Result<Self> {
        let path = follow(path)?;
        // What is only to be replaced is looked at and not opened: a program that is running could not be.
        let flags = if atomic { OFlag::O_PATH } else { OFlag::O_WRONLY | OFlag::O_NONBLOCK };
        let existing = match open(&path, flags, Mode::empty()) {
            Ok(fd) => Some(fd),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut mode = None;
        if let Some(fd) = &existing {
            let stat = status(fd.as_fd(), &path)?;
            if (stat.st_dev, stat.st_ino) == (source.st_dev, source.st_ino) {
                let error = Error::new(ErrorKind::InvalidInput, "the source and the destination are the same file");
                return Err(error.during("copy").with_errno(Errno::EINVAL).at(Some(&path)));
            }
            mode = Some(Mode::from_bits_truncate(stat.st_mode & 0o777));
        }
        let created = existing.is_none();
        let new_mode = Mode::from_bits_truncate(if private || (atomic && !created) { 0o600 } else { 0o666 });
        let (fd, unfinished) = match existing {
            _ if atomic => temporary(&path, new_mode)?,
            Some(fd) => (fd, None),
            None => (open(&path, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, new_mode)?, Some(path.clone())),
        };
        Ok(Self { fd, path, unfinished, beside: atomic, mode, created })
    }

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Takes the old content away, where the file is written in place.
    pub fn empty(&self) -> Result<()> {
        if self.beside || self.created {
            return Ok(());
        }
        ftruncate(&self.fd, 0).map_err(|errno| self.error("ftruncate", errno))
    }

    /// Gives a new file the permission bits of the one that it replaces.
    pub fn keep_mode(&self) -> Result<()> {
        match self.mode.filter(|_| self.beside) {
            Some(mode) => fchmod(&self.fd, mode).map_err(|errno| self.error("fchmod", errno)),
            None => Ok(()),
        }
    }

    /// The copy is complete: it takes its name, and stays.
    pub fn publish(&mut self, durable: bool) -> Result<()> {
        if self.beside {
            if self.unfinished.is_none() {
                // linkat(2) does not replace a file, rename(2) does: a name of its own first.
                self.unfinished = Some(self.link()?);
            }
            let from = self.unfinished.as_deref().expect("it has a name now");
            std::fs::rename(from, &self.path).map_err(|error| self.error("rename", errno_of(&error)))?;
        }
        self.unfinished = None;
        if durable && (self.beside || self.created) {
            let folder = open(folder(&self.path), OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty())?;
            fsync(folder).map_err(|errno| self.error("fsync", errno))?;
        }
        Ok(())
    }

    /// Gives a file without a name a temporary one.
    fn link(&self) -> Result<PathBuf> {
        loop {
            let name = temporary_name(&self.path);
            match linkat(AT_FDCWD, &by_descriptor(&self.fd), AT_FDCWD, &name, AtFlags::AT_SYMLINK_FOLLOW) {
                Ok(()) => return Ok(name),
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(self.error("linkat", errno)),
            }
        }
    }

    fn error(&self, operation: &'static str, errno: Errno) -> Error {
        Error::os(operation, errno).at(Some(&self.path))
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        if let Some(path) = &self.unfinished {
            // Nothing can be done about a failure here.
            let _ = unlink(path);
        }
    }
}

/// A file in the folder of `path`, without a name where the file system can make one (`O_TMPFILE`); else with its name.
fn temporary(path: &Path, mode: Mode) -> Result<(OwnedFd, Option<PathBuf>)> {
    if let Ok(fd) = open(folder(path), OFlag::O_WRONLY | OFlag::O_TMPFILE, mode)
        // It gets its name through /proc; better to know now than at the end that there is none.
        && nix::unistd::access(&by_descriptor(&fd), nix::unistd::AccessFlags::F_OK).is_ok()
    {
        return Ok((fd, None));
    }
    loop {
        let name = temporary_name(path);
        match try_open(&name, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, mode) {
            Ok(fd) => return Ok((fd, Some(name))),
            Err(Errno::EEXIST) => {}
            // The name means nothing to the caller.
            Err(errno) => return Err(Error::os("open", errno).at(Some(path))),
        }
    }
}

/// A name in the folder of `path` that nobody else is likely to have; who uses it must still be ready for one who has.
fn temporary_name(path: &Path) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    folder(path).join(format!(".zcio-{}-{next}", std::process::id()))
}

fn by_descriptor(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => Path::new("/"),
    }
}

/// The path behind symbolic links in the last place of a path, whether there is a file yet or not.
fn follow(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        match std::fs::read_link(&path) {
            Ok(target) => path = folder(&path).join(target),
            // Not a link, or not there.
            Err(_) => return Ok(path),
        }
    }
    Err(Error::os("readlink", Errno::ELOOP).at(Some(&path)))
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// open(2), closed on exec, whatever signals come.
pub(super) fn open(path: &Path, flags: OFlag, mode: Mode) -> Result<OwnedFd> {
    try_open(path, flags, mode).map_err(|errno| Error::os("open", errno).at(Some(path)))
}

fn try_open(path: &Path, flags: OFlag, mode: Mode) -> std::result::Result<OwnedFd, Errno> {
    loop {
        match nix::fcntl::open(path, flags | OFlag::O_CLOEXEC, mode) {
            Err(Errno::EINTR) => {}
            opened => return opened,
        }
    }
}
