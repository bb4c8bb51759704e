//! Opening a file that is to be copied or looked at: only a regular one, and as patiently as without `O_NONBLOCK`.
//!
//! Opening is not free of consequences: the other end of a FIFO notices it, a tape rewinds, a watchdog starts. So a path is
//! looked at first, and what is no regular file is refused unopened. `O_NONBLOCK` is there for the moment in between, in
//! which a FIFO may take the file's place; what it does besides is to answer EAGAIN while another process has a lease on the
//! file (`F_SETLEASE`, fcntl(2)), which is to be waited for: the holder has been asked to give it up, and loses it after a
//! while (`/proc/sys/fs/lease-break-time`).

use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, stat};

use crate::error::{Error, ErrorKind, Result};

/// How often a file with a lease on it is tried again.
const NAP: Duration = Duration::from_millis(10);

/// Opens a regular file, however long somebody's lease is to be waited for; `stopped` is asked meanwhile.
pub(crate) fn open_regular(
    path: &Path,
    flags: OFlag,
    stopped: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<(OwnedFd, FileStat)> {
    let found = stat(path).map_err(|errno| Error::os("open", errno).at(Some(path)))?;
    must_be_regular(&found, path)?;
    let file = loop {
        match open(path, flags | OFlag::O_NONBLOCK, Mode::empty()) {
            Err(Errno::EAGAIN) if stopped().is_break() => {
                return Err(Error::new(ErrorKind::Cancelled, "stopped by the caller").during("open").at(Some(path)));
            }
            Err(Errno::EAGAIN) => std::thread::sleep(NAP),
            opened => break opened.map_err(|errno| Error::os("open", errno).at(Some(path)))?,
        }
    };
    let found = fstat(&file).map_err(|errno| Error::os("fstat", errno).at(Some(path)))?;
    must_be_regular(&found, path)?;
    Ok((file, found))
}

/// An error that says what else it is.
pub(crate) fn must_be_regular(found: &FileStat, path: &Path) -> Result<()> {
    let (kind, message, errno) = match SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFREG => return Ok(()),
        SFlag::S_IFDIR => (ErrorKind::IsDirectory, "a directory where a regular file is needed", Errno::EISDIR),
        SFlag::S_IFIFO => (ErrorKind::SpecialFile, "a FIFO where a regular file is needed", Errno::EINVAL),
        SFlag::S_IFSOCK => (ErrorKind::SpecialFile, "a socket where a regular file is needed", Errno::EINVAL),
        _ => (ErrorKind::SpecialFile, "a device where a regular file is needed", Errno::EINVAL),
    };
    Err(Error::new(kind, message).during("open").with_errno(errno).at(Some(path)))
}

/// open(2), closed on exec, whatever signals come.
pub(crate) fn open(path: &Path, flags: OFlag, mode: Mode) -> std::result::Result<OwnedFd, Errno> {
    loop {
        match nix::fcntl::open(path, flags | OFlag::O_CLOEXEC, mode) {
            Err(Errno::EINTR) => {}
            opened => return opened,
        }
    }
}
