//! Bytes to one sink, once: out of a pipe by splice(2), or out of memory by write(2).

use nix::errno::Errno;
use nix::poll::PollFlags;

use crate::connection;
use crate::endpoint::{Endpoint, Kind};
use crate::error::{Error, ErrorKind};
use crate::pipe::{Pipe, refusal};
use crate::sys::{Sys, SyscallCounter};
use crate::waiting::is_ready;

/// The buffer of the way that copies: 256 KiB as in `read_write`.
pub(crate) const BUFFER: usize = 256 << 10;

/// What a pipe whose poll(2) says writable takes without waiting: a free slot is a page (pipe(7)).
const ONE_SLOT: usize = 4096;

/// What one delivery did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The sink took that many bytes (0: a signal came first).
    Moved(usize),
    /// The sink takes nothing now.
    Blocked,
}

impl Delivery {
    /// What a call that delivers bytes has answered.
    fn from_call(answer: Sys<usize>) -> Sys<Self> {
        match answer {
            // No device is allowed to accept nothing and say nothing.
            Ok(0) => Err(Errno::EIO),
            Ok(count) => Ok(Self::Moved(count)),
            Err(Errno::EINTR) => Ok(Self::Moved(0)),
            Err(Errno::EAGAIN) => Ok(Self::Blocked),
            Err(errno) => Err(errno),
        }
    }
}

/// Whether copying may do what splice(2), or what it needs, could not. An error of any other call is told.
pub(crate) fn may_be_copied(error: &Error) -> bool {
    error.kind() == ErrorKind::Refused
        || matches!(error.operation(), "splice" | "tee" | "pipe2") && error.is_of_the_call()
}

/// Pipe to sink, once.
pub(crate) fn drain(
    pipe: &mut Pipe,
    sink: &Endpoint<'_>,
    at: Option<u64>,
    calls: &mut SyscallCounter,
) -> Result<Delivery, Error> {
    let answer = pipe.drain_into(sink.fd(), at, calls);
    Delivery::from_call(answer).map_err(|errno| Error::sort("splice", errno, refusal))
}

/// write(2) that does not wait: sockets are non-blocking by now (their owner saw to it), a pipe or a terminal in blocking
/// mode is asked first and given no more than it is sure to take.
pub(crate) fn write(
    sink: &Endpoint<'_>,
    at: Option<u64>,
    bytes: &[u8],
    calls: &mut SyscallCounter,
) -> Result<Delivery, Error> {
    let mut length = bytes.len();
    let sure = match sink.known().kind {
        Kind::Pipe if !sink.known().nonblocking => Some(ONE_SLOT),
        _ => sink.is_byte_by_byte().then_some(1),
    };
    if let Some(sure) = sure {
        if !is_ready(sink.fd(), PollFlags::POLLOUT, calls).unwrap_or(false) {
            return Ok(Delivery::Blocked);
        }
        length = length.min(sure);
    }
    let answer = calls.write(sink.fd(), at, &bytes[..length]);
    Delivery::from_call(answer).map_err(|errno| connection::explain(Error::os("write", errno), sink))
}
