//! The first try from a file or a pipe into another, by whoever keeps both and does not know which of them is what.
//!
//! The kernel says it: splice(2) moves nothing where none of them is a pipe, and `copy_file_range(2)` nothing where one of them
//! is no file. One of them must have offsets: the source if one was given, else it is asked. Then the other one is a pipe, or
//! both are files, or the kernel refuses, and no call can sleep: neither waits for a pipe. One call moves bytes; what it does not
//! move, and whatever is refused, is for a [`Transfer`](crate::Transfer), which looks at everything.

use std::os::fd::BorrowedFd;
use std::sync::OnceLock;

use nix::errno::Errno;

use super::place::Place;
use crate::endpoint::Kind;
use crate::mechanism::Mechanism;
use crate::sys::{SyscallCounter, release};

/// What was moved, how, and what the sink has turned out to be.
pub(super) struct Moved {
    pub bytes: u64,
    pub mechanism: Mechanism,
    pub sink: Kind,
}

/// `None` if nothing was moved.
pub(super) fn into(
    source: BorrowedFd<'_>,
    sink: Place<'_>,
    offset: Option<u64>,
    count: u64,
    calls: &mut SyscallCounter,
) -> Option<Moved> {
    let moved = |bytes, mechanism, sink| (bytes > 0).then_some(Moved { bytes: bytes as u64, mechanism, sink });
    let to_file = offset.is_none() && sink.has_offsets(calls);
    if offset.is_none() && !to_file && calls.position(source).is_err() {
        return None;
    }
    match calls.splice(source, offset, sink.fd, None, count as usize) {
        Ok(bytes) => moved(bytes, Mechanism::Splice, if to_file { Kind::File } else { Kind::Pipe }),
        Err(Errno::EINVAL) if looks_for_overlaps() => {
            let copied = calls.copy_file_range(source, offset, sink.fd, None, count as usize).ok()?;
            moved(copied, Mechanism::CopyFileRange, Kind::File)
        }
        Err(_) => None,
    }
}

/// Whether `copy_file_range(2)` refuses to copy a part of a file over itself: since Linux 5.3, and before it was not asked what
/// the files are.
fn looks_for_overlaps() -> bool {
    static LOOKS: OnceLock<bool> = OnceLock::new();
    *LOOKS.get_or_init(|| release::of_kernel().is_some_and(|this| this >= (5, 3)))
}
