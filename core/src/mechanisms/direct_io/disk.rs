//! What both sides know of the disk: how much goes there at once, from which addresses, and what it refuses.

use std::ops::Range;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};

use crate::buffer::AlignedBuffer;
use crate::error::{Error, not_here};
use crate::mechanisms::Stop;
use crate::sys::SyscallCounter;

/// The size of a buffer in bytes; there are three for each end that is a disk. Larger ones gain nothing once both sides
/// are busy, and show up as resident memory.
pub(super) const BUFFER: usize = 768 << 10;

/// Of these, at the disk: the next one must be there when it is done with one. A writer that waited for each one was a
/// twentieth slower.
pub(super) const AT_DISK: usize = 2;

/// A buffer that direct I/O can use.
pub(super) fn new_buffer() -> Result<AlignedBuffer, Stop> {
    AlignedBuffer::new(BUFFER).map_err(Stop::Failed)
}

/// The alignment this file asks for.
pub(super) fn alignment(calls: &mut SyscallCounter, fd: BorrowedFd<'_>) -> Result<usize, Stop> {
    calls.direct_alignment(fd).filter(|&alignment| alignment <= BUFFER).ok_or_else(|| {
        let reason = "this file cannot be read or written past the page cache";
        Stop::Refused(Error::refused("statx", Errno::EOPNOTSUPP, reason))
    })
}

/// Why the disk is not to be had in this way.
pub(super) fn refusal(errno: Errno) -> Option<&'static str> {
    match errno {
        // open(2): the file system does not know O_DIRECT; or an alignment that it did not tell.
        Errno::EINVAL | Errno::EOPNOTSUPP => Some("the file system does not support O_DIRECT here"),
        // The second open(2), through /proc: this process may not open the file itself.
        Errno::EACCES | Errno::ETXTBSY | Errno::ENXIO => Some("the file cannot be opened a second time"),
        _ => not_here(errno),
    }
}

/// Why the file cannot be opened again, where that is nothing of the file's: it is there.
pub(super) fn opening(errno: Errno) -> Option<Error> {
    let reason = "the file cannot be opened a second time without /proc";
    (errno == Errno::ENOENT).then(|| Error::refused("open", Errno::EOPNOTSUPP, reason))
}

/// What a refused write means: one that the file's limit (`RLIMIT_FSIZE`) makes shorter is no whole number of blocks any more.
pub(super) fn refused_write(errno: Errno, bytes: Range<u64>) -> Errno {
    let limit = || getrlimit(Resource::RLIMIT_FSIZE).is_ok_and(|(most, _)| bytes.contains(&most));
    if errno == Errno::EINVAL && limit() { Errno::EFBIG } else { errno }
}
