//! `SIOCOUTQNSD` (tcp(7), linux/sockios.h), which neither nix nor libc has a name for.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::{Calls, Sys};

const SIOCOUTQNSD: libc::Ioctl = 0x894b;

impl Calls {
    /// How many bytes in a TCP socket's queue have not been sent yet. An error for anything but a connected TCP socket.
    pub fn unsent(&mut self, socket: BorrowedFd<'_>) -> Sys<u64> {
        self.made += 1;
        let mut bytes: libc::c_int = 0;
        // SAFETY: the pointer is to a local of the type that the request writes.
        let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCOUTQNSD, &raw mut bytes) };
        Errno::result(result).map(|_| u64::try_from(bytes).unwrap_or(0))
    }
}
