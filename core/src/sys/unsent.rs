//! How much of a stream is still on its way, as the kernel at either end knows it (tcp(7), unix(7), pipe(7)).
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::{Sys, SyscallCounter};

/// linux/sockios.h, asm-generic/socket.h, linux/tcp.h; neither nix nor libc has names for them.
const SIOCOUTQNSD: libc::Ioctl = 0x894b;
const SO_MEMINFO: libc::c_int = 55;
const TCP_NOTSENT_LOWAT: libc::c_int = 25;

/// How many bytes a stream socket's peer has not acknowledged (TCP) or not read (`AF_UNIX`) yet: `SIOCOUTQ`, which is the
/// same number as `TIOCOUTQ`.
pub(crate) fn unacknowledged(socket: BorrowedFd<'_>) -> Sys<u64> {
    ask(socket, libc::TIOCOUTQ)
}

#[cfg(feature = "cli")]
/// How many bytes a pipe or stream socket has for its reader (`FIONREAD`, pipe(7), unix(7), tcp(7)).
#[cfg(feature = "cli")]
pub(crate) fn unread(fd: BorrowedFd<'_>) -> Sys<u64> {
    ask(fd, libc::FIONREAD)
}

fn ask(socket: BorrowedFd<'_>, request: libc::Ioctl) -> Sys<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the pointer is to a local of the type that all these requests write.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut bytes) };
    Errno::result(result).map(|_| u64::try_from(bytes).unwrap_or(0))
}

impl SyscallCounter {
    /// How many bytes in a TCP socket's queue have not been sent yet. An error for anything but a connected TCP socket.
    pub fn unsent(&mut self, socket: BorrowedFd<'_>) -> Sys<u64> {
        self.made += 1;
        ask(socket, SIOCOUTQNSD)
    }

    /// How much more a TCP socket takes without waiting: what its send buffer and `TCP_NOTSENT_LOWAT` have left. An error for
    /// anything but a TCP socket.
    pub fn room(&mut self, socket: BorrowedFd<'_>) -> Sys<u64> {
        let mut low = [0_u32];
        self.option(socket, libc::IPPROTO_TCP, TCP_NOTSENT_LOWAT, &mut low)?;
        let mut memory = [0_u32; libc::SK_MEMINFO_WMEM_QUEUED as usize + 1];
        self.option(socket, libc::SOL_SOCKET, SO_MEMINFO, &mut memory)?;
        let [size, queued] =
            [libc::SK_MEMINFO_SNDBUF, libc::SK_MEMINFO_WMEM_QUEUED].map(|which| memory[which as usize]);
        let left = u64::from(size.saturating_sub(queued));
        match low[0] {
            // The system's, which is no limit unless an administrator has set one.
            0 => Ok(left),
            low => Ok(left.min(u64::from(low).saturating_sub(self.unsent(socket)?))),
        }
    }

    /// How much more an `AF_UNIX` socket takes without waiting: what its peer has not read counts.
    pub fn room_unread(&mut self, socket: BorrowedFd<'_>) -> Sys<u64> {
        let mut memory = [0_u32; libc::SK_MEMINFO_SNDBUF as usize + 1];
        self.option(socket, libc::SOL_SOCKET, SO_MEMINFO, &mut memory)?;
        let [size, unread] = [libc::SK_MEMINFO_SNDBUF, libc::SK_MEMINFO_WMEM_ALLOC].map(|which| memory[which as usize]);
        Ok(u64::from(size.saturating_sub(unread)))
    }

    /// getsockopt(2), for an option of numbers; older kernels write fewer.
    fn option(&mut self, socket: BorrowedFd<'_>, level: i32, name: i32, numbers: &mut [u32]) -> Sys<()> {
        self.made += 1;
        let mut length = size_of_val(numbers) as libc::socklen_t;
        // SAFETY: the pointers are to locals of the caller, of which no more is written than that length.
        let result =
            unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, numbers.as_mut_ptr().cast(), &raw mut length) };
        Errno::result(result).map(drop)
    }

    /// [`unacknowledged`], counted.
    pub fn unacknowledged(&mut self, socket: BorrowedFd<'_>) -> Sys<u64> {
        self.made += 1;
        unacknowledged(socket)
    }
}
