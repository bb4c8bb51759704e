//! `TCP_ZEROCOPY_RECEIVE` (tcp(7) does not have it; the kernel's `include/uapi/linux/tcp.h` does): pages of a socket's queue, mapped.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::MsgFlags;

use super::{SpanMut, Sys, SyscallCounter};

const TCP_ZEROCOPY_RECEIVE: libc::c_int = 35;

/// The beginning of the kernel's `struct tcp_zerocopy_receive`, as Linux 4.18 had it: no more is asked for, because with more
/// the kernel would tell the socket's error here, and tells it once.
#[repr(C)]
struct Request {
    address: u64,
    length: u32,
    recv_skip_hint: u32,
}

/// What the kernel made of a request for pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mapped {
    /// Bytes that are mapped, whole pages, and out of the queue.
    pub mapped: usize,
    /// Bytes behind them that can only be read.
    pub to_read: usize,
}

impl SyscallCounter {
    /// Maps the pages at the head of the socket's queue at the beginning of a window. EIO where the stream has ended, EINVAL if the
    /// window is no mapping of a socket.
    pub fn map_received(&mut self, socket: BorrowedFd<'_>, window: SpanMut<'_>) -> Sys<Mapped> {
        let length = self.enter("getsockopt", socket, window.len())?;
        let mut request = Request { address: window.as_mut_ptr() as u64, length: length as u32, recv_skip_hint: 0 };
        let mut size = size_of::<Request>() as libc::socklen_t;
        // SAFETY: both pointers are to locals. The kernel puts pages into the window only if it is a mapping of a socket, of which
        // there is one owner, and which is as long as it says.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                TCP_ZEROCOPY_RECEIVE,
                (&raw mut request).cast(),
                &raw mut size,
            )
        };
        Errno::result(result)?;
        Ok(Mapped { mapped: request.length as usize, to_read: request.recv_skip_hint as usize })
    }

    /// Whether there is a byte to be received now: recv(2) that takes none and does not wait.
    pub fn peek(&mut self, socket: BorrowedFd<'_>) -> Sys<usize> {
        self.enter("read", socket, 1)?;
        nix::sys::socket::recv(socket.as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT)
    }

    /// recv(2) that does not wait, into memory that others may look at.
    pub fn receive_span_now(&mut self, socket: BorrowedFd<'_>, into: SpanMut<'_>) -> Sys<usize> {
        // To whoever makes faults, a read like any other.
        let length = self.enter("read", socket, into.len())?;
        let (fd, start) = (socket.as_raw_fd(), into.as_mut_ptr().cast());
        // SAFETY: the span is writable for its length, which `length` never exceeds; the kernel checks the pages.
        Errno::result(unsafe { libc::recv(fd, start, length, libc::MSG_DONTWAIT) }).map(|count| count as usize)
    }
}
