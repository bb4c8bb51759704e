//! A transfer that has begun, at work on its two ends: one step after the other, and what becomes of an error.

mod blame;
mod caching;
mod settling;

use nix::errno::Errno;

use super::engine::{Engine, candidate};
use crate::checks;
use crate::endpoint::{Endpoint, Entered, Kind};
use crate::error::{Error, Result, others_may_work};
use crate::mechanism::Mechanism;
use crate::mechanisms::{Advance, Mover, Route, Stop};
use crate::report::Attempt;
use crate::request::Request;
use crate::step::{Side, Step};
use crate::waiting::events;

/// The most one step moves between files; bounds the time between two calls of a watcher.
pub(super) const FILE_STEP: u64 = 64 << 20;
/// … and when an end is a stream: an end in blocking mode holds the thread for as long as this takes.
const STREAM_STEP: u64 = 16 << 20;

/// A transfer's engine together with what it works on.
pub(super) struct Running<'a, 'fd> {
    pub source: &'a Endpoint<'fd>,
    pub sink: &'a mut Endpoint<'fd>,
    pub request: &'a Request,
    pub engine: &'a mut Engine,
}

impl Running<'_, '_> {
    /// The end that the next step needs to be ready.
    pub fn needs(&self) -> Option<Side> {
        let takes = self.engine.remaining() > 0;
        if self.engine.is_holding() && !(takes && self.engine.mover.wants_more()) {
            return Some(Side::Sink);
        }
        if !takes {
            return None;
        }
        match self.engine.progress.source_start {
            None => Some(Side::Source),
            // At the end of a file the next step only finds that out, and must not wait for a sink that is full.
            Some(_) => (!self.is_past_size()).then_some(Side::Sink),
        }
    }

    /// The end in whose system call the next step would sleep, because it is not ready. One that is lost is met by the step.
    pub fn would_sleep(&mut self) -> Option<Side> {
        let side = self.needs()?;
        if !self.engine.mover.may_sleep(self.source.known(), self.sink.known()) && !self.is_carrying() {
            return None;
        }
        let end = if side == Side::Source { self.source } else { &*self.sink };
        let _held = end.enter().ok()?;
        (end.sleeps() && !self.engine.is_ready(end.fd(), events(side.readiness()))).then_some(side)
    }

    /// See [`super::Transfer::step`].
    pub fn step(&mut self) -> Result<Step> {
        let held = if self.engine.is_held { enter(self.source, self.sink) } else { Ok(None) };
        let result = match held {
            Ok(_held) => self.step_held(),
            Err(lost) => self.pause().and(Err(lost)),
        };
        match result {
            Ok(step @ Step::Moved(_)) => {
                self.engine.elapsed = None;
                Ok(step)
            }
            Ok(Step::Done) if self.source.is_kept() || self.sink.is_kept() => {
                let still = self.still_held();
                self.stopped(still)
            }
            stopped => self.stopped(stopped),
        }
    }

    /// It does not move any more, for now or for ever.
    fn stopped(&mut self, result: Result<Step>) -> Result<Step> {
        self.engine.elapsed = Some(self.engine.started.elapsed());
        result.map_err(|error| error.after(self.engine.moved()))
    }

    /// Over, if both ends are still what they were.
    fn still_held(&mut self) -> Result<Step> {
        self.source.check(&mut self.engine.calls)?;
        self.sink.check(&mut self.engine.calls)?;
        Ok(Step::Done)
    }

    /// One step, while both ends are held.
    #[inline]
    fn step_held(&mut self) -> Result<Step> {
        let advanced = self.advance();
        let settled = match &advanced {
            _ if !self.engine.progress.is_unsettled => Ok(()),
            Ok(Step::Done | Step::Completing) => self.settle(true),
            // Not refused: it waits.
            Ok(Step::Blocked(_)) if self.sink.is_without_name() => self.settle(true),
            _ => self.settle(false),
        };
        let step = advanced.and_then(|step| settled.map(|()| step)).and_then(|step| self.keep_cache(step));
        let step = step.and_then(|step| self.sync_position().map(|()| step));
        step.inspect_err(|_| {
            self.collect();
            // The first error is the one to be told.
            let _ = self.settle(false).and_then(|()| self.sync_position());
        })
    }

    /// Counts what is still at work, for a count that may be the last one; see [`Mover::collect`].
    fn collect(&mut self) {
        let (mover, mut route) = self.route();
        mover.collect(&mut route);
    }

    /// The caller may stop here: everything is counted and the source's position is what has been delivered.
    ///
    /// An end that is lost is left alone.
    pub fn pause(&mut self) -> Result<()> {
        let held = self.sink.enter();
        self.engine.progress.sink_lost = held.is_err();
        self.collect();
        let settled = if held.is_ok() { self.settle(false) } else { Ok(()) };
        drop(held);
        settled?;
        self.source.enter().map_or(Ok(()), |_held| self.sync_position())
    }

    fn advance(&mut self) -> Result<Step> {
        self.engine.progress.cut_short = false;
        loop {
            if self.is_carrying() {
                return self.deliver_carried();
            }
            if self.engine.remaining() > 0
                && let Some(error) = self.engine.deferred_error.take()
            {
                return Err(self.locate(error));
            }
            let stream = self.source.known().kind.is_stream() || self.sink.known().kind.is_stream();
            let most = match self.engine.mechanism {
                // Takes the same time for any length, and what is cloned at once is of one moment.
                Mechanism::Reflink => u64::MAX,
                _ => self.request.piece.unwrap_or(if stream { STREAM_STEP } else { FILE_STEP }),
            };
            let limit = self.engine.remaining().min(most).min(self.engine.pace.most()).min(self.most_at_first());
            let holding = self.engine.mover.held() > 0;
            if !holding && (limit == 0 || (self.is_past_size() && !self.has_grown()?)) {
                return self.finish();
            }
            let limit = self.read_ahead(limit);
            let (mover, mut route) = self.route();
            match mover.advance(&mut route, limit) {
                Ok(Advance::Moved(count)) => return Ok(Step::Moved(count)),
                Ok(Advance::Interrupted) => return Ok(self.interrupted()),
                Ok(Advance::Ended) => return self.finish(),
                Ok(Advance::Blocked(side)) => return Ok(Step::Blocked(side)),
                Err(Stop::Failed(error)) if self.needs_the_room(&error) => self.settle(true)?,
                Err(Stop::Failed(error)) if !self.may_be_a_refusal(&error) => return Err(self.locate(error)),
                Err(Stop::Failed(error) | Stop::Refused(error)) => self.change_mechanism(error)?,
            }
        }
    }

    /// Before the first byte any failure may be this mechanism's alone. If it is not, the plain way says so, and at which end.
    fn may_be_a_refusal(&self, error: &Error) -> bool {
        let plain = self.engine.mechanism == Mechanism::ReadWrite;
        let chosen = self.request.mechanism.is_some();
        let first = self.engine.progress.delivered == 0;
        first && !plain && !chosen && error.errno().is_some_and(|errno| others_may_work(Errno::from_raw(errno)))
    }

    /// Whether bytes go first that no mechanism has.
    fn is_carrying(&self) -> bool {
        self.engine.pending_start < self.engine.pending.len()
    }

    fn interrupted(&mut self) -> Step {
        self.engine.progress.cut_short = true;
        Step::Moved(0)
    }

    /// Everything was moved: over as soon as the kernel is done with it.
    fn finish(&mut self) -> Result<Step> {
        let (mover, mut route) = self.route();
        match mover.finish(&mut route) {
            Ok(true) => Ok(Step::Done),
            Ok(false) => Ok(Step::Completing),
            Err(Stop::Failed(error) | Stop::Refused(error)) => Err(self.locate(error)),
        }
    }

    /// Whether everything that a file had when it was last asked for its size has been taken.
    fn is_past_size(&self) -> bool {
        let size = self.engine.source_size;
        size > 0 && self.engine.progress.source_start.is_some_and(|start| start + self.engine.progress.taken >= size)
    }

    /// Asks for the source's size again. The file itself, not a last empty call, says that this is the end: sendfile(2)
    /// looks for room in a full pipe before it looks whether there is anything to put in.
    fn has_grown(&mut self) -> Result<bool> {
        if self.source.known().kind == Kind::Memory {
            return Ok(false);
        }
        let size = self.engine.calls.size(self.source.fd());
        self.engine.source_size = size.map_err(|errno| self.locate(Error::os("fstat", errno)))?;
        Ok(!self.is_past_size())
    }

    fn route(&mut self) -> (&mut dyn Mover, Route<'_>) {
        let route = Route {
            source_end: self.source,
            sink_end: self.sink,
            progress: &mut self.engine.progress,
            calls: &mut self.engine.calls,
        };
        (self.engine.mover.as_mut(), route)
    }

    /// The mechanism refused: goes on with the next one, or fails with the refusal if there is none.
    fn change_mechanism(&mut self, refusal: Error) -> Result<()> {
        let tried = self.engine.attempts.len() + 1;
        let next = candidate(self.source, self.sink, self.request, tried).filter(|_| self.request.mechanism.is_none());
        let Some(next) = next else { return Err(self.locate(refusal)) };
        self.collect();
        let engine = &mut *self.engine;
        let taken = engine.progress.taken;
        let source_at = engine.progress.source_start.map(|start| start + taken);
        let sink_at = checks::sink_position(&mut engine.calls, self.sink, self.request.sink_offset)?;
        let rest = engine.count.map(|count| count.saturating_sub(taken));
        checks::whole_blocks((self.source, source_at), (self.sink, sink_at), (next, rest), &mut engine.calls)
            .map_err(|_| self.locate(refusal.clone()))?;
        let engine = &mut *self.engine;
        engine.attempts.push(Attempt::of(engine.mechanism, engine.progress.delivered, &refusal));
        engine.pending = engine.take_pending()?;
        engine.pending_start = 0;
        engine.deferred_error = engine.mover.deferred_error();
        engine.mechanism = next;
        engine.mover = next.mover();
        Ok(())
    }

    fn deliver_carried(&mut self) -> Result<Step> {
        let engine = &mut *self.engine;
        let bytes = &engine.pending[engine.pending_start..];
        let (progress, calls) = (&mut engine.progress, &mut engine.calls);
        let mut route = Route { source_end: self.source, sink_end: self.sink, progress, calls };
        match route.put(bytes.into()) {
            Ok(count) if count > 0 => {
                engine.progress.cut_short = count < bytes.len();
                engine.progress.delivered += count as u64;
                engine.pending_start += count;
                Ok(Step::Moved(count as u64))
            }
            Ok(_) => Err(self.locate(Error::os("write", Errno::EIO))),
            Err(Errno::EINTR) => Ok(self.interrupted()),
            Err(Errno::EAGAIN) => Ok(Step::Blocked(Side::Sink)),
            Err(errno) => Err(self.locate(Error::os("write", errno))),
        }
    }

    /// Advances the source's own position to what has been delivered.
    fn sync_position(&mut self) -> Result<()> {
        let engine = &mut *self.engine;
        let delivered = engine.progress.delivered;
        match engine.progress.source_start {
            Some(start) if engine.synced.is_some_and(|synced| synced != delivered) => {
                let moved = engine.calls.seek(self.source.fd(), start + delivered);
                moved.map_err(|errno| Error::os("lseek", errno).at(self.source.path()).after(delivered))?;
                engine.synced = Some(delivered);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Holds both ends, until it is dropped. Boxed: where there is nothing, there is nothing to look through then.
pub(super) fn enter(source: &Endpoint<'_>, sink: &Endpoint<'_>) -> Result<Option<Box<[Entered; 2]>>> {
    Ok(Some(Box::new([source.enter()?, sink.enter()?])))
}
