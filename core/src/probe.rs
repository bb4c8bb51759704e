//! How it is found out whether something is to be had here: a small call of the thing itself, on descriptors made for that.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::memfd::MFdFlags;

use crate::sys::{Sys, SyscallCounter, by_number};

/// The thing's own answer; or, outside, what kept it from being asked.
pub(crate) type Asked = Sys<Sys<()>>;

/// The questions about one thing; each may be missing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    /// The release of Linux that brought it: major and minor number.
    pub since: (u32, u32),
    /// Asks the kernel. Missing where the kernel's yes says nothing: each file system has its own answer then.
    pub here: Option<fn() -> Asked>,
    /// Asks the file system of these two files: the first one has a block of zeroes in it, the second one is empty.
    pub on_files: Option<fn(BorrowedFd<'_>, BorrowedFd<'_>) -> Sys<()>>,
    /// The setting of the machine's that forbids it, in a sentence, if this errno comes from there. The errno may come
    /// from a seccomp filter as well if this thread has one, which the second argument says.
    pub forbidden_by: Option<fn(Errno, bool) -> Option<String>>,
}

impl Probe {
    /// Nothing to ask yet.
    pub const fn since(major: u32, minor: u32) -> Self {
        Self { since: (major, minor), here: None, on_files: None, forbidden_by: None }
    }

    pub const fn here(self, ask: fn() -> Asked) -> Self {
        Self { here: Some(ask), ..self }
    }

    pub const fn on_files(self, ask: fn(BorrowedFd<'_>, BorrowedFd<'_>) -> Sys<()>) -> Self {
        Self { on_files: Some(ask), ..self }
    }

    pub const fn forbidden_by(self, setting: fn(Errno, bool) -> Option<String>) -> Self {
        Self { forbidden_by: Some(setting), ..self }
    }
}

/// A file of one block in memory.
pub(crate) fn memory_file() -> Sys<OwnedFd> {
    let file = by_number::memfd_create(c"zcio-probe", MFdFlags::MFD_CLOEXEC)?;
    nix::unistd::ftruncate(&file, 4096)?;
    Ok(file)
}

/// A pipe to be thrown away: one of the engine's own must not come back to it with a byte inside.
pub(crate) fn pipe() -> Sys<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
}

/// Asks for something between a pipe with a byte in it and an empty one.
pub(crate) fn between_pipes(ask: fn(&mut SyscallCounter, BorrowedFd<'_>, BorrowedFd<'_>) -> Sys<usize>) -> Asked {
    let (from, to) = (pipe()?, pipe()?);
    nix::unistd::write(&from.1, b"?")?;
    Ok(ask(&mut SyscallCounter::default(), from.0.as_fd(), to.1.as_fd()).map(|_| ()))
}
