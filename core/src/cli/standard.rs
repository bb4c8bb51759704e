//! The descriptors 0, 1 and 2, where whoever started the program has closed one of them (`>&-`).
//!
//! The next file that is opened would get its number, and what is said to the user would be written into that file. So
//! `/dev/null` gets it meanwhile. Whoever wants the stream itself is told that it is closed: bytes that `/dev/null` has
//! taken have not arrived.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU8, Ordering};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::failure::Failure;

/// A bit for each of the three that was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Keeps the numbers taken that were free.
pub(super) struct Filled(Vec<OwnedFd>);

impl Filled {
    /// Takes all of them that are free now.
    pub fn now() -> Self {
        let mut filled = Self(Vec::new());
        // Where it cannot be opened there is nothing else to take them with.
        while let Ok(null) = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())
            && null.as_raw_fd() <= libc::STDERR_FILENO
        {
            CLOSED.fetch_or(1 << null.as_raw_fd(), Ordering::Relaxed);
            filled.0.push(null);
        }
        filled
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        for null in &self.0 {
            CLOSED.fetch_and(!(1 << null.as_raw_fd()), Ordering::Relaxed);
        }
    }
}

/// For a program that is the command and nothing else: the same for good, before the standard library does it and leaves no
/// trace.
#[doc(hidden)]
pub fn note_closed() {
    std::mem::forget(Filled::now());
}

/// An error for a standard stream that was closed.
pub(super) fn must_be_open(fd: RawFd, name: &str) -> io::Result<()> {
    let is_closed = CLOSED.load(Ordering::Relaxed) & (1 << fd) != 0;
    if is_closed { Err(Failure::os("open", name, &Errno::EBADF.into()).into()) } else { Ok(()) }
}
