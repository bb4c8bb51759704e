//! The state of a transfer that has begun: which mechanism is at work, how far it has come, and what refused before it.
//!
//! One invariant holds everywhere: `delivered <= taken`, and the difference is in the mover or in `pending`, or can be
//! read again because the source has offsets.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFlags, PollTimeout};

use super::pace::Pace;
use super::small::Begun;
use crate::cache::Cache;
use crate::checks;
use crate::endpoint::{Endpoint, Facts, Kind};
use crate::error::{Error, Result};
use crate::mechanism::Mechanism;
use crate::mechanisms::{Mover, Progress};
use crate::plan;
use crate::report::{Attempt, Copies, Report};
use crate::request::Request;
use crate::sys::fork::Process;
use crate::sys::{SyscallCounter, socket_option};
use crate::waiting::{self, Waited};

pub(super) struct Engine {
    /// Whose it is: a child of fork(2) shares its pipes, positions and rings.
    pub process: Process,
    pub mechanism: Mechanism,
    pub mover: Box<dyn Mover>,
    pub progress: Progress,
    /// Bytes a refused mechanism had taken out of a stream; they go to the sink before anything else.
    pub pending: Vec<u8>,
    pub pending_start: usize,
    /// What the source told a refused mechanism; to be told after what is carried has been delivered.
    pub deferred_error: Option<Error>,
    /// Move at most this many bytes; `None`: to the end.
    pub count: Option<u64>,
    /// The source's size when it was last asked for; 0 if it has none.
    pub source_size: u64,
    /// What was delivered when the source's own position was last moved behind it; `None` if it is to be left alone.
    pub synced: Option<u64>,
    pub cache: Option<Cache>,
    /// What one step may move into a sink that holds the thread.
    pub pace: Pace,
    /// Whether an end has a hold: most have none, and a few kilobytes are over in no time.
    pub is_held: bool,
    pub attempts: Vec<Attempt>,
    pub calls: SyscallCounter,
    waits: u64,
    pub started: Instant,
    /// How long it has taken until it stopped moving; `None` while it moves.
    pub elapsed: Option<Duration>,
}

impl Engine {
    /// Finds where the bytes begin on both sides and picks the first mechanism. Changes nothing yet.
    #[inline] // Where it is kept: for a few kilobytes it matters how often it is moved.
    pub fn new(source: &Endpoint<'_>, sink: &Endpoint<'_>, request: &Request, is_held: bool) -> Result<Self> {
        let mut calls = SyscallCounter::default();
        let seekable = source.known().kind.is_seekable();
        let source_start = match request.offset {
            None if seekable => Some(position(&mut calls, source)?),
            None if source.known().kind == Kind::Memory => Some(0),
            given => given,
        };
        let count = bounded_count(&mut calls, source, sink, source_start, request)?;
        let (from, to) = ((source.known(), source_start), (sink.known(), request.sink_offset, sink.descriptor()));
        // Memory has no position of its own.
        let sink_start = request.sink_offset.or((sink.known().kind == Kind::Memory).then_some(0));
        let cache = Cache::new(request.cache, from, to, &mut calls)?;
        let mechanism = request.mechanism.or_else(|| candidate(source, sink, request, 0));
        let mechanism = mechanism.expect("read_write is always possible");
        if source.known().direct || sink.known().direct {
            let sink_start = checks::sink_position(&mut calls, sink, request.sink_offset)?;
            checks::whole_blocks((source, source_start), (sink, sink_start), (mechanism, count), &mut calls)?;
        }
        Ok(Self {
            process: Process::this(),
            mechanism,
            mover: mechanism.mover(),
            progress: Progress { source_start, sink_start, most: count, ..Progress::default() },
            pending: Vec::new(),
            pending_start: 0,
            deferred_error: None,
            count,
            source_size: source.known().size,
            synced: (seekable && request.offset.is_none()).then_some(0),
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
    pub fn resume(&mut self, begun: &Begun) {
        self.progress.taken += begun.moved;
        self.progress.delivered += begun.moved;
        self.calls.made += begun.system_calls;
        // The source's own position is behind those bytes already.
        if let (Some(synced), Some(start)) = (&mut self.synced, &mut self.progress.source_start) {
            (*synced, *start) = (begun.moved, *start - begun.moved.min(*start));
        }
    }

    /// Bytes that left the source before this transfer and go first; what is more than the count stays where it is.
    pub fn carry(&mut self, bytes: &mut Vec<u8>) {
        let most = usize::try_from(self.remaining()).unwrap_or(usize::MAX).min(bytes.len());
        let surplus = bytes.split_off(most);
        self.progress.taken += most as u64;
        self.pending = std::mem::replace(bytes, surplus);
    }

    /// Bytes delivered so far.
    pub fn moved(&self) -> u64 {
        self.progress.delivered
    }

    /// Whether the last delivery was shorter than it was asked to be.
    pub fn cut_short(&self) -> bool {
        self.progress.cut_short
    }

    /// Whether the descriptor is ready; asked without waiting.
    pub fn is_ready(&mut self, fd: BorrowedFd<'_>, events: PollFlags) -> bool {
        waiting::is_ready(fd, events, &mut self.calls).unwrap_or(false)
    }

    /// Waits until the descriptor is ready.
    pub fn wait(&mut self, fd: BorrowedFd<'_>, events: PollFlags, timeout: PollTimeout) -> nix::Result<Waited> {
        self.waits += 1;
        match waiting::wait(fd, events, timeout, &mut self.calls)? {
            // An end in blocking mode would sleep in its call, with nobody to ask.
            Waited::Error => waiting::own_error(fd, &mut self.calls).map(|()| Waited::Nothing),
            waited => Ok(waited),
        }
    }

    /// Whether an end is a socket that others connect to. poll(2) calls it not ready until somebody does, where a read or
    /// write would say what is wrong.
    pub fn is_listening(&mut self, end: &Endpoint<'_>) -> bool {
        if !end.known().kind.is_socket() {
            return false;
        }
        self.calls.made += 1;
        socket_option(end.fd(), libc::SO_ACCEPTCONN) == Ok(1)
    }

    /// The bytes that were taken in order to be delivered.
    pub fn take_pending(&mut self) -> Result<Vec<u8>> {
        let mut bytes = self.pending.split_off(self.pending_start);
        self.pending_start = self.pending.len();
        let held = self.mover.take_pending(&mut self.calls)?;
        if self.progress.source_start.is_some() {
            self.progress.taken = self.progress.delivered;
            return Ok(Vec::new());
        }
        bytes.extend(held);
        Ok(bytes)
    }

    pub fn is_holding(&self) -> bool {
        self.pending_start < self.pending.len() || self.mover.held() > 0
    }

    /// Bytes that may still be taken out of the source.
    pub fn remaining(&self) -> u64 {
        // Past the largest offset there is nothing to read, and the kernel would answer EOVERFLOW or EINVAL.
        let room = self.progress.source_start.map_or(u64::MAX, |start| i64::MAX as u64 - start);
        self.count.unwrap_or(u64::MAX).min(room).saturating_sub(self.progress.taken)
    }
}

impl Engine {
    #[inline]
    pub fn report(&self, source: &Endpoint<'_>, sink: &Endpoint<'_>, request: &Request) -> Report {
        Report {
            bytes: self.progress.delivered,
            requested: request.most(sink),
            mechanism: self.mechanism,
            automatic: request.mechanism.is_none(),
            attempts: self.attempts.clone(),
            system_calls: self.calls.made,
            waits: self.waits,
            copies: self.verdict(source.known(), sink.known()),
            encryption: sink.known().encryption,
            mapped: self.mover.mapped(),
            elapsed: self.elapsed.unwrap_or_else(|| self.started.elapsed()),
        }
    }

    /// What the kernel said about copies, or else what follows from the mechanism.
    pub fn verdict(&self, source: &Facts, sink: &Facts) -> Copies {
        let copies = self.mover.verdict().unwrap_or_else(|| self.mechanism.copies(source.kind, sink.kind));
        sink.encryption.copies(copies)
    }
}

/// The mechanism that the plan puts at that place.
#[inline]
pub(super) fn candidate(
    source: &Endpoint<'_>,
    sink: &Endpoint<'_>,
    request: &Request,
    place: usize,
) -> Option<Mechanism> {
    plan::candidates(source.known(), sink.known(), request.demand()).nth(place)
}

fn position(calls: &mut SyscallCounter, end: &Endpoint<'_>) -> Result<u64> {
    calls.position(end.fd()).map_err(|errno| Error::os("lseek", errno).at(end.path()))
}

/// The caller's count, or what a sink that is memory has room for, or what keeps a transfer inside one file from reading its own
/// output.
#[inline] // Between most ends there is nothing to bound.
fn bounded_count(
    calls: &mut SyscallCounter,
    source: &Endpoint<'_>,
    sink: &Endpoint<'_>,
    source_start: Option<u64>,
    request: &Request,
) -> Result<Option<u64>> {
    let (from, to) = (source.known(), sink.known());
    if let (Some(start), Kind::Memory) = (source_start, to.kind) {
        let is_device = from.kind == Kind::BlockDevice && from.identity == to.identity;
        let size = if is_device { device_size(calls, source)? } else { from.size };
        let count = request.most(sink);
        checks::overlap_in_memory((source, start.min(size)), (sink, request.sink_offset.unwrap_or(0)), size, count)?;
        return Ok(count);
    }
    let (Some(start), true) = (source_start, from.identity == to.identity && from.kind.is_seekable()) else {
        return Ok(request.most(sink));
    };
    let size = if from.kind == Kind::BlockDevice { device_size(calls, source)? } else { from.size };
    let sink_start = match request.sink_offset {
        Some(offset) => offset,
        None if to.append => to.size,
        None => position(calls, sink)?,
    };
    checks::overlap(start, sink_start, size, request.count).map(Some)
}

fn device_size(calls: &mut SyscallCounter, end: &Endpoint<'_>) -> Result<u64> {
    calls.made += 1;
    crate::sys::files::device_size(end.fd()).map_err(|errno| Error::os("ioctl", errno).at(end.path()))
}
