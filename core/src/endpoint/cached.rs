//! Opening a path inside an event loop: only if no disk, no network and no other process has to be waited for.

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::Endpoint;
use crate::error::{Error, Result};
use crate::sys::Calls;
use crate::sys::files::{find_cached, is_on_local_disk};

impl Endpoint<'_> {
    /// As [`Self::open`], for who must not wait: `None` if that might have to, so that it is to be done in another thread.
    ///
    /// Every part of the path must be in the kernel's cache of names (`RESOLVE_CACHED`, openat2(2), Linux 5.12), and it must
    /// name a regular file of a file system on a block device: network file systems, FUSE and FIFOs answer when they like.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], for what is known without waiting.
    pub fn open_cached(path: impl AsRef<Path>) -> Result<Option<Endpoint<'static>>> {
        let path = path.as_ref();
        let found = match find_cached(path) {
            // Not cached; a kernel that does not know the question, or a filter that forbids it.
            Err(Errno::EAGAIN | Errno::EINVAL | Errno::ENOSYS | Errno::EPERM) => return Ok(None),
            found => found.map_err(|errno| Error::os("open", errno).at(Some(path)))?,
        };
        // Looked at before it is opened: to open a FIFO could wait, and would be noticed at its other end.
        if !is_on_local_disk(found.as_fd()).unwrap_or(false) {
            return Ok(None);
        }
        match Calls::default().reopen(found.as_fd(), OFlag::O_RDONLY) {
            // No /proc.
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(errno) => Err(Error::os("open", errno).at(Some(path))),
            Ok(fd) => Endpoint::from_path(fd, OFlag::O_RDONLY, path, None).map(Some),
        }
    }
}
