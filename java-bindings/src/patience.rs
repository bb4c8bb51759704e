//! How long one system call may wait for a socket in blocking mode: a tenth of a second.
//!
//! A blocking socket that its peer does not read from holds a writing thread inside the kernel, where neither
//! `Thread.interrupt()` nor the closing of a channel is noticed. `O_NONBLOCK` would end that, but it belongs to the open
//! file description, which the duplicate shares with the channel and perhaps with another process. `SO_SNDTIMEO` asks for less:
//! the socket stays in blocking mode, and a call that has waited that long returns what it has written, or EAGAIN. The
//! core then waits in poll(2) and asks its watcher.
//!
//! Another thread that writes to the same channel meanwhile (which would mix its bytes with the transfer's) gets a short
//! write or EAGAIN, which `SocketChannel` answers by waiting itself.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

/// Restores the socket's own timeout when it is dropped.
pub(crate) struct Patience<'fd> {
    fd: BorrowedFd<'fd>,
    before: Option<TimeVal>,
}

impl<'fd> Patience<'fd> {
    /// Limits the patience of a sink; does nothing to what is not a socket.
    pub fn limit(fd: &'fd impl AsFd) -> Self {
        let fd = fd.as_fd();
        let before = getsockopt(&fd, sockopt::SendTimeout).ok();
        if before.is_some() {
            set(fd, TimeVal::milliseconds(100));
        }
        Self { fd, before }
    }
}

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            set(self.fd, before);
        }
    }
}

fn set(fd: BorrowedFd<'_>, timeout: TimeVal) {
    // Without the limit the transfer works as well, and is only deaf while it waits.
    let _ = setsockopt(&fd, sockopt::SendTimeout, &timeout);
}
