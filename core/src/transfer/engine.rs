//! The state of a transfer that has begun: which mechanism is at work, how far it has come, and what refused before it.
//!
//! One invariant holds everywhere: `delivered <= taken`, and the difference is in the mover or in `carried`, or can be
//! read again because the source has offsets.

mod blame;
mod caching;

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFlags, PollTimeout};

use super::{Begun, Pace, Request, Side, Step, checks, descriptor};
use crate::cache::Cache;
use crate::endpoint::{Endpoint, Entered, Kind};
use crate::error::{Error, Result, others_may_work};
use crate::mechanism::Mechanism;
use crate::mechanisms::{Advance, Mover, Progress, Route, Stop, mover};
use crate::plan;
use crate::report::{Attempt, Copies, Report};
use crate::sys::fork::Process;
use crate::sys::{Calls, socket_option};
use crate::waiting::{self, Waited};

/// The most one step moves between files; bounds the time between two calls of a watcher.
pub(super) const FILE_STEP: u64 = 64 << 20;
/// … and when an end is a stream: an end in blocking mode holds the thread for as long as this takes.
const STREAM_STEP: u64 = 16 << 20;

pub(super) struct Engine {
    /// Whose it is: a child of fork(2) shares its pipes, positions and rings.
    pub process: Process,
    mechanism: Mechanism,
    mover: Box<dyn Mover>,
    progress: Progress,
    /// Bytes a refused mechanism had taken out of a stream; they go to the sink before anything else.
    carried: Vec<u8>,
    carried_start: usize,
    /// What the source told a refused mechanism; to be told after what is carried has been delivered.
    unspoken: Option<Error>,
    /// Move at most this many bytes; `None`: to the end.
    count: Option<u64>,
    /// The source's size when it was last asked for; 0 if it has none.
    source_size: u64,
    /// What was delivered when the source's own position was last moved behind it; `None` if it is to be left alone.
    settled: Option<u64>,
    cache: Option<Cache>,
    /// What one step may move into a sink that holds the thread.
    pub pace: Pace,
    /// Whether an end has a hold: most have none, and a few kilobytes are over in no time.
    is_held: bool,
    attempts: Vec<Attempt>,
    calls: Calls,
    waits: u64,
    started: Instant,
    /// How long it has taken until it stopped moving; `None` while it moves.
    elapsed: Option<Duration>,
}

/// A transfer's engine together with what it works on.
pub(super) struct Running<'a, 'fd> {
    pub source: &'a Endpoint<'fd>,
    pub sink: &'a Endpoint<'fd>,
    pub request: &'a Request,
    pub engine: &'a mut Engine,
}

impl Engine {
    /// Finds where the bytes begin on both sides and picks the first mechanism. Changes nothing yet.
    #[inline] // Where it is kept: for a few kilobytes it matters how often it is moved.
    pub fn new(source: &Endpoint<'_>, sink: &Endpoint<'_>, request: &Request, is_held: bool) -> Result<Self> {
        let mut calls = Calls::default();
        let seekable = source.facts().kind.is_seekable();
        let source_start = match request.offset {
            None if seekable => Some(position(&mut calls, source)?),
            None if source.facts().kind == Kind::Memory => Some(0),
            given => given,
        };
        let count = bounded_count(&mut calls, source, sink, source_start, request)?;
        let (from, to) = ((source.facts(), source_start), (sink.facts(), request.sink_offset, descriptor(sink)));
        let cache = Cache::new(request.cache, from, to, &mut calls)?;
        let mechanism = request.mechanism.or_else(|| candidate(source, sink, request, 0));
        let mechanism = mechanism.expect("read_write is always possible");
        if source.facts().direct || sink.facts().direct {
            let sink_start = checks::sink_position(&mut calls, sink, request.sink_offset)?;
            checks::whole_blocks((source, source_start), (sink, sink_start), (mechanism, count), &mut calls)?;
        }
        Ok(Self {
            process: Process::this(),
            mechanism,
            mover: mover(mechanism),
            progress: Progress { source_start, sink_start: request.sink_offset, ..Progress::default() },
            carried: Vec::new(),
            carried_start: 0,
            unspoken: None,
            count,
            source_size: source.facts().size,
            settled: (seekable && request.offset.is_none()).then_some(0),
            cache,
            pace: Pace::default(),
            is_held,
            attempts: Vec::new(),
            calls,
            waits: 0,
            started: Instant::now(),
            elapsed: None,
        })
    }

    /// Goes on where an attempt has stopped.
    pub fn resume(&mut self, begun: Begun) {
        self.progress.taken += begun.moved;
        self.progress.delivered += begun.moved;
        self.calls.made += begun.system_calls;
        // The source's own position is behind those bytes already.
        if let (Some(settled), Some(start)) = (&mut self.settled, &mut self.progress.source_start) {
            (*settled, *start) = (begun.moved, *start - begun.moved.min(*start));
        }
    }

    /// Bytes that left the source before this transfer and go first; what is more than the count stays where it is.
    pub fn carry(&mut self, bytes: &mut Vec<u8>) {
        let most = usize::try_from(self.remaining()).unwrap_or(usize::MAX).min(bytes.len());
        let surplus = bytes.split_off(most);
        self.progress.taken += most as u64;
        self.carried = std::mem::replace(bytes, surplus);
    }

    /// Bytes delivered so far.
    pub fn moved(&self) -> u64 {
        self.progress.delivered
    }

    /// Whether the last delivery was shorter than it was asked to be.
    pub fn cut_short(&self) -> bool {
        self.progress.cut_short
    }

    /// Waits until the descriptor is ready; false when that has to be asked again, usually because the time ran out.
    pub fn wait(&mut self, fd: BorrowedFd<'_>, events: PollFlags, timeout: PollTimeout) -> nix::Result<bool> {
        self.waits += 1;
        match waiting::wait(fd, events, timeout, &mut self.calls)? {
            Waited::Ready => Ok(true),
            Waited::Nothing | Waited::Signal => Ok(false),
            // An end in blocking mode would sleep in its call, with nobody to ask.
            Waited::Error => waiting::own_error(fd, &mut self.calls).map(|()| false),
        }
    }

    /// Whether an end is a socket that others connect to. poll(2) calls it not ready until somebody does, where a read or
    /// write would say what is wrong.
    pub fn is_listening(&mut self, end: &Endpoint<'_>) -> bool {
        if !end.facts().kind.is_socket() {
            return false;
        }
        self.calls.made += 1;
        socket_option(descriptor(end), libc::SO_ACCEPTCONN) == Ok(1)
    }

    /// The bytes that were taken in order to be delivered.
    pub fn surrender(&mut self) -> Result<Vec<u8>> {
        let mut bytes = self.carried.split_off(self.carried_start);
        self.carried_start = self.carried.len();
        let held = self.mover.surrender(&mut self.calls)?;
        if self.progress.source_start.is_some() {
            self.progress.taken = self.progress.delivered;
            return Ok(Vec::new());
        }
        bytes.extend(held);
        Ok(bytes)
    }

    fn is_holding(&self) -> bool {
        self.carried_start < self.carried.len() || self.mover.held() > 0
    }

    /// Bytes that may still be taken out of the source.
    fn remaining(&self) -> u64 {
        // Past the largest offset there is nothing to read, and the kernel would answer EOVERFLOW or EINVAL.
        let room = self.progress.source_start.map_or(u64::MAX, |start| i64::MAX as u64 - start);
        self.count.unwrap_or(u64::MAX).min(room).saturating_sub(self.progress.taken)
    }
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

    /// See [`super::Transfer::step`].
    pub fn step(&mut self) -> Result<Step> {
        let held = if self.engine.is_held { enter(self.source, self.sink) } else { Ok(None) };
        let result = match held {
            Ok(_held) => self.step_held(),
            Err(lost) => self.pause().and(Err(lost)),
        };
        let result = match result {
            Ok(Step::Done) if self.source.is_kept() || self.sink.is_kept() => self.still_held(),
            result => result,
        };
        let moving = matches!(result, Ok(Step::Moved(_)));
        self.engine.elapsed = (!moving).then(|| self.engine.started.elapsed());
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
        let result = self.advance().and_then(|step| self.keep_cache(step));
        if result.is_err() {
            self.collect();
        }
        let settled = self.settle();
        let step = result?;
        settled.map(|()| step)
    }

    #[inline]
    pub fn report(&self) -> Report {
        self.engine.report(self.source, self.sink, self.request)
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
        drop(held);
        self.source.enter().map_or(Ok(()), |_held| self.settle())
    }

    fn advance(&mut self) -> Result<Step> {
        self.engine.progress.cut_short = false;
        loop {
            if self.engine.carried_start < self.engine.carried.len() {
                return self.deliver_carried();
            }
            if self.engine.remaining() > 0
                && let Some(error) = self.engine.unspoken.take()
            {
                return Err(self.locate(error));
            }
            let stream = self.source.facts().kind.is_stream() || self.sink.facts().kind.is_stream();
            let most = match self.engine.mechanism {
                // Takes the same time for any length, and what is cloned at once is of one moment.
                Mechanism::Reflink => u64::MAX,
                _ => self.request.piece.unwrap_or(if stream { STREAM_STEP } else { FILE_STEP }),
            };
            let limit = self.engine.remaining().min(most).min(self.engine.pace.most());
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
        if self.source.facts().kind == Kind::Memory {
            return Ok(false);
        }
        let size = self.engine.calls.size(descriptor(self.source));
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
        engine.carried = engine.surrender()?;
        engine.carried_start = 0;
        engine.unspoken = engine.mover.unspoken();
        engine.mechanism = next;
        engine.mover = mover(next);
        Ok(())
    }

    fn deliver_carried(&mut self) -> Result<Step> {
        let engine = &mut *self.engine;
        let at = engine.progress.sink_start.map(|start| start + engine.progress.delivered);
        let bytes = &engine.carried[engine.carried_start..];
        match engine.calls.write(descriptor(self.sink), at, bytes) {
            Ok(count) if count > 0 => {
                engine.progress.cut_short = count < bytes.len();
                engine.progress.delivered += count as u64;
                engine.carried_start += count;
                Ok(Step::Moved(count as u64))
            }
            Ok(_) => Err(self.locate(Error::os("write", Errno::EIO))),
            Err(Errno::EINTR) => Ok(self.interrupted()),
            Err(Errno::EAGAIN) => Ok(Step::Blocked(Side::Sink)),
            Err(errno) => Err(self.locate(Error::os("write", errno))),
        }
    }

    /// Advances the source's own position to what has been delivered.
    fn settle(&mut self) -> Result<()> {
        let engine = &mut *self.engine;
        let delivered = engine.progress.delivered;
        match engine.progress.source_start {
            Some(start) if engine.settled.is_some_and(|settled| settled != delivered) => {
                let moved = engine.calls.seek(descriptor(self.source), start + delivered);
                moved.map_err(|errno| Error::os("lseek", errno).at(self.source.path()).after(delivered))?;
                engine.settled = Some(delivered);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Engine {
    #[inline]
    pub fn report(&self, source: &Endpoint<'_>, sink: &Endpoint<'_>, request: &Request) -> Report {
        Report {
            bytes: self.progress.delivered,
            requested: request.count,
            mechanism: self.mechanism,
            automatic: request.mechanism.is_none(),
            attempts: self.attempts.clone(),
            system_calls: self.calls.made,
            waits: self.waits,
            copies: self.verdict(source.facts().kind, sink.facts().kind),
            elapsed: self.elapsed.unwrap_or_else(|| self.started.elapsed()),
        }
    }

    /// What the kernel said about copies, or else what follows from the mechanism.
    fn verdict(&self, source: Kind, sink: Kind) -> Copies {
        self.mover.verdict().unwrap_or_else(|| Copies::by_model(self.mechanism, source, sink))
    }
}

/// Holds both ends, until it is dropped. Boxed: where there is nothing, there is nothing to look through then.
pub(super) fn enter(source: &Endpoint<'_>, sink: &Endpoint<'_>) -> Result<Option<Box<[Entered; 2]>>> {
    Ok(Some(Box::new([source.enter()?, sink.enter()?])))
}

/// The mechanism that the plan puts at that place.
#[inline]
fn candidate(source: &Endpoint<'_>, sink: &Endpoint<'_>, request: &Request, place: usize) -> Option<Mechanism> {
    plan::candidates(source.facts(), sink.facts(), request.demand()).nth(place)
}

fn position(calls: &mut Calls, end: &Endpoint<'_>) -> Result<u64> {
    calls.position(descriptor(end)).map_err(|errno| Error::os("lseek", errno).at(end.path()))
}

/// The caller's count, or what keeps a transfer inside one file from reading its own output.
#[inline] // Between most ends there is nothing to bound.
fn bounded_count(
    calls: &mut Calls,
    source: &Endpoint<'_>,
    sink: &Endpoint<'_>,
    source_start: Option<u64>,
    request: &Request,
) -> Result<Option<u64>> {
    let (from, to) = (source.facts(), sink.facts());
    let (Some(start), true) = (source_start, from.identity == to.identity && from.kind.is_seekable()) else {
        return Ok(request.count);
    };
    let size = if from.kind == Kind::BlockDevice { device_size(calls, source)? } else { from.size };
    let sink_start = match request.sink_offset {
        Some(offset) => offset,
        None if to.append => to.size,
        None => position(calls, sink)?,
    };
    checks::overlap(start, sink_start, size, request.count).map(Some)
}

fn device_size(calls: &mut Calls, end: &Endpoint<'_>) -> Result<u64> {
    calls.made += 1;
    crate::sys::files::device_size(descriptor(end)).map_err(|errno| Error::os("ioctl", errno).at(end.path()))
}
