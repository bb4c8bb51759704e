//! A file that is to be written as a whole: in place, or as a new one that gets its name when it is complete.
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

use crate::error::{Error, ErrorKind, Result};
use crate::opening::{must_be_regular, open, open_regular};
use crate::unnamed::{self, Naming, Unnamed};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub path: &'a Path,
    /// An existing file is refused.
    pub create_new: bool,
    /// An existing file is replaced when the new one is complete, not overwritten.
    pub atomic: bool,
    /// The name of a new file is to be on the disk when it has been published.
    pub durable: bool,
    /// The mode of a new file, less the umask.
    pub mode: Mode,
    /// The file that is read, which must be another.
    pub source: Option<&'a FileStat>,
}

/// See the module's introduction.
#[derive(Debug)]
pub(crate) struct Destination<'a> {
    /// As the caller gave it.
    path: &'a Path,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Overwritten(OwnedFd),
    New(Unnamed),
    /// In place of a file with these permission bits.
    Replacing(Unnamed, Mode),
}

impl<'a> Destination<'a> {
    /// Opens or makes the file that is written to. An existing one is not changed by this.
    pub fn open(wanted: Wanted<'a>, stopped: &mut dyn FnMut() -> ControlFlow<()>) -> Result<Self> {
        let path = wanted.path;
        let at = |operation| move |errno| Error::os(operation, errno).at(Some(path));
        let place = match open(path, OFlag::O_PATH, Mode::empty()) {
            Err(Errno::ENOENT) if lstat(path).is_ok() => return Err(exists(path, "a symbolic link to nothing")),
            Err(Errno::ENOENT) => {
                let file = Unnamed::beside(path, wanted.mode, wanted.durable).map_err(|errno| match errno {
                    // A folder that is not there, for open(2); cp(1) says that it is none.
                    Errno::EISDIR => at("open")(Errno::ENOTDIR),
                    errno => at("open")(errno),
                });
                Place::New(file?)
            }
            Ok(_) if wanted.create_new => return Err(exists(path, Errno::EEXIST.desc())),
            found => {
                let found = found.map_err(at("open"))?;
                let old = fstat(&found).map_err(at("fstat"))?;
                wanted.must_differ(&old)?;
                must_be_regular(&old, path)?;
                if wanted.atomic {
                    let name = name_of(path, &found, &old).map_err(at("readlink"))?;
                    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
                    let file = Unnamed::beside(&name, mode, wanted.durable).map_err(at("open"))?;
                    Place::Replacing(file, Mode::from_bits_truncate(old.st_mode & 0o777))
                } else {
                    let (file, old) = open_regular(path, OFlag::O_WRONLY, stopped)?;
                    wanted.must_differ(&old)?;
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
    pub fn publish(&mut self) -> Result<bool> {
        let (file, naming) = match &mut self.place {
            Place::Overwritten(_) => return Ok(true),
            Place::New(file) => (file, Naming::New),
            Place::Replacing(file, _) => (file, Naming::Replacing),
        };
        let named = match file.publish(naming) {
            Err(Errno::EEXIST) if naming == Naming::New => return Ok(false),
            Ok(()) => file.sync_name().map_err(|errno| Error::os("fsync", errno)),
            Err(errno) => Err(unnamed::error("rename", errno)),
        };
        named.map(|()| true).map_err(|error| error.at(Some(self.path)))
    }

    /// Somebody else's file has the new one's name by now: the new one is to replace it, as one that had been there before.
    #[cfg(feature = "cli")]
    pub fn replacing(self) -> Result<Self> {
        let path = self.path;
        let old = lstat(path).map_err(|errno| self.error("lstat", errno))?;
        must_be_regular(&old, path)?;
        let place = match self.place {
            Place::New(file) => Place::Replacing(file, Mode::from_bits_truncate(old.st_mode & 0o777)),
            other => other,
        };
        Ok(Self { path, place })
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
pub(crate) fn exists(path: &Path, message: &str) -> Error {
    Error::new(ErrorKind::AlreadyExists, message).during("copy").with_errno(Errno::EEXIST).at(Some(path))
}

impl Wanted<'_> {
    fn must_differ(&self, destination: &FileStat) -> Result<()> {
        match self.source {
            Some(source) if (source.st_dev, source.st_ino) == (destination.st_dev, destination.st_ino) => {
                let error = Error::new(ErrorKind::SameFile, "the source and the destination are the same file");
                Err(error.during("copy").with_errno(Errno::EINVAL).at(Some(self.path)))
            }
            _ => Ok(()),
        }
    }
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
