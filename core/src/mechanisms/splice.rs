//! splice(2): pages move from a descriptor into a pipe and out of it again.
//!
//! One of the two ends of the call must be a pipe. Where the caller's end is one, the pages go straight through
//! ([`direct`]); otherwise a pipe of our own stands between, filled by the [`Intake`], and the bytes in it belong to nobody
//! else: they are delivered before anything new is taken, also when the source has failed meanwhile.
//!
//! EAGAIN can mean either end: the one that is not ready is found by asking both.

use nix::errno::Errno;
use nix::poll::PollFlags;

use super::{
    ALIASES, APPENDS, Advance, Definition, Mover, NEEDS_DESCRIPTOR, Route, Stop, aliases, copies_of_pages, mechanism,
};
use crate::delivery::{self, Delivery};
use crate::demand::Demand;
use crate::endpoint::{Facts, Kind};
use crate::error::{Error, ErrorKind};
use crate::intake::{Intake, Taken};
use crate::pipe::{Pipe, refusal};
use crate::probe::{Probe, between_pipes};
use crate::step::Side;
use crate::sys::SyscallCounter;
use crate::waiting::is_ready;

mechanism! {
    /// splice(2): pages move through a pipe; the only way without a copy that can start at a socket.
    Splice = "splice",
    proven on FileToTcp, FileToTcpGather, FileToTcpNoGather, FileToTls, FileToPipe, FileToUnix,
        FileToFile, FileToFileMemory, TcpToFile, TcpToTcp;
}

/// splice(2) through a pipe of our own, or straight when an end is one.
#[derive(Debug, Default)]
pub(super) struct Splice {
    pipe: Option<Pipe>,
    intake: Intake,
}

impl Definition for Splice {
    const PROBE: Probe =
        Probe::since(2, 6).here(|| between_pipes(|calls, from, to| calls.splice(from, None, to, None, 1)));

    fn impossible(source: &Facts, sink: &Facts, demand: Demand) -> Option<&'static str> {
        match (source.kind, sink.kind) {
            // What a stream holds may be somebody's page cache: sendfile(2) puts it there.
            _ if aliases(sink, demand) => Some(ALIASES),
            (Kind::Memory, _) => Some("memory goes into a pipe by vmsplice"),
            (_, Kind::Memory) => Some(NEEDS_DESCRIPTOR),
            (Kind::CharDevice, _) | (_, Kind::CharDevice) => Some(CHARACTER_DEVICE),
            _ if sink.append => Some(APPENDS),
            _ => None,
        }
    }

    fn copies(_source: Kind, sink: Kind) -> Option<u8> {
        copies_of_pages(sink)
    }
}

pub(super) const CHARACTER_DEVICE: &str = "a character device cannot be spliced in general";

impl Mover for Splice {
    fn advance(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        if self.held() == 0 && limit > 0 {
            let straight = route.source_facts().kind == Kind::Pipe || route.sink_facts().kind == Kind::Pipe;
            let taken = if straight {
                match direct(route, limit)? {
                    // Checked, and what that brings goes through our pipe.
                    Advance::Ended => self.doubt(Taken::Ended, route, limit),
                    Advance::Blocked(Side::Source) => self.doubt(Taken::Blocked, route, limit),
                    said => {
                        self.intake.flows();
                        return Ok(said);
                    }
                }
            } else {
                let (source, at) = (route.source_end, route.source_at());
                self.intake.fill(&mut self.pipe, source, at, limit, route.calls)
            };
            match taken? {
                Taken::Bytes(0) => return Ok(Advance::Interrupted),
                Taken::Bytes(count) => route.took(count),
                Taken::Blocked => return Ok(Advance::Blocked(Side::Source)),
                Taken::Ended => {
                    if route.source_facts().kind == Kind::File && route.source_facts().size == 0 {
                        // By way of the page cache a file ends where its size says.
                        route.refuse_without_size()?;
                    }
                    return Ok(Advance::Ended);
                }
            }
        }
        drain(Pipe::get(&mut self.pipe)?, route)
    }

    fn held(&self) -> usize {
        self.pipe.as_ref().map_or(0, Pipe::held)
    }

    /// splice(2) waits for no pipe.
    fn may_sleep(&self, source: &Facts, sink: &Facts) -> bool {
        !matches!((source.kind, sink.kind), (Kind::Pipe, Kind::File | Kind::Pipe) | (Kind::File, Kind::Pipe))
    }

    fn deferred_error(&mut self) -> Option<Error> {
        // A refusal the next mechanism meets as well.
        self.intake.failure().filter(|error| error.kind() != ErrorKind::Refused)
    }

    fn take_pending(&mut self, calls: &mut SyscallCounter) -> Result<Vec<u8>, Error> {
        self.pipe.as_mut().map_or(Ok(Vec::new()), |pipe| pipe.take_out(usize::MAX, calls))
    }
}

impl Splice {
    fn doubt(&mut self, said: Taken, route: &mut Route<'_>, limit: u64) -> Result<Taken, Error> {
        self.intake.doubt(said, &mut self.pipe, route.source_end, limit, route.calls)
    }
}

/// Pipe to sink, once.
pub(super) fn drain(pipe: &mut Pipe, route: &mut Route<'_>) -> Result<Advance, Stop> {
    let held = pipe.held();
    match delivery::drain(pipe, route.sink_end, route.sink_at(), route.calls) {
        Ok(Delivery::Moved(0)) => Ok(Advance::Interrupted),
        Ok(Delivery::Moved(count)) => Ok(route.delivered(count, held)),
        Ok(Delivery::Blocked) => Ok(Advance::Blocked(Side::Sink)),
        Err(error) => Err(Stop::from(error).of_side(Side::Sink)),
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
