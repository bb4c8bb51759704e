//! Where `zcio recv` puts the bytes: a file that is there when it is complete, or a stream.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use nix::sys::stat::{Mode, SFlag, stat};
use nix::unistd::{AccessFlags, access, fsync};

use super::failure::Failure;
use super::watchdog::Watchdog;
use super::{interruption, moving, network};
use crate::Endpoint;
use crate::destination::{Destination, Wanted};

/// See the module's introduction.
pub(super) enum Target<'a> {
    /// Standard output, a FIFO, a device.
    Stream(Endpoint<'static>),
    /// A regular file, which has no name, or keeps its old content, until all has come.
    File(Destination<'a>, &'a Path),
}

impl<'a> Target<'a> {
    /// What cannot be written is an error now, before anybody has sent anything.
    pub fn open(path: &'a Path, durable: bool, watchdog: &Watchdog<'_>) -> io::Result<Self> {
        let special =
            |mode| ![SFlag::S_IFREG, SFlag::S_IFDIR].contains(&(SFlag::from_bits_truncate(mode) & SFlag::S_IFMT));
        let found = stat(path);
        if network::is_output(path) || found.is_ok_and(|found| special(found.st_mode)) {
            return moving::sink(path, watchdog).map(Self::Stream);
        }
        let mode = Mode::from_bits_truncate(0o666);
        let wanted = Wanted { path, create_new: false, atomic: true, durable, mode, source: None };
        let file = Destination::open(wanted, &mut interruption::look).map_err(crate::Error::whole)?;
        // Its folder alone decides whether a file can be replaced; who may not write to it is not to do that either.
        if found.is_ok() {
            access(path, AccessFlags::W_OK)
                .map_err(|errno| Failure::os("open", &moving::shown(path), &errno.into()))?;
        }
        Ok(Self::File(file, path))
    }

    pub fn is_file(&self) -> bool {
        matches!(self, Self::File(..))
    }

    /// To write to.
    pub fn end(&self) -> io::Result<Endpoint<'_>> {
        match self {
            Self::Stream(stream) => Ok(stream.borrow()),
            Self::File(file, _) => Endpoint::new(file.as_fd()).map_err(crate::Error::whole),
        }
    }

    /// All has come: a file gets its name. With `durable` it is on its disk before that, and so is the name afterwards.
    pub fn complete(self, durable: bool) -> io::Result<()> {
        let Self::File(mut file, path) = self else { return Ok(()) };
        if durable {
            fsync(file.as_fd()).map_err(|errno| Failure::os("fsync", &moving::shown(path), &errno.into()))?;
        }
        file.keep_mode().map_err(crate::Error::whole)?;
        if file.publish().map_err(crate::Error::whole)? {
            return Ok(());
        }
        let mut file = file.replacing().map_err(crate::Error::whole)?;
        file.keep_mode().and_then(|()| file.publish()).map(drop).map_err(crate::Error::whole)
    }
}
