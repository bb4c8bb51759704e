//! The one way out of a source: takes what is there now, into a pipe or into a buffer.
//!
//! What a source says while bytes are still to be delivered (its end, a failure) is kept and told afterwards, because a
//! socket tells its error only once.
//!
//! splice(2) stops at a TCP urgent byte and calls it "nothing there", or even the end when the peer has closed, although
//! bytes follow; a read steps over it. Both answers are therefore checked with a read before they are believed: the end at
//! once, "nothing" the second time.

use nix::errno::Errno;
use nix::poll::PollFlags;

use crate::connection;
use crate::delivery::{BUFFER, may_be_copied};
use crate::endpoint::{Endpoint, Kind};
use crate::error::{Error, not_here};
use crate::pipe::{Pipe, refusal};
use crate::step::Side;
use crate::sys::{Sys, SyscallCounter, heap};
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

impl Taken {
    /// What a call that takes bytes has answered.
    fn from_call(answer: Sys<usize>) -> Sys<Self> {
        match answer {
            Ok(0) => Ok(Self::Ended),
            Ok(count) => Ok(Self::Bytes(count)),
            Err(Errno::EINTR) => Ok(Self::Bytes(0)),
            Err(Errno::EAGAIN) => Ok(Self::Blocked),
            Err(errno) => Err(errno),
        }
    }
}

/// What the source has said that is not yet told.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    deferred: Option<Result<Taken, Error>>,
    /// splice(2) found nothing the last time.
    dry: bool,
}

impl Intake {
    /// Source to pipe, at most `limit` bytes. The pipe must be empty, so that EAGAIN is about the source.
    pub fn fill(
        &mut self,
        pipe: &mut Option<Pipe>,
        source: &Endpoint<'_>,
        at: Option<u64>,
        limit: u64,
        calls: &mut SyscallCounter,
    ) -> Result<Taken, Error> {
        if let Some(deferred) = self.deferred.take() {
            return deferred;
        }
        let said = splice(Pipe::get(pipe)?, source, at, limit, calls)?;
        let taken = self.doubt(said, pipe, source, limit, calls)?;
        if matches!(taken, Taken::Bytes(BULK..)) && source.known().kind.is_socket() {
            return Ok(self.top_up(Pipe::get(pipe)?, source, limit, calls));
        }
        Ok(taken)
    }

    /// Checks a TCP socket's word that there is nothing with a read, which steps over an urgent byte. What that brings is in
    /// the pipe then.
    pub fn doubt(
        &mut self,
        said: Taken,
        pipe: &mut Option<Pipe>,
        source: &Endpoint<'_>,
        limit: u64,
        calls: &mut SyscallCounter,
    ) -> Result<Taken, Error> {
        let again = std::mem::replace(&mut self.dry, said == Taken::Blocked);
        let doubtful = said == Taken::Ended || said == Taken::Blocked && again;
        if !doubtful || source.known().kind != Kind::Tcp {
            return Ok(said);
        }
        // The pipe first: what has been received must have a place to go.
        let pipe = Pipe::get(pipe)?;
        debug_assert_eq!(pipe.held(), 0);
        let mut page = [0; 4096];
        let length = limit.min(page.len() as u64) as usize;
        let taken = Taken::from_call(calls.receive_now(source.fd(), &mut page[..length]))
            .map_err(|errno| connection::explain(Error::sort("recv", errno, not_here), source).of_side(Side::Source))?;
        if let Taken::Bytes(count @ 1..) = taken {
            self.dry = false;
            let put = calls.put_into_pipe(pipe.write_end(), &page[..count]);
            put.map_err(|errno| Error::os("write", errno))?;
            pipe.filled(count);
        }
        Ok(taken)
    }

    /// The source has given bytes to somebody else than [`Self::fill`].
    pub fn flows(&mut self) {
        self.dry = false;
    }

    /// Nothing more is to be taken.
    pub fn end(&mut self) {
        self.deferred = Some(Ok(Taken::Ended));
    }

    /// A failure that is not told yet.
    pub fn failure(&mut self) -> Option<Error> {
        self.deferred.take()?.err()
    }

    /// Fills the pipe to a half from a socket in full flow: few large deliveries cost less than many small ones (1.58 GB/s
    /// against 1.40 into a file). A file fills the pipe in one call, and a message is sent on as it is.
    fn top_up(&mut self, pipe: &mut Pipe, source: &Endpoint<'_>, limit: u64, calls: &mut SyscallCounter) -> Taken {
        while pipe.held() < pipe.capacity() / 2 && (pipe.held() as u64) < limit {
            // splice(2) would wait for a socket that is in blocking mode, with bytes of ours in the pipe.
            if source.sleeps() && !is_ready(source.fd(), PollFlags::POLLIN, calls).unwrap_or(false) {
                break;
            }
            match splice(pipe, source, None, limit - pipe.held() as u64, calls) {
                Ok(Taken::Bytes(1..)) => {}
                // Nothing now, no slot left in the pipe, or a signal. The end is asked for again, with an empty pipe.
                Ok(_) => break,
                failed => {
                    self.deferred = Some(failed);
                    break;
                }
            }
        }
        Taken::Bytes(pipe.held())
    }

    /// Source to an empty buffer, at most `limit` bytes, by a read that does not wait: what would sleep is asked first.
    pub fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        source: &Endpoint<'_>,
        at: Option<u64>,
        limit: u64,
        calls: &mut SyscallCounter,
    ) -> Result<Taken, Error> {
        match self.deferred.take() {
            // splice's refusal has been answered already: by coming here.
            Some(Err(error)) if may_be_copied(&error) => {}
            Some(deferred) => return deferred,
            None => {}
        }
        if source.sleeps() && !is_ready(source.fd(), PollFlags::POLLIN, calls).unwrap_or(false) {
            return Ok(Taken::Blocked);
        }
        let length = limit.min(BUFFER as u64) as usize;
        heap::resize(buffer, length).map_err(|errno| Error::os("malloc", errno))?;
        let taken = Taken::from_call(calls.read(source.fd(), at, buffer));
        buffer.truncate(if let Ok(Taken::Bytes(count)) = taken { count } else { 0 });
        taken.map_err(|errno| connection::explain(Error::os("read", errno), source))
    }
}

fn splice(
    pipe: &mut Pipe,
    source: &Endpoint<'_>,
    at: Option<u64>,
    limit: u64,
    calls: &mut SyscallCounter,
) -> Result<Taken, Error> {
    let taken = Taken::from_call(pipe.fill_from(source.fd(), at, limit, calls));
    taken.map_err(|errno| Error::sort("splice", errno, refusal).of_side(Side::Source))
}
