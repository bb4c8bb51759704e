//! A file or a pipe that a first try takes bytes from or gives them to.

use std::os::fd::BorrowedFd;

use nix::fcntl::OFlag;

use crate::sys::SyscallCounter;

/// A file or a pipe, for all that is known.
#[doc(hidden)] // For the bindings.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub fd: BorrowedFd<'a>,
    /// Whether whoever keeps it knows that it has a position, as no pipe has.
    pub is_seekable: bool,
}

impl Place<'_> {
    pub(super) fn has_offsets(self, calls: &mut SyscallCounter) -> bool {
        self.is_seekable || calls.position(self.fd).is_ok()
    }

    /// Whether any bytes may be written to it, with no wait for a peer: not to one opened with `O_DIRECT`, which wants whole blocks.
    pub(super) fn takes_anything(self, calls: &mut SyscallCounter) -> bool {
        self.has_offsets(calls)
            && calls
                .flags(self.fd)
                .is_ok_and(|flags| !flags.contains(OFlag::O_DIRECT) && flags & OFlag::O_ACCMODE != OFlag::O_RDONLY)
    }
}
