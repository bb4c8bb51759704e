//! How much of a stream is still on its way, as the sender's kernel knows it (tcp(7), unix(7)).
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::{Calls, Sys};

/// linux/sockios.h; neither nix nor libc has a name for it.
const SIOCOUTQNSD: libc::Ioctl = 0x894b;

/// How many bytes a stream socket's peer has not acknowledged (TCP) or not read (`AF_UNIX`) yet: `SIOCOUTQ`, which is the
/// same number as `TIOCOUTQ`.
pub(crate) fn unacknowledged(socket: BorrowedFd<'_>) -> Sys<u64> {
    ask(socket, libc::TIOCOUTQ)
}

fn ask(socket: BorrowedFd<'_>, request: libc::Ioctl) -> Sys<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the pointer is to a local of the type that both requests write.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut bytes) };
    Errno::result(result).map(|_| u64::try_from(bytes).unwrap_or(0))
}

impl Calls {
    /// How many bytes in a TCP socket's queue have not been sent yet. An error for anything but a connected TCP socket.
    pub fn unsent(&mut self, socket: BorrowedFd<'_>) -> Sys<u64> {
        self.made += 1;
        ask(socket, SIOCOUTQNSD)
    }

    /// [`unacknowledged`], counted.
    pub fn unacknowledged(&mut self, socket: BorrowedFd<'_>) -> Sys<u64> {
        self.made += 1;
        unacknowledged(socket)
    }
}
