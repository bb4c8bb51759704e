//! A second table of descriptors, for this project's bindings: a language whose numbers can be closed at any time, and whose
//! POSIX locks must survive, has what it lent to a transfer sent there, and the transfer made there.

pub use crate::endpoint::Sent;
pub use crate::sys::apart::held::{Beside, Held, Resident, duplicate};
pub use crate::sys::apart::pool::Caller;

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

/// Whether the calling thread is one of another table than the process's.
pub fn is_here() -> bool {
    crate::sys::apart::pool::table() != 0
}
