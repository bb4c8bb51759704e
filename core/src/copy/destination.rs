//! Where a copy goes: a file that is written in place, or a new one that gets its name when it is complete.
//!
//! Symbolic links are followed by the kernel and by nobody else, so that what it forbids (`nosymfollow` of mount(8),
//! `fs.protected_symlinks` of proc(5)) stays forbidden.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode, fchmod, fstat, lstat};
use nix::unistd::ftruncate;

use super::request::Copy;
use crate::error::{Error, ErrorKind, Result};
use crate::opening::{must_be_regular, open, open_regular};
use crate::unnamed::{self, Naming, Unnamed};

pub(super) struct Destination<'a> {
    /// As the caller gave it.
    path: &'a Path,
    place: Place,
}

enum Place {
    Overwritten(OwnedFd),
    New(Unnamed),
    /// In place of a file with these permission bits.
    Replacing(Unnamed, Mode),
}

impl<'a> Destination<'a> {
    /// Opens or makes the file that is written to. An existing one is not changed by this.
    pub fn open(copy: &'a Copy, source: &FileStat, stopped: &mut dyn FnMut() -> ControlFlow<()>) -> Result<Self> {
        let path = copy.destination.as_path();
        let at = |operation| move |errno| Error::os(operation, errno).at(Some(path));
        let place = match open(path, OFlag::O_PATH, Mode::empty()) {
            Err(Errno::ENOENT) if lstat(path).is_ok() => return Err(exists(path, "a symbolic link to nothing")),
            Err(Errno::ENOENT) => {
                // Nobody else's until it gets its final mode.
                let bits = if copy.mode { 0o600 } else { source.st_mode & 0o777 };
                let file = Unnamed::beside(path, Mode::from_bits_truncate(bits)).map_err(|errno| match errno {
                    // A folder that is not there, for open(2); cp(1) says that it is none.
                    Errno::EISDIR => at("open")(Errno::ENOTDIR),
                    errno => at("open")(errno),
                });
                Place::New(file?)
            }
            Ok(_) if copy.create_new => return Err(exists(path, Errno::EEXIST.desc())),
            found => {
                let found = found.map_err(at("open"))?;
                let old = fstat(&found).map_err(at("fstat"))?;
                must_differ(source, &old, path)?;
                must_be_regular(&old, path)?;
                if copy.atomic {
                    let name = name_of(path, &found, &old).map_err(at("readlink"))?;
                    let file = Unnamed::beside(&name, Mode::S_IRUSR | Mode::S_IWUSR).map_err(at("open"))?;
                    Place::Replacing(file, Mode::from_bits_truncate(old.st_mode & 0o777))
                } else {
                    let (file, old) = open_regular(path, OFlag::O_WRONLY, stopped)?;
                    must_differ(source, &old, path)?;
                    Place::Overwritten(file)
                }
            }
        };
        Ok(Self { path, place })
    }

    /// Takes the old content away, where the file is written in place.
    pub fn empty(&self) -> Result<()> {
        match &self.place {
            Place::Overwritten(file) => ftruncate(file, 0).map_err(|errno| self.error("ftruncate", errno)),
            Place::New(_) | Place::Replacing(..) => Ok(()),
        }
    }

    /// Gives a new file the permission bits of the one that it replaces.
    pub fn keep_mode(&self) -> Result<()> {
        match &self.place {
            Place::Replacing(file, mode) => fchmod(file, *mode).map_err(|errno| self.error("fchmod", errno)),
            Place::Overwritten(_) | Place::New(_) => Ok(()),
        }
    }

    /// The copy is complete, and a new file gets its name: false if somebody else's has it by now.
    pub fn publish(&mut self, durable: bool) -> Result<bool> {
        let (file, naming) = match &mut self.place {
            Place::Overwritten(_) => return Ok(true),
            Place::New(file) => (file, Naming::New),
            Place::Replacing(file, _) => (file, Naming::Replacing),
        };
        let named = match file.publish(naming) {
            Err(Errno::EEXIST) if naming == Naming::New => return Ok(false),
            Ok(()) if durable => file.sync_name().map_err(|errno| Error::os("fsync", errno)),
            named => named.map_err(|errno| unnamed::error("rename", errno)),
        };
        named.map(|()| true).map_err(|error| error.at(Some(self.path)))
    }

    fn error(&self, operation: &'static str, errno: Errno) -> Error {
        Error::os(operation, errno).at(Some(self.path))
    }
}

impl AsFd for Destination<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.place {
            Place::Overwritten(file) => file.as_fd(),
            Place::New(file) | Place::Replacing(file, _) => file.as_fd(),
        }
    }
}

/// The error for a name that is taken.
pub(super) fn exists(path: &Path, message: &str) -> Error {
    Error::new(ErrorKind::AlreadyExists, message).during("copy").with_errno(Errno::EEXIST).at(Some(path))
}

fn must_differ(source: &FileStat, destination: &FileStat, path: &Path) -> Result<()> {
    if (source.st_dev, source.st_ino) != (destination.st_dev, destination.st_ino) {
        return Ok(());
    }
    let error = Error::new(ErrorKind::SameFile, "the source and the destination are the same file");
    Err(error.during("copy").with_errno(Errno::EINVAL).at(Some(path)))
}

/// The name that a file which was found at `path` is to be replaced by. Behind a symbolic link it is the one that the
/// kernel says it has followed the link to, if that still leads to the file.
fn name_of(path: &Path, found: &OwnedFd, file: &FileStat) -> std::result::Result<PathBuf, Errno> {
    let leads_there =
        |name: &Path| lstat(name).is_ok_and(|named| (named.st_dev, named.st_ino) == (file.st_dev, file.st_ino));
    if leads_there(path) {
        return Ok(path.to_path_buf());
    }
    let link = format!("/proc/thread-self/fd/{}", found.as_raw_fd());
    let name = PathBuf::from(nix::fcntl::readlink(link.as_str())?);
    if leads_there(&name) { Ok(name) } else { Err(Errno::ESTALE) }
}
