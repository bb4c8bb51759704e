//! From the slots into the sink: a chain of writes, what came of it, and the sink's own position.

use nix::errno::Errno;

use super::operations::{Op, Sending, Target, Then};
use super::ring::OnSignal;
use super::{Uring, WRITE, cannot_leave, never_waits};
use crate::endpoint::Kind;
use crate::error::Error;
use crate::mechanisms::{Advance, Route, Stop};
use crate::step::Side;

impl Uring {
    /// Delivers the first pieces, in one chain.
    pub(super) fn deliver(&mut self, route: &mut Route<'_>, ready: usize) -> Result<Advance, Stop> {
        // A link that is cancelled is notified of as if it had been sent: a send by reference stands alone.
        let count = if route.sink_facts().kind == Kind::Tcp { 1 } else { ready };
        let place = Place::of(route)?;
        let mut at = place.at;
        let mut asked = 0;
        // Half of the slots may wait for the kernel to let go of them. If more did, a step might find none free although
        // the socket is ready, and a caller that waits for the socket would spin.
        let by_reference = (self.slots / 2).saturating_sub(self.ring().lent());
        for index in 0..count {
            let (slot, range) = (self.queue[index].slot, self.queue[index].range());
            let then = if index + 1 < count { Then::Next } else { Then::Any };
            let (file, nowait) = (Target::Descriptor(route.sink()), never_waits(route.sink_facts()));
            let op = Op { file, at, nowait, then, tag: WRITE | slot as u64 };
            match self.sending(route, index < by_reference) {
                Some(how) => self.ring().send(op, slot, &range, how),
                None => self.ring().write(op, slot, &range),
            }
            asked += range.len();
            at = at.map(|at| at + range.len() as u64);
        }
        let mut moved = 0;
        let mut stopped = None;
        // Every link of the chain is waited for, also behind the one that ended it.
        for index in 0..count {
            let tag = WRITE | self.queue[index].slot as u64;
            let answer = self.ring().answer(route.calls, tag, OnSignal::Cancel);
            let piece = &mut self.queue[index];
            match answer {
                Ok(written) if stopped.is_none() => {
                    piece.start += written;
                    moved += written;
                    if !piece.range().is_empty() {
                        stopped = Some(Ok(written));
                    }
                }
                other => stopped = stopped.or(Some(other)),
            }
        }
        self.queue.retain(|piece| piece.read.is_none_or(|read| read != Ok(piece.start) || piece.start == 0));
        self.reap();
        // Counted first: what has been written is, whatever becomes of the position.
        let outcome = self.outcome(route, moved, asked, stopped)?;
        place.advance(route, moved).map(|()| outcome)
    }

    /// What a delivery comes to.
    pub(super) fn outcome(
        &mut self,
        route: &mut Route<'_>,
        moved: usize,
        asked: usize,
        stopped: Option<Result<usize, Errno>>,
    ) -> Result<Advance, Stop> {
        if moved > 0 {
            // What stopped it is met again by the next delivery.
            return Ok(if self.stream { route.delivered(moved, asked) } else { route.moved(moved, asked) });
        }
        let operation = if route.sink_facts().kind.is_socket() { "send" } else { "write" };
        let result = match stopped {
            Some(Err(Errno::EAGAIN)) => Ok(Advance::Blocked(Side::Sink)),
            Some(Err(Errno::EINTR | Errno::ECANCELED)) => Ok(Advance::Interrupted),
            Some(Err(errno)) if self.verdict.gives_up_zero_copy(errno) => Ok(Advance::Moved(0)),
            Some(Err(errno)) => Err(Stop::sort(operation, errno, cannot_leave)),
            // No device is allowed to accept nothing and say nothing.
            _ => Err(Stop::Failed(Error::os(operation, Errno::EIO))),
        };
        self.unless_broken(result)
    }

    /// How a piece is sent; `None` if the sink is no socket.
    fn sending(&mut self, route: &Route<'_>, by_reference: bool) -> Option<Sending> {
        if !route.sink_facts().kind.is_socket() {
            return None;
        }
        let zero_copy = route.sink_facts().kind == Kind::Tcp && by_reference && self.verdict.is_zero_copy();
        self.verdict.sending(zero_copy, 1);
        Some(Sending { nonblocking: route.sink_end.facts().nonblocking, zero_copy })
    }
}

/// Where in the sink the next bytes go.
pub(super) struct Place {
    pub at: Option<u64>,
    /// It is the sink's own position, which has to follow.
    own: bool,
}

impl Place {
    /// The ring can use a file's own position, but does not move it by what was written before an error (`kiocb_done()` of
    /// the kernel, seen on 6.18 with a full disk): so the offset is always explicit, save where every write goes to the end.
    pub fn of(route: &mut Route<'_>) -> Result<Self, Stop> {
        let facts = route.sink_facts();
        if route.sink_at().is_some() || !facts.kind.is_seekable() || facts.append {
            return Ok(Self { at: route.sink_at(), own: false });
        }
        let at = route.calls.position(route.sink()).map_err(|errno| Stop::Failed(Error::os("lseek", errno)))?;
        Ok(Self { at: Some(at), own: true })
    }

    pub fn advance(&self, route: &mut Route<'_>, moved: usize) -> Result<(), Stop> {
        match self.at {
            Some(at) if self.own && moved > 0 => route
                .calls
                .seek(route.sink(), at + moved as u64)
                .map_err(|errno| Stop::Failed(Error::os("lseek", errno))),
            _ => Ok(()),
        }
    }
}
