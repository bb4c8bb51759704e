//! The pipe inside splice: the kernel-side buffer that pages move through, and the count of bytes that are in it.
//!
//! Those bytes have left the source and have not reached the sink. Nobody else knows about them, so this type never
//! forgets them: the mechanism that owns it delivers them, keeps them for the next step, or hands them back.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// How large the pipe is asked to be, in bytes. A pipe has 64 KiB by default, in 16 slots of a page or a packet each;
/// an unprivileged process may ask for up to /proc/sys/fs/pipe-max-size (1 MiB unless changed).
const WANTED: usize = 1 << 20;

/// A pipe of our own, both ends non-blocking.
#[derive(Debug)]
pub(crate) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    capacity: usize,
    held: usize,
}

impl Pipe {
    /// pipe2(2), then `F_SETPIPE_SZ`. A refused size is no error: the pipe is only smaller.
    pub fn new() -> Result<Self, Errno> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let capacity = fcntl(&write, FcntlArg::F_SETPIPE_SZ(WANTED as i32))
            .or_else(|_| fcntl(&write, FcntlArg::F_GETPIPE_SZ))
            .map_or(1 << 16, |size| size as usize);
        Ok(Self { read, write, capacity, held: 0 })
    }

    /// The end that bytes come out of.
    pub fn read_end(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }

    /// The end that bytes go into.
    pub fn write_end(&self) -> BorrowedFd<'_> {
        self.write.as_fd()
    }

    /// Capacity in bytes. Small packets can fill it long before (each takes a slot).
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes inside.
    pub fn held(&self) -> usize {
        self.held
    }

    /// `count` bytes were put in.
    pub fn filled(&mut self, count: usize) {
        self.held += count;
    }

    /// `count` bytes were taken out.
    pub fn drained(&mut self, count: usize) {
        self.held -= count;
    }
}
