//! A new file that has no name yet: others find it when it gets one, and one that is given up was never there.
//!
//! Until then its name is never that of the caller, so that nothing which is removed on the way can be somebody else's. Where
//! the file system has files without a name (`O_TMPFILE`, open(2)), and they can be given one (linkat(2), through `/proc`), it
//! has none; elsewhere it has a temporary one in the same folder, which a process that is killed leaves behind.
//!
//! The folder is held: it may be renamed, or the process may change its directory, before the file gets its name.

use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, fsync, linkat, unlinkat};

use crate::error::{Error, ErrorKind};
use crate::opening::open;
use crate::sys::fork::Process;
use crate::sys::{Sys, by_number};

/// A file on its way to a name.
#[derive(Debug)]
pub(crate) struct Unnamed {
    fd: OwnedFd,
    folder: OwnedFd,
    /// The folder, open for fsync(2), if the name is to be on the disk: opened before anything is made, since a name that has
    /// been given cannot be taken back when it fails.
    synced: Option<OwnedFd>,
    /// The name that it is to have in its folder.
    name: OsString,
    /// The one that it has until then, if it has one.
    temporary: Option<OsString>,
    /// Who removes that: not a child of fork(2).
    process: Process,
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
    /// Makes an empty file in the folder of `path`, open for writing, with this mode less the umask; `durable` if its name is
    /// to be waited for, too.
    pub fn beside(path: &Path, mode: Mode, durable: bool) -> Sys<Self> {
        let (folder, name) = split(path)?;
        let folder = open(folder, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty())?;
        let readable = || open_in(&folder, OsStr::new("."), OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty());
        let synced = durable.then(readable).transpose()?;
        let new = |fd, folder, temporary| {
            let (name, process) = (name.to_owned(), Process::this());
            Self { fd, folder, synced, name, temporary, process }
        };
        if let Ok(fd) = open_in(&folder, OsStr::new("."), OFlag::O_WRONLY | OFlag::O_TMPFILE, mode)
            && can_be_linked(&fd)
        {
            return Ok(new(fd, folder, None));
        }
        loop {
            let name = temporary_name();
            match open_in(&folder, &name, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, mode) {
                Ok(fd) => return Ok(new(fd, folder, Some(name))),
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Gives it its name; ESTALE if it has lost its temporary one to somebody else.
    ///
    /// By its descriptor wherever it can be: others of the folder may put what they like under a name that is not secret.
    pub fn publish(&mut self, naming: Naming) -> Sys<()> {
        let linked = match naming {
            Naming::New => link(&self.fd, self.folder.as_fd(), &self.name),
            // linkat(2) does not replace a file, rename(2) does: a name first that nobody has seen yet.
            Naming::Replacing => self.link_beside().map(|name| self.rename_temporary(Some(name))),
        };
        match (naming, linked) {
            (Naming::New, Ok(())) => self.rename_temporary(None),
            (Naming::New, Err(Errno::EEXIST)) => return Err(Errno::EEXIST),
            (_, Err(errno)) if self.temporary.is_none() => return Err(errno),
            _ => self.rename(naming, linked.is_ok())?,
        }
        Ok(())
    }

    /// Takes the name by rename(2), which goes by names alone: so what has it is looked at. Where it was `fresh` once before;
    /// otherwise afterwards, too. Who replaces the file in that moment is then taken for one who has put his in its place.
    fn rename(&mut self, naming: Naming, fresh: bool) -> Sys<()> {
        let (folder, from) = (&self.folder, self.temporary.as_deref().expect("it has a temporary name"));
        if !is_at(&self.fd, folder, from) {
            return Err(Errno::ESTALE);
        }
        match naming {
            Naming::New => rename_to_new(&self.fd, folder, from, &self.name)?,
            Naming::Replacing => renameat(folder, from, folder, self.name.as_os_str())?,
        }
        self.temporary = None;
        if fresh || is_at(&self.fd, &self.folder, &self.name) { Ok(()) } else { Err(Errno::ESTALE) }
    }

    /// Has another temporary name from now on, or none. Nothing can be done about a failure to remove the one before.
    fn rename_temporary(&mut self, name: Option<OsString>) {
        if let Some(before) = std::mem::replace(&mut self.temporary, name) {
            remove_if_at(&self.fd, &self.folder, &before);
        }
    }

    /// Gives it a temporary name.
    fn link_beside(&self) -> Sys<OsString> {
        loop {
            let name = temporary_name();
            match link(&self.fd, self.folder.as_fd(), &name) {
                Ok(()) => return Ok(name),
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Whether both are to have one name.
    pub fn is_namesake(&self, other: &Self) -> bool {
        let folder = |of: &Self| fstat(&of.folder).map(|stat| (stat.st_dev, stat.st_ino));
        self.name == other.name && folder(self).is_ok_and(|same| folder(other) == Ok(same))
    }

    /// Waits until the name is on the disk, if it is to be durable.
    pub fn sync_name(&self) -> Sys<()> {
        self.synced.as_ref().map_or(Ok(()), fsync)
    }
}

impl AsFd for Unnamed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if self.process.is_this() {
            self.rename_temporary(None);
        }
    }
}

/// The error of naming it.
pub(crate) fn error(operation: &'static str, errno: Errno) -> Error {
    match errno {
        Errno::ESTALE => {
            let message = "the new file has lost its temporary name to somebody else";
            Error::new(ErrorKind::Os, message).during(operation).with_errno(errno)
        }
        errno => Error::os(operation, errno),
    }
}

/// Whether this name is that of this very file.
fn is_at(file: &OwnedFd, folder: &OwnedFd, name: &OsStr) -> bool {
    let identity = |of: FileStat| (of.st_dev, of.st_ino);
    let named = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).map(identity);
    named.is_ok() && named == fstat(file).map(identity)
}

fn remove_if_at(file: &OwnedFd, folder: &OwnedFd, name: &OsStr) {
    if is_at(file, folder, name) {
        let _ = unlinkat(folder, name, UnlinkatFlags::NoRemoveDir);
    }
}

/// rename(2) to a name that must not be taken. Not every file system can promise that, and some have no links either: the
/// name is then claimed by an empty file, which is the one that is replaced. Who puts another file there between the last look
/// at it and the rename(2), a moment later, loses it.
fn rename_to_new(file: &OwnedFd, folder: &OwnedFd, from: &OsStr, to: &OsStr) -> Sys<()> {
    match by_number::rename_to_new(folder, from, folder, to) {
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EPERM) => {}
        renamed => return renamed,
    }
    // By its name: by its descriptor it cannot be linked where /proc is missing.
    match linkat(folder, from, folder, to, AtFlags::empty()) {
        Ok(()) => {
            remove_if_at(file, folder, from);
            return Ok(());
        }
        Err(Errno::EEXIST) => return Err(Errno::EEXIST),
        Err(_) => {}
    }
    let claim = open_in(folder, to, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let claimed = if is_at(&claim, folder, to) { renameat(folder, from, folder, to) } else { Err(Errno::EEXIST) };
    claimed.inspect_err(|_| remove_if_at(&claim, folder, to))
}

/// Whether a file without a name could be given one. Better known before than at the end: `/proc` may be missing, and a
/// filter may deny linkat(2). Asked for a name that is always taken.
fn can_be_linked(fd: &OwnedFd) -> bool {
    link(fd, AT_FDCWD, OsStr::new("/")) == Err(Errno::EEXIST)
}

fn link(fd: &OwnedFd, folder: BorrowedFd<'_>, name: &OsStr) -> Sys<()> {
    let ours = format!("/proc/thread-self/fd/{}", fd.as_raw_fd());
    linkat(AT_FDCWD, ours.as_str(), folder, name, AtFlags::AT_SYMLINK_FOLLOW)
}

fn open_in(folder: &OwnedFd, name: &OsStr, flags: OFlag, mode: Mode) -> Sys<OwnedFd> {
    loop {
        match openat(folder, name, flags | OFlag::O_CLOEXEC, mode) {
            Err(Errno::EINTR) => {}
            opened => return opened,
        }
    }
}

/// A name that nobody has and nobody can guess, so that who wants it has to see it first.
pub(crate) fn temporary_name() -> OsString {
    static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    // A child of fork(2) has the same secret and the same number.
    format!(".zcio-{:016x}", SECRET.hash_one((std::process::id(), next))).into()
}

/// The folder that the last name of a path stands in, and that name. `Path::parent` takes `new/` for `new`, which open(2) does
/// not.
fn split(path: &Path) -> Sys<(&Path, &OsStr)> {
    let bytes = path.as_os_str().as_bytes();
    let (folder, name) = match bytes.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&bytes[..=slash], &bytes[slash + 1..]),
        None => (&b"."[..], bytes),
    };
    match name {
        b"" if !bytes.is_empty() => Err(Errno::EISDIR),
        b"" | b"." | b".." => Err(Errno::ENOENT),
        _ => Ok((Path::new(OsStr::from_bytes(folder)), OsStr::from_bytes(name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode() -> Mode {
        Mode::from_bits_truncate(0o666)
    }

    /// Both ways of waiting for a name: with none, and with a temporary one.
    fn both(path: &Path) -> [Unnamed; 2] {
        let unnamed = Unnamed::beside(path, mode(), false).unwrap();
        let mut named = Unnamed::beside(path, mode(), false).unwrap();
        if named.temporary.is_none() {
            named.temporary = Some(named.link_beside().unwrap());
        }
        [unnamed, named]
    }

    #[test]
    fn it_takes_no_name_that_is_taken_and_leaves_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("name");
        for number in 0..2 {
            let [one, other] = both(&path);
            let [mut first, mut second] = if number == 0 { [one, other] } else { [other, one] };
            first.publish(Naming::New).unwrap();
            assert_eq!(second.publish(Naming::New), Err(Errno::EEXIST));
            drop(second);
            let names: Vec<_> = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, ["name"]);
            assert_eq!(nix::sys::stat::stat(&path).unwrap().st_ino, fstat(&first).unwrap().st_ino);
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_temporary_name_that_is_somebody_elses_by_now_is_left_to_them() {
        let dir = tempfile::tempdir().unwrap();
        let [_, named] = both(&dir.path().join("name"));
        let theirs = dir.path().join(named.temporary.as_ref().unwrap());
        std::fs::write(dir.path().join("theirs"), b"precious").unwrap();
        std::fs::rename(dir.path().join("theirs"), &theirs).unwrap();
        drop(named);
        assert_eq!(std::fs::read(&theirs).unwrap(), b"precious");
    }

    #[test]
    fn a_folder_that_was_renamed_gets_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let [before, after] = ["before", "after"].map(|name| dir.path().join(name));
        std::fs::create_dir(&before).unwrap();
        let files = both(&before.join("name"));
        std::fs::rename(&before, &after).unwrap();
        for mut file in files {
            file.publish(Naming::Replacing).unwrap();
            assert_eq!(nix::sys::stat::stat(&after.join("name")).unwrap().st_ino, fstat(&file).unwrap().st_ino);
        }
    }
}
