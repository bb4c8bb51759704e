//! An epoll(7) instance as a descriptor of tokio's, which is ready when one of those in it is.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use ::tokio::io::Interest;
use ::tokio::io::unix::AsyncFd;
use nix::sys::epoll::{Epoll, EpollCreateFlags};

use super::Sys;

/// An instance of one's own.
#[derive(Debug)]
pub(crate) struct EpollSet(Epoll);

impl EpollSet {
    pub fn new() -> Sys<Self> {
        Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map(Self)
    }

    pub fn epoll(&self) -> &Epoll {
        &self.0
    }

    /// Has the runtime watch it.
    pub fn register(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: the descriptor is this instance's own, and is closed with it and not before.
        Ok(unsafe { AsyncFd::register_with_interest(self, Interest::READABLE) }?)
    }
}

impl AsRawFd for EpollSet {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}
