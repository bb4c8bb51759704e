//! The first try from a socket into a file: a read that does not wait, and a write.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;

use crate::connection::explain_at;
use crate::endpoint::Kind;
use crate::error::{Error, Result};
use crate::sys::{SyscallCounter, heap};

/// What was written, and what was read and could not be.
pub(super) struct Copied {
    pub bytes: u64,
    pub rest: Vec<u8>,
}

/// Copies what is there, once.
pub(super) fn copy(
    (socket, kind): (BorrowedFd<'_>, Kind),
    file: BorrowedFd<'_>,
    count: u64,
    calls: &mut SyscallCounter,
) -> Result<Copied> {
    let nothing = Ok(Copied { bytes: 0, rest: Vec::new() });
    let Ok(mut buffer) = heap::zeroes(count as usize) else { return nothing };
    match calls.receive_now(socket, &mut buffer) {
        Ok(taken) => buffer.truncate(taken),
        Err(Errno::EAGAIN | Errno::EINTR) => return nothing,
        // A socket says it once.
        Err(errno) => return Err(explain_at(Error::os("read", errno), socket, kind)),
    }
    if buffer.is_empty() {
        return nothing;
    }
    // Why a file does not take all, the transfer meets again that delivers the rest.
    let written = calls.write(file, None, &buffer).unwrap_or(0);
    Ok(Copied { bytes: written as u64, rest: buffer.split_off(written) })
}
