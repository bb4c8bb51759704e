//! A second table of descriptors, for this project's bindings: a language whose numbers can be closed at any time, and whose
//! POSIX locks must survive, has what it lent to a transfer sent there, and the transfer made there.

use std::os::fd::BorrowedFd;

pub use crate::endpoint::Sent;
pub use crate::sys::apart::beside::{Beside, duplicate};
pub use crate::sys::apart::held::Held;
pub use crate::sys::apart::meeting::Caller;
pub use crate::sys::apart::resident::Resident;
pub use crate::sys::fork::Process;

use crate::error::Result;

/// Has `work` done where this descriptor is, or by the calling thread if there is none.
///
/// # Errors
///
/// As [`Held::run`].
pub fn run<T: Send>(held: Option<&Held>, work: impl FnOnce(&Caller<'_>) -> T + Send) -> Result<T> {
    match held {
        Some(held) => held.run(work),
        None => Ok(work(&Caller::HERE)),
    }
}

/// What a descriptor refers to ([`crate::endpoint::Facts::identity`]); `None` if it is not open.
pub fn identity(fd: BorrowedFd<'_>) -> Option<(u64, u64)> {
    crate::sys::apart::held::identity(fd).ok()
}

/// The size of a regular file, and the position of its descriptor.
pub fn size_and_position(fd: BorrowedFd<'_>) -> Option<(u64, u64)> {
    let facts = *crate::Endpoint::new(fd).ok()?.facts();
    let position = crate::sys::SyscallCounter::default().position(fd);
    (facts.kind == crate::Kind::File).then_some((facts.size, position.ok()?))
}

/// Whether the calling thread is one of another table than the process's.
pub fn is_here() -> bool {
    crate::sys::apart::tables::table() != 0
}
