//! The source's side of a relay or a fan-out: takes what is there now, into a pipe or into a buffer, and never waits.
//!
//! What a source says while bytes are still to be delivered (its end, a failure) is kept and told afterwards, because a
//! socket tells its error only once.
//!
//! splice(2) stops at a TCP urgent byte and calls it "nothing there", or even the end when the peer has closed, although
//! bytes follow; read(2) steps over it. Both answers are therefore checked with read(2) before they are believed twice.

use nix::errno::Errno;
use nix::poll::PollFlags;

use crate::connection;
use crate::endpoint::{Endpoint, Kind};
use crate::error::Error;
use crate::lane::{BUFFER, descriptor};
use crate::mechanisms::Stop;
use crate::pipe::Pipe;
use crate::sys::Calls;
use crate::waiting::is_ready;

/// A source that gave at least this much at once probably has more by now: asking again is cheaper than waiting.
pub(crate) const BULK: usize = 64 << 10;

/// What one attempt to take bytes brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// That many bytes (0: a signal came first).
    Bytes(usize),
    /// Nothing now.
    Blocked,
    /// Nothing ever again.
    Ended,
}

/// What the source has said that is not yet told.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    deferred: Option<Result<Taken, Stop>>,
    /// splice(2) found nothing the last time.
    dry: bool,
}

impl Intake {
    /// Source to pipe, at most `limit` bytes. The pipe must be empty, so that EAGAIN is about the source.
    pub fn fill(
        &mut self,
        pipe: &mut Pipe,
        source: &Endpoint<'_>,
        at: Option<u64>,
        limit: u64,
        calls: &mut Calls,
    ) -> Result<Taken, Stop> {
        if let Some(deferred) = self.deferred.take() {
            return deferred;
        }
        let mut taken = splice(pipe, source, at, limit, calls)?;
        let doubtful = taken == Taken::Ended || (taken == Taken::Blocked && self.dry);
        if doubtful && source.facts().kind == Kind::Tcp {
            taken = step_over(pipe, source, limit, calls)?;
        }
        self.dry = taken == Taken::Blocked;
        if matches!(taken, Taken::Bytes(BULK..)) && source.facts().kind.is_socket() {
            self.top_up(pipe, source, limit, calls);
            taken = Taken::Bytes(pipe.held());
        }
        Ok(taken)
    }

    /// Fills the pipe to a half from a socket in full flow: few large deliveries cost less than many small ones. A file
    /// fills the pipe in one call, and a message is sent on as it is.
    fn top_up(&mut self, pipe: &mut Pipe, source: &Endpoint<'_>, limit: u64, calls: &mut Calls) {
        while pipe.held() < pipe.capacity() / 2 && (pipe.held() as u64) < limit {
            match splice(pipe, source, None, limit - pipe.held() as u64, calls) {
                Ok(Taken::Bytes(1..)) => {}
                // Nothing now, no slot left in the pipe, or a signal. The end is asked for again, with an empty pipe.
                Ok(_) => return,
                failed => {
                    self.deferred = Some(failed);
                    return;
                }
            }
        }
    }

    /// Source to an empty buffer, at most `limit` bytes, by read(2).
    pub fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        source: &Endpoint<'_>,
        at: Option<u64>,
        limit: u64,
        calls: &mut Calls,
    ) -> Result<Taken, Error> {
        match self.deferred.take() {
            Some(Ok(taken)) => return Ok(taken),
            Some(Err(Stop::Failed(error))) => return Err(error),
            // splice's refusal has been answered already: by coming here.
            Some(Err(Stop::Refused(_))) | None => {}
        }
        buffer.resize(limit.min(BUFFER as u64) as usize, 0);
        let taken = read(source, at, buffer, calls);
        buffer.truncate(if let Ok(Taken::Bytes(count)) = taken { count } else { 0 });
        taken
    }
}

fn splice(
    pipe: &mut Pipe,
    source: &Endpoint<'_>,
    at: Option<u64>,
    limit: u64,
    calls: &mut Calls,
) -> Result<Taken, Stop> {
    let length = limit.min(pipe.capacity() as u64) as usize;
    match calls.splice(descriptor(source), at, pipe.write_end(), None, length) {
        Ok(0) => Ok(Taken::Ended),
        Ok(count) => {
            pipe.filled(count);
            Ok(Taken::Bytes(count))
        }
        Err(Errno::EINTR) => Ok(Taken::Bytes(0)),
        Err(Errno::EAGAIN) => Ok(Taken::Blocked),
        Err(errno) => Err(Stop::unless_final("splice", errno)),
    }
}

/// Takes a page's worth of a TCP stream by read(2), which steps over an urgent byte, and puts it into the empty pipe.
fn step_over(pipe: &mut Pipe, source: &Endpoint<'_>, limit: u64, calls: &mut Calls) -> Result<Taken, Stop> {
    debug_assert_eq!(pipe.held(), 0);
    let mut page = [0; 4096];
    let length = limit.min(page.len() as u64) as usize;
    let taken = read(source, None, &mut page[..length], calls).map_err(Stop::Failed)?;
    if let Taken::Bytes(count @ 1..) = taken {
        let put = calls.put_into_pipe(pipe.write_end(), &page[..count]);
        put.map_err(|errno| Stop::Failed(Error::os("write", errno)))?;
        pipe.filled(count);
    }
    Ok(taken)
}

/// read(2) that does not wait: sockets are non-blocking by now (their owner saw to it), a pipe or a terminal is asked
/// first.
fn read(source: &Endpoint<'_>, at: Option<u64>, buffer: &mut [u8], calls: &mut Calls) -> Result<Taken, Error> {
    let facts = source.facts();
    let sleeps = matches!(facts.kind, Kind::Pipe | Kind::CharDevice) && !facts.nonblocking;
    if sleeps && !is_ready(descriptor(source), PollFlags::POLLIN, calls).unwrap_or(false) {
        return Ok(Taken::Blocked);
    }
    match calls.read(descriptor(source), at, buffer) {
        Ok(0) => Ok(Taken::Ended),
        Ok(count) => Ok(Taken::Bytes(count)),
        Err(Errno::EINTR) => Ok(Taken::Bytes(0)),
        Err(Errno::EAGAIN) => Ok(Taken::Blocked),
        Err(errno) => Err(connection::explain(Error::os("read", errno), source)),
    }
}
