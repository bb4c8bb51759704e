//! How long the segments were that a TCP socket has received (tcp(7), `TCP_INFO`).

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use crate::sys::Sys;

/// The beginning of `struct tcp_info` of linux/tcp.h.
#[repr(C)]
#[derive(Default)]
struct Information {
    flags: [u8; 8],
    timeouts: [u32; 2],
    sent: u32,
    received: u32,
}

/// In bytes, as the kernel has seen it: what the peer sends by is not known here, and `TCP_MAXSEG` is of the other direction.
pub(crate) fn received(socket: BorrowedFd<'_>) -> Sys<usize> {
    let mut information = Information::default();
    let mut size = size_of::<Information>() as libc::socklen_t;
    // SAFETY: both pointers are to locals, and the kernel writes no more than `size` bytes.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut information).cast(),
            &raw mut size,
        )
    };
    Errno::result(result).map(|_| information.received as usize)
}
