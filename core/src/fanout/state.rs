//! A fan-out that has begun: the window, the branches, and how far each has come.
//!
//! One invariant holds everywhere: for every live branch, delivered + pending in its lane + (window length − ahead) =
//! taken.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollFlags;

use super::branch::{Branch, Sink};
use super::report::{FanOutReport, FanOutStep};
use super::window::Window;
use crate::checks;
use crate::delivery::may_be_copied;
use crate::endpoint::{Endpoint, Kind};
use crate::error::{Error, Result};
use crate::intake::{Intake, Taken};
use crate::mechanism::Mechanism;
use crate::report::Attempt;
use crate::sys::SyscallCounter;
use crate::sys::fork::Process;
use crate::waiting::is_ready;

#[derive(Debug)]
pub(super) struct State {
    /// Whose it is: a child of fork(2) shares its pipes and the source's position.
    process: Process,
    pub(super) window: Window,
    intake: Intake,
    /// Bytes that had been taken out of the source before the fan-out began, and are not in the window yet.
    before: Vec<u8>,
    pub(super) branches: Vec<Branch>,
    origin: Origin,
    /// Where the source's bytes begin, for a source that has offsets.
    start: Option<u64>,
    /// The source's own position is advanced by what is delivered, and is now there.
    synced: Option<u64>,
    /// Bytes taken out of the source, and those that may still be.
    pub(super) taken: u64,
    remaining: u64,
    pub(super) attempts: Vec<Attempt>,
    pub(super) calls: SyscallCounter,
    waits: u64,
    began: Instant,
    elapsed: Duration,
}

/// What the source said last.
#[derive(Debug)]
enum Origin {
    /// There may be more.
    Open,
    /// There is no more.
    Ended,
    /// It broke, which is told when everything before it is delivered.
    Failed(Error),
}

impl State {
    /// Finds where the bytes begin. Changes nothing yet. `shares`: the sinks may be given the source's own pages.
    pub fn new(
        source: &Endpoint<'_>,
        offset: Option<u64>,
        count: Option<u64>,
        sinks: &[Sink<'_>],
        shares: bool,
    ) -> Result<Self> {
        let mut calls = SyscallCounter::default();
        let facts = source.facts();
        let position = match offset {
            None if facts.kind.is_seekable() => {
                let position = calls.position(source.fd());
                Some(position.map_err(|errno| Error::os("lseek", errno).at(source.path()))?)
            }
            _ => None,
        };
        let start = offset.or(position);
        for sink in sinks {
            let at = checks::sink_position(&mut calls, &sink.end, sink.offset)?;
            checks::whole_blocks((source, start), (&sink.end, at), (Mechanism::Splice, count), &mut calls)?;
        }
        // A size of 0 says nothing (/proc), and a character device cannot be spliced in general: they are read.
        let read = !shares || facts.kind == Kind::CharDevice || (facts.kind == Kind::File && facts.size == 0);
        Ok(Self {
            process: Process::this(),
            window: if read { Window::Buffer(Vec::new()) } else { Window::Pipe(None) },
            intake: Intake::default(),
            before: Vec::new(),
            branches: sinks.iter().map(Branch::to).collect(),
            origin: Origin::Open,
            start,
            synced: position,
            taken: 0,
            // Past the largest offset there is nothing to read, and the kernel would answer EOVERFLOW or EINVAL.
            remaining: count.unwrap_or(u64::MAX).min(start.map_or(u64::MAX, |start| i64::MAX as u64 - start)),
            attempts: Vec::new(),
            calls,
            waits: 0,
            began: Instant::now(),
            elapsed: Duration::ZERO,
        })
    }

    /// Bytes that go before the source's own.
    pub fn carry(&mut self, before: Vec<u8>) {
        self.before = before;
    }

    /// Switches the sinks that are sockets to `O_NONBLOCK`, and opens terminals once more in that mode. The source may be
    /// written to by others in blocking mode meanwhile, and is asked instead.
    pub fn unblock(&mut self, sinks: &mut [Sink<'_>]) -> Result<()> {
        for sink in sinks {
            if sink.end.facts().kind.is_socket() {
                sink.end.unblock(&mut self.calls).map_err(|errno| Error::os("fcntl", errno))?;
            }
            // One that cannot be opened again is written byte by byte.
            let _ = sink.end.open_again_awake(&mut self.calls);
        }
        Ok(())
    }

    /// Switches them back.
    pub fn restore(&mut self, sinks: &mut [Sink<'_>]) {
        for sink in sinks {
            sink.end.block(&mut self.calls);
        }
    }

    /// See [`super::FanOutReport::bytes`].
    pub fn bytes(&self) -> u64 {
        let delivered = |branch: &Branch| branch.lane.delivered;
        let slowest = self.branches.iter().filter(|branch| branch.is_live()).map(delivered).min();
        slowest.or_else(|| self.branches.iter().map(delivered).max()).unwrap_or(0)
    }

    /// Whether the window is empty and the source may have more.
    pub fn wants_source(&self) -> bool {
        self.is_shared_out() && matches!(self.origin, Origin::Open) && self.remaining > 0
    }

    /// The sinks that have something to take.
    pub fn wanting(&self) -> impl Iterator<Item = usize> {
        let memory = self.window.bytes();
        self.branches
            .iter()
            .enumerate()
            .filter(move |(_, branch)| branch.is_live() && branch.has_work(memory))
            .map(|(index, _)| index)
    }

    /// poll(2) was called to wait.
    pub fn waited(&mut self) {
        self.waits += 1;
        self.calls.made += 1;
    }

    /// See [`super::FanOut::step`].
    pub fn step(&mut self, source: &Endpoint<'_>, sinks: &mut [Sink<'_>]) -> Result<FanOutStep> {
        self.process.check()?;
        let result = self.advance(source, sinks);
        let synced = self.sync_position(source);
        self.elapsed = self.began.elapsed();
        let step = result.map_err(|error| error.after(self.bytes()))?;
        synced.map(|()| step)
    }

    fn advance(&mut self, source: &Endpoint<'_>, sinks: &mut [Sink<'_>]) -> Result<FanOutStep> {
        if let Some(error) = self.last_failure() {
            return Err(error);
        }
        let mut busy = self.refill(source)?;
        let mut moved = 0;
        for (index, sink) in sinks.iter_mut().enumerate() {
            if !self.branches[index].is_live() {
                continue;
            }
            match sink.end.enter().and_then(|_held| self.serve(index, sink, &mut moved)) {
                Ok(loaded) => busy |= loaded,
                Err(error) => {
                    busy = true;
                    self.drop_branch(index, error.at(sink.end.path()))?;
                }
            }
        }
        if let Some(error) = self.last_failure() {
            return Err(error);
        }
        if busy || moved > 0 {
            return Ok(FanOutStep::Moved(moved));
        }
        if self.wants_source() || self.wanting().next().is_some() {
            return self.name_new_files(sinks).map(|()| FanOutStep::Blocked);
        }
        match std::mem::replace(&mut self.origin, Origin::Ended) {
            Origin::Failed(error) => Err(error),
            Origin::Open | Origin::Ended => self.confirm(source, sinks).map(|()| FanOutStep::Done),
        }
    }

    /// Everything is delivered: whether the ends are still what they were.
    fn confirm(&mut self, source: &Endpoint<'_>, sinks: &mut [Sink<'_>]) -> Result<()> {
        source.check(&mut self.calls)?;
        for (index, sink) in sinks.iter_mut().enumerate() {
            if !self.branches[index].is_live() {
                continue;
            }
            let settled = self.settle_held(index, sink);
            let confirmed = settled.and_then(|()| sink.end.check(&mut self.calls));
            let branch = &mut self.branches[index];
            branch.error = confirmed.err().map(|error| error.after(branch.lane.delivered));
        }
        self.last_failure().map_or(Ok(()), Err)
    }

    /// Takes a window from the source if the last one is shared out. True if that is worth another step.
    fn refill(&mut self, source: &Endpoint<'_>) -> Result<bool> {
        if !self.wants_source() {
            return Ok(false);
        }
        self.window.discard(self.window.len(), &mut self.calls)?;
        self.branches.iter_mut().filter(|branch| branch.is_live()).for_each(|branch| branch.ahead = 0);
        let at = self.start.map(|start| start + self.taken);
        let filled = if self.before.is_empty() {
            let (intake, calls) = (&mut self.intake, &mut self.calls);
            source.enter().and_then(|_held| {
                // splice(2) would sleep in a socket in blocking mode, whatever its flags say.
                if source.facts().kind.is_socket()
                    && source.sleeps()
                    && !is_ready(source.fd(), PollFlags::POLLIN, calls).unwrap_or(true)
                {
                    return Ok(Taken::Blocked);
                }
                self.window.fill(intake, source, at, self.remaining, calls)
            })
        } else {
            self.window.put(&mut self.before, self.remaining, &mut self.calls)
        };
        match filled {
            Ok(Taken::Bytes(count)) => {
                self.taken += count as u64;
                self.remaining -= count as u64;
                Ok(true)
            }
            Ok(Taken::Blocked) => Ok(false),
            Ok(Taken::Ended) => {
                self.origin = Origin::Ended;
                Ok(true)
            }
            // What is in memory already has no other way.
            Err(error) if may_be_copied(&error) && self.window.bytes().is_none() => {
                self.fall_back(&error).map(|()| true)
            }
            Err(error) => {
                self.origin = Origin::Failed(error.at(source.path()));
                Ok(true)
            }
        }
    }

    /// The error of the sink that came furthest, if none is left.
    pub(super) fn last_failure(&self) -> Option<Error> {
        if self.branches.iter().any(Branch::is_live) {
            return None;
        }
        self.branches.iter().max_by_key(|branch| branch.lane.delivered)?.error.clone()
    }

    /// See [`super::FanOut::take_undelivered`].
    pub fn take_undelivered(&mut self, index: usize) -> Result<Vec<u8>> {
        self.process.check()?;
        self.window.move_to_memory(&mut self.calls)?;
        let branch = &mut self.branches[index];
        let mut bytes = branch.lane.take_pending(&mut self.calls)?;
        let window = self.window.bytes().unwrap_or_default();
        bytes.extend_from_slice(&window[branch.ahead.min(window.len())..]);
        // One that was dropped before is behind everything.
        if branch.ahead < usize::MAX {
            bytes.extend_from_slice(&self.before);
        }
        branch.ahead = usize::MAX;
        if branch.is_live() {
            let error = Error::new(crate::error::ErrorKind::Cancelled, "its bytes were taken back");
            branch.error = Some(error.after(branch.lane.delivered));
        }
        Ok(bytes)
    }

    /// Advances the source's own position to what has been delivered.
    fn sync_position(&mut self, source: &Endpoint<'_>) -> Result<()> {
        let target = self.start.map(|start| start + self.bytes());
        if self.synced.is_none() || self.synced == target {
            return Ok(());
        }
        let to = target.unwrap_or_default();
        // One that is lost is left alone; that it is, is told elsewhere.
        let Ok(_held) = source.enter() else { return Ok(()) };
        let moved = self.calls.seek(source.fd(), to);
        moved.map_err(|errno: Errno| Error::os("lseek", errno).at(source.path()).after(self.bytes()))?;
        self.synced = target;
        Ok(())
    }

    pub fn report(&self, requested: Option<u64>) -> FanOutReport {
        FanOutReport {
            bytes: self.bytes(),
            requested,
            mechanism: self.window.mechanism(),
            attempts: self.attempts.clone(),
            sinks: self.branches.iter().map(Branch::report).collect(),
            system_calls: self.calls.made,
            waits: self.waits,
            elapsed: self.elapsed,
        }
    }
}
