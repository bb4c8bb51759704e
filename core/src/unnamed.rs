//! A new file that has no name yet: others find it when it is complete, and one that is given up was never there.
//!
//! Its own name is never that of the caller until the end, so that nothing which is removed on the way can be somebody
//! else's. Where the file system has files without a name (`O_TMPFILE`, open(2)), and they can be given one (linkat(2),
//! through `/proc`), it has none; elsewhere it has a temporary one beside its destination.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, RenameFlags, renameat2};
use nix::sys::stat::{Mode, fstat, lstat};
use nix::unistd::{fsync, linkat, unlink};

use crate::opening::open;

type Sys<T> = Result<T, Errno>;

/// A file on its way to a name.
#[derive(Debug)]
pub(crate) struct Unnamed {
    fd: OwnedFd,
    /// The name that it is to have.
    path: PathBuf,
    /// The one that it has until then, if it has one.
    temporary: Option<PathBuf>,
}

/// What may be at the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// Nothing: EEXIST otherwise, a symbolic link that leads nowhere included.
    New,
    /// Another file, which loses the name in the same moment.
    Replacing,
}

impl Unnamed {
    /// Makes an empty file in the folder of `path`, open for writing, with this mode less the umask.
    pub fn beside(path: &Path, mode: Mode) -> Sys<Self> {
        let folder = folder(path)?;
        let path = path.to_path_buf();
        if let Ok(fd) = open(folder, OFlag::O_WRONLY | OFlag::O_TMPFILE, mode)
            && can_be_linked(&fd)
        {
            return Ok(Self { fd, path, temporary: None });
        }
        loop {
            let name = temporary_name(folder);
            match open(&name, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, mode) {
                Ok(fd) => return Ok(Self { fd, path, temporary: Some(name) }),
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Gives it its name.
    pub fn publish(&mut self, naming: Naming) -> Sys<()> {
        match (naming, self.temporary.take()) {
            (Naming::New, None) => return link(&self.fd, &self.path),
            // linkat(2) does not replace a file, rename(2) does: a name of its own first.
            (Naming::Replacing, None) => self.temporary = Some(self.link_beside()?),
            (_, named) => self.temporary = named,
        }
        let from = self.temporary.as_deref().expect("it has a name now");
        match naming {
            Naming::New => rename_to_new(from, &self.path)?,
            Naming::Replacing => nix::fcntl::renameat(AT_FDCWD, from, AT_FDCWD, &self.path)?,
        }
        self.temporary = None;
        Ok(())
    }

    /// Gives it a temporary name.
    fn link_beside(&self) -> Sys<PathBuf> {
        loop {
            let name = temporary_name(folder(&self.path)?);
            match link(&self.fd, &name) {
                Ok(()) => return Ok(name),
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Waits until the name is on the disk.
    pub fn sync_name(&self) -> Sys<()> {
        fsync(open(folder(&self.path)?, OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty())?)
    }
}

impl AsFd for Unnamed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        let Some(name) = &self.temporary else { return };
        // Only what is still this very file. Nothing can be done about a failure here.
        let same = |named: nix::sys::stat::FileStat| {
            fstat(&self.fd).is_ok_and(|ours| (ours.st_dev, ours.st_ino) == (named.st_dev, named.st_ino))
        };
        if lstat(name).is_ok_and(same) {
            let _ = unlink(name);
        }
    }
}

/// rename(2) to a name that must not be taken. Not every file system can promise that, and some have no links either: the
/// name is then claimed by an empty file, which is the one that is replaced.
fn rename_to_new(from: &Path, to: &Path) -> Sys<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EPERM) => {}
        renamed => return renamed,
    }
    match linkat(AT_FDCWD, from, AT_FDCWD, to, AtFlags::empty()) {
        Ok(()) => return unlink(from),
        Err(Errno::EEXIST) => return Err(Errno::EEXIST),
        Err(_) => {}
    }
    drop(open(to, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, Mode::S_IRUSR | Mode::S_IWUSR)?);
    nix::fcntl::renameat(AT_FDCWD, from, AT_FDCWD, to)
}

/// Whether a file without a name could be given one. Better known before than at the end: `/proc` may be missing, and a
/// filter may deny linkat(2). Asked for a name that is always taken.
fn can_be_linked(fd: &OwnedFd) -> bool {
    link(fd, Path::new("/")) == Err(Errno::EEXIST)
}

fn link(fd: &OwnedFd, name: &Path) -> Sys<()> {
    let ours = format!("/proc/thread-self/fd/{}", fd.as_raw_fd());
    linkat(AT_FDCWD, ours.as_str(), AT_FDCWD, name, AtFlags::AT_SYMLINK_FOLLOW)
}

/// A name that nobody else is likely to have; who uses it must still be ready for one who has.
fn temporary_name(folder: &Path) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!(".zcio-{}-{next}", std::process::id()))
}

/// The folder that the last name of a path stands in. `Path::parent` takes `new/` for `new`, which open(2) does not.
fn folder(path: &Path) -> Sys<&Path> {
    let bytes = path.as_os_str().as_bytes();
    let (folder, name) = match bytes.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&bytes[..=slash], &bytes[slash + 1..]),
        None => (&b"."[..], bytes),
    };
    match name {
        b"" if !bytes.is_empty() => Err(Errno::ENOTDIR),
        b"" | b"." | b".." => Err(Errno::ENOENT),
        _ => Ok(Path::new(std::ffi::OsStr::from_bytes(folder))),
    }
}
