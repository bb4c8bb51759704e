//! Opening a path inside an event loop: only if no disk, no network and no other process has to be waited for.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::{Endpoint, Handle};
use crate::sys::files::{find_cached, is_local_file};
use crate::sys::{Sys, SyscallCounter};

impl Endpoint<'_> {
    /// As [`Self::open`], for who must not wait: `None` if that might have to, or fails, so that it is to be done in another
    /// thread.
    ///
    /// Every part of the path must be in the kernel's cache of names (`RESOLVE_CACHED`, openat2(2), Linux 5.12), and it must
    /// name a regular file of a file system that is all in the kernel: FIFOs, network file systems and FUSE answer when they
    /// like. (Whoever has asked to be asked about every open, as a virus scanner does, is waited for: `FAN_OPEN_PERM`,
    /// fanotify(7).)
    pub fn open_cached(path: impl AsRef<Path>) -> Option<Endpoint<'static>> {
        let path = path.as_ref();
        let fd = open(path).ok()??;
        Endpoint::from_path(Handle::Owned(fd), OFlag::O_RDONLY, path).ok()
    }
}

fn open(path: &Path) -> Sys<Option<OwnedFd>> {
    // Looked at before it is opened: to open a FIFO would be noticed at its other end.
    let found = find_cached(path)?;
    if !is_local_file(found.as_fd())? {
        return Ok(None);
    }
    // Without O_NONBLOCK a lease on the file (fcntl(2), F_SETLEASE) would be waited for. It means nothing to the file later.
    let fd = SyscallCounter::default().reopen(found.as_fd(), OFlag::O_RDONLY | OFlag::O_NONBLOCK)?;
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_RDONLY))?;
    Ok(Some(fd))
}
