//! splice(2): pages move from a descriptor into a pipe and out of it again.
//!
//! One of the two ends of the call must be a pipe. Where the caller's end is one, the pages go straight through
//! ([`direct`]); otherwise a pipe of our own stands between ([`Splice::fill`], [`Splice::drain`]) and the bytes in it
//! belong to nobody else: they are delivered before anything new is taken, also when the source has failed meanwhile.
//!
//! EAGAIN can mean either end: the one that is not ready is found by asking both. And neither EAGAIN nor the end is
//! believed of a TCP socket at once: splice(2) stops at an urgent byte and says so, although bytes follow; a read steps
//! over it.

use nix::errno::Errno;
use nix::poll::PollFlags;

use super::{Advance, Mover, Route, Stop, not_here};
use crate::endpoint::Kind;
use crate::error::Error;
use crate::pipe::Pipe;
use crate::step::Side;
use crate::sys::Calls;
use crate::waiting::is_ready;

/// splice(2) through a pipe of our own, or straight when an end is one.
#[derive(Debug, Default)]
pub(super) struct Splice {
    pipe: Option<Pipe>,
    /// A failure of the source that came while bytes were waiting in the pipe: told after they are delivered, because a
    /// socket tells its error only once.
    deferred: Option<Stop>,
    /// The source had nothing the last time.
    dry: bool,
}

impl Mover for Splice {
    fn advance(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        if self.held() == 0 && limit > 0 {
            if let Some(deferred) = self.deferred.take() {
                return Err(deferred);
            }
            let straight = route.source_facts().kind == Kind::Pipe || route.sink_facts().kind == Kind::Pipe;
            let answer = if straight { direct(route, limit)? } else { self.fill_up(route, limit)? };
            let moved = matches!(answer, Advance::Moved(1..));
            if !moved {
                return self.believe(answer, route, limit);
            }
            self.dry = false;
            if straight {
                return Ok(answer);
            }
        }
        drain(self.pipe()?, route)
    }

    fn held(&self) -> usize {
        self.pipe.as_ref().map_or(0, Pipe::held)
    }

    fn unspoken(&mut self) -> Option<Error> {
        match self.deferred.take() {
            Some(Stop::Failed(error)) => Some(error),
            // A refusal the next mechanism meets as well.
            Some(Stop::Refused(_)) | None => None,
        }
    }

    fn surrender(&mut self, calls: &mut Calls) -> Result<Vec<u8>, Error> {
        self.pipe.as_mut().map_or(Ok(Vec::new()), |pipe| pipe.take_out(usize::MAX, calls))
    }
}

impl Splice {
    fn pipe(&mut self) -> Result<&mut Pipe, Stop> {
        Ok(match &mut self.pipe {
            Some(pipe) => pipe,
            none => none.insert(Pipe::new().map_err(|errno| Stop::sort("pipe2", errno, no_pipe))?),
        })
    }

    /// Source to our pipe, which is empty: once, and from a socket in full flow until it is half full.
    fn fill_up(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        let pipe = self.pipe()?;
        let answer = fill(pipe, route, limit)?;
        if let Advance::Moved(count) = answer {
            self.deferred = top_up(pipe, route, limit - count);
        }
        Ok(answer)
    }

    /// Checks a TCP socket's word that there is nothing (at once if it says "ever", the second time if it says "now") with
    /// a read, which steps over an urgent byte. What that brings goes through our pipe.
    fn believe(&mut self, answer: Advance, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        let doubtful = match answer {
            Advance::Ended => true,
            Advance::Blocked(Side::Source) => std::mem::replace(&mut self.dry, true),
            _ => false,
        };
        if !doubtful || route.source_facts().kind != Kind::Tcp {
            return Ok(answer);
        }
        // The pipe first: what has been received must have a place to go.
        let pipe = self.pipe()?;
        let mut page = [0; 4096];
        let length = limit.min(page.len() as u64) as usize;
        let count = match route.calls.receive_now(route.source(), &mut page[..length]) {
            Ok(0) => return Ok(Advance::Ended),
            Ok(count) => count,
            Err(Errno::EAGAIN) => return Ok(Advance::Blocked(Side::Source)),
            Err(Errno::EINTR) => return Ok(Advance::Interrupted),
            Err(errno) => return Err(Stop::sort("recv", errno, not_here)),
        };
        let put = route.calls.put_into_pipe(pipe.write_end(), &page[..count]);
        put.map_err(|errno| Stop::Failed(Error::os("write", errno)))?;
        pipe.filled(count);
        route.took(count);
        drain(pipe, route)
    }
}

/// Source to pipe, once. The bytes count as taken, not as delivered.
fn fill(pipe: &mut Pipe, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
    let length = limit.min(pipe.capacity() as u64) as usize;
    match route.calls.splice(route.source(), route.source_at(), pipe.write_end(), None, length) {
        Ok(0) => Ok(Advance::Ended),
        Ok(count) => {
            pipe.filled(count);
            route.took(count);
            Ok(Advance::Moved(count as u64))
        }
        Err(Errno::EINTR) => Ok(Advance::Interrupted),
        Err(Errno::EAGAIN) => Ok(Advance::Blocked(Side::Source)),
        Err(errno) => Err(Stop::sort("splice", errno, refusal).of_side(Side::Source)),
    }
}

/// Fills the pipe to a half from a socket that has more to give, because few large writes to the sink cost less than many
/// small ones: 1.58 GB/s against 1.40 into a file. A file fills the pipe in one call and needs none of this.
///
/// Gives back a failure of the source, which must be remembered.
fn top_up(pipe: &mut Pipe, route: &mut Route<'_>, mut limit: u64) -> Option<Stop> {
    while route.source_facts().kind.is_socket() && limit > 0 && pipe.held() < pipe.capacity() / 2 {
        // splice(2) would wait for a socket that is in blocking mode, with bytes of ours in the pipe.
        let readable = is_ready(route.source(), PollFlags::POLLIN, route.calls);
        if !readable.unwrap_or(false) {
            return None;
        }
        match fill(pipe, route, limit) {
            Ok(Advance::Moved(count)) => limit -= count,
            // Nothing now, the pipe out of slots, a signal, or the end, which is asked for again: deliver first.
            Ok(_) => return None,
            Err(stop) => return Some(stop),
        }
    }
    None
}

/// Pipe to sink, once.
pub(super) fn drain(pipe: &mut Pipe, route: &mut Route<'_>) -> Result<Advance, Stop> {
    let held = pipe.held();
    match route.calls.splice(pipe.read_end(), None, route.sink(), route.sink_at(), held) {
        // The pipe has bytes, so this is a sink that takes none.
        Ok(0) => Err(Stop::Failed(Error::os("splice", Errno::EIO).of_side(Side::Sink))),
        Ok(count) => {
            pipe.drained(count);
            Ok(route.delivered(count, held))
        }
        Err(Errno::EINTR) => Ok(Advance::Interrupted),
        Err(Errno::EAGAIN) => Ok(Advance::Blocked(Side::Sink)),
        Err(errno) => Err(Stop::sort("splice", errno, refusal).of_side(Side::Sink)),
    }
}

/// One end is a pipe of the caller's: no pipe of ours is needed and nothing is ever held.
fn direct(route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
    let length = limit.min(MOST) as usize;
    match route.calls.splice(route.source(), route.source_at(), route.sink(), route.sink_at(), length) {
        Ok(0) => Ok(Advance::Ended),
        Ok(count) => Ok(route.moved(count, length)),
        Err(Errno::EINTR) => Ok(Advance::Interrupted),
        Err(Errno::EAGAIN) => Ok(blocked_end(route)),
        Err(errno) => Err(Stop::sort("splice", errno, refusal)),
    }
}

/// Which end EAGAIN was about. When both are ready by now, trying again is right.
fn blocked_end(route: &mut Route<'_>) -> Advance {
    if !route.source_facts().kind.is_stream() {
        return Advance::Blocked(Side::Sink);
    }
    if !route.sink_facts().kind.is_stream() {
        return Advance::Blocked(Side::Source);
    }
    // An error of poll(2) (a signal) is answered by trying again as well.
    if !is_ready(route.sink(), PollFlags::POLLOUT, route.calls).unwrap_or(true) {
        return Advance::Blocked(Side::Sink);
    }
    if !is_ready(route.source(), PollFlags::POLLIN, route.calls).unwrap_or(true) {
        return Advance::Blocked(Side::Source);
    }
    Advance::Moved(0)
}

/// The most one call is asked for; the kernel moves a pipe's capacity at most.
const MOST: u64 = 1 << 30;

pub(crate) fn no_pipe(errno: Errno) -> Option<&'static str> {
    match errno {
        // The limits on descriptors (pipe(7)): the other ways need none.
        Errno::EMFILE | Errno::ENFILE => Some("no descriptor left for a pipe"),
        _ => not_here(errno),
    }
}

pub(crate) fn refusal(errno: Errno) -> Option<&'static str> {
    match errno {
        // splice(2): an end that cannot be spliced, or a sink opened to append.
        Errno::EINVAL => Some("one of these ends does not support it"),
        Errno::EOPNOTSUPP | Errno::ENODEV => Some("the file system does not support it"),
        _ => not_here(errno),
    }
}
