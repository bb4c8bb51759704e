//! `io_uring(7)`: reads and writes given to the kernel many at a time, out of and into registered buffers.
//!
//! From a file several reads at consecutive offsets are in flight at once, and writes go out as a chain in which each one
//! waits for the one before: a write that is cut short ends the chain, so that nothing is ever written behind a gap. To a
//! TCP socket the buffers are sent by reference (`SEND_ZC`), and the kernel says afterwards whether it copied them.
//!
//! The bytes take the way of read and write, through user space: from a cached file to TCP over loopback it has 0.77 × the
//! throughput of sendfile (median of 15 pairs). So the plan never chooses it, and it is here to be named and for [`crate::batch`].
//!
//! Between two steps only reads of a file may be in flight. Whatever could wait for a peer is over, or cancelled, when a
//! step returns: what it took is in a buffer and counted.

mod delivery;
pub(crate) mod filling;
mod gather;
mod memory;
pub(crate) mod operations;
pub(crate) mod record;
pub(crate) mod ring;
mod setup;
mod verdict;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::ops::Range;

use nix::errno::Errno;

use super::{Advance, Definition, Mover, Route, Stop, mechanism};
use crate::copies::Copies;
use crate::demand::Demand;
use crate::encryption::Encryption;
use crate::endpoint::{Facts, Kind};
use crate::error::Error;
use crate::probe::Probe;
use crate::step::Side;
use crate::sys::{Sys, SyscallCounter};
use operations::{Op, Target, Then};
use record::Answer;
use ring::{OnSignal, Ring};
use setup::{MMAP, REGISTER};
use verdict::Verdict;

mechanism! {
    /// `io_uring(7)`: reads and writes in flight many at a time, to TCP by reference. Never chosen automatically.
    Uring = "uring",
    proven on FileToTcp, FileToTcpGather, FileToTcpNoGather, FileToFile, TcpToFile, TcpToTcp, MemoryToTcp;
}

/// From a file: so many slots of so many bytes, 1 MiB in all. Half of them can be written while the others are read.
const FILE_SLOTS: (usize, usize) = (8, 128 << 10);
/// From a stream there is one read at a time; the other slots are for sends that the kernel has not let go of yet.
const STREAM_SLOTS: (usize, usize) = (4, 256 << 10);

/// Tags: what an operation does, beside the slot that it does it with.
const READ: u64 = 0;
const WRITE: u64 = 1 << 32;

#[derive(Default)]
pub(super) struct Uring {
    ring: Option<Ring>,
    slots: usize,
    slot_size: usize,
    /// Pieces of the source in its order: read, or being read. The first one is the next to be delivered.
    queue: VecDeque<Piece>,
    /// Whether pieces that were read have left the source for good.
    stream: bool,
    verdict: Verdict,
}

/// A slot's worth of the source.
#[derive(Debug)]
struct Piece {
    slot: usize,
    /// Where its first byte was in a source that has offsets.
    offset: u64,
    /// What the read was asked for.
    asked: usize,
    /// What it said.
    read: Option<Result<usize, Errno>>,
    /// Bytes of it that have been delivered.
    start: usize,
}

impl Piece {
    /// What is there to be delivered.
    fn range(&self) -> Range<usize> {
        self.start..self.read.and_then(Result::ok).unwrap_or(self.start)
    }

    /// The offset behind the last byte, if it has been read.
    fn end(&self) -> Option<u64> {
        self.read?.ok().filter(|&count| count > 0).map(|count| self.offset + count as u64)
    }
}

impl Definition for Uring {
    const PROBE: Probe = Probe::since(6, 0).here(|| Ok(ask())).forbidden_by(disabled);

    fn impossible(_source: &Facts, sink: &Facts, _demand: Demand) -> Option<&'static str> {
        match sink.kind {
            Kind::Memory => {
                Some("its reads may outlast a step, and the memory is the caller's: read_write needs no buffer either")
            }
            // EOPNOTSUPP of MSG_WAITALL, which a chain of operations needs.
            _ if sink.encryption != Encryption::None => Some("a socket with TLS in the kernel does not take its sends"),
            _ => None,
        }
    }

    fn copies(source: Kind, sink: Kind) -> Option<u8> {
        match (source, sink) {
            // By reference; whether the kernel copied, its notification says.
            (_, Kind::Tcp) => None,
            (Kind::Memory, _) => Some(1),
            _ => Some(2),
        }
    }
}

/// The smallest ring there is: a kernel has had `io_uring` since 5.1, and all that a [`Ring`] needs since 6.0. Without slots: that
/// there is no room for locked memory at this moment is no answer for the life of the process.
fn ask() -> Sys<()> {
    Ring::without_slots(1).map(drop).map_err(|(_, errno)| errno)
}

/// `kernel.io_uring_disabled`: 0 (or absent) for all, 1 for the privileged, 2 for nobody. With a filter as well as 1, the
/// filter is as likely.
fn disabled(errno: Errno, filtered: bool) -> Option<String> {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    let disabled = disabled.trim();
    let forbids = errno == Errno::EPERM && (disabled == "2" || (disabled == "1" && !filtered));
    forbids.then(|| format!("kernel.io_uring_disabled is {disabled}"))
}

impl Mover for Uring {
    fn advance(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        let at = route.source_at();
        self.stream = at.is_none();
        if self.ring.is_none() {
            (self.slots, self.slot_size) = if self.stream { STREAM_SLOTS } else { FILE_SLOTS };
            // Memory is sent from where it is: the smallest ring will do.
            let (slots, size) =
                if route.source_end.memory().is_some() { (1, 4096) } else { (self.slots, self.slot_size) };
            let ring = Ring::new(route.calls, slots, size, 0);
            self.ring = Some(ring.map_err(|(operation, errno)| Stop::sort(operation, errno, refusal(operation)))?);
        }
        self.reap();
        match (route.source_end.memory(), at) {
            (Some(memory), Some(at)) => self.advance_memory(memory, at, route, limit),
            (_, Some(at)) => self.advance_file(at, route, limit),
            (_, None) => self.advance_stream(route, limit),
        }
    }

    fn verdict(&self) -> Option<Copies> {
        self.verdict.copies()
    }

    fn held(&self) -> usize {
        if self.stream { self.queue.iter().map(|piece| piece.range().len()).sum() } else { 0 }
    }

    fn take_pending(&mut self, _calls: &mut SyscallCounter) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        if let (true, Some(ring)) = (self.stream, &self.ring) {
            for piece in &self.queue {
                bytes.extend_from_slice(ring.slot(piece.slot, piece.range()));
            }
        }
        self.queue.clear();
        Ok(bytes)
    }
}

impl Uring {
    fn ring(&mut self) -> &mut Ring {
        self.ring.as_mut().expect("made by the first advance")
    }

    /// Notes the completions that are there.
    fn reap(&mut self) {
        while let Some(completion) = self.ring().next() {
            match completion.answer {
                Answer::Released { copied } => self.verdict.released(copied),
                // A read that was given up has no piece any more.
                Answer::Done(result) => {
                    let of = |piece: &&mut Piece| piece.slot as u64 | READ == completion.tag && piece.read.is_none();
                    if let Some(piece) = self.queue.iter_mut().find(of) {
                        piece.read = Some(result);
                    }
                }
            }
        }
    }

    fn idle_slot(&self) -> Option<usize> {
        let ring = self.ring.as_ref()?;
        (0..self.slots).find(|&slot| ring.is_idle(slot) && self.queue.iter().all(|piece| piece.slot != slot))
    }

    fn read(&mut self, route: &Route<'_>, slot: usize, at: Option<u64>, asked: usize) {
        let (file, nowait) = (Target::Descriptor(route.source()), never_waits(route.source_facts()));
        let op = Op { file, at, nowait, then: Then::Any, tag: READ | slot as u64 };
        self.ring().read(op, slot, asked);
        self.queue.push_back(Piece { slot, offset: at.unwrap_or(0), asked, read: None, start: 0 });
    }

    fn advance_file(&mut self, at: u64, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        loop {
            self.drop_what_does_not_follow(at);
            self.read_ahead(at, route, limit);
            let ready = self.queue.iter().take_while(|piece| piece.end().is_some()).count();
            if ready > 0 {
                return self.deliver(route, ready.min(self.slots / 2));
            }
            match self.queue.front().and_then(|piece| piece.read) {
                None => match self.ring().enter(route.calls, 1) {
                    Ok(true) => self.reap(),
                    Ok(false) => return Ok(Advance::Moved(0)),
                    Err(errno) => return Err(Stop::sort("io_uring_enter", errno, refusal("io_uring_enter"))),
                },
                Some(result) => {
                    self.queue.clear();
                    return ended(result);
                }
            }
        }
    }

    /// Forgets pieces from the first one on that does not continue the one before it: a read was short, or the bytes were
    /// delivered in another way.
    fn drop_what_does_not_follow(&mut self, at: u64) {
        let mut expected = Some(at);
        let follows = |piece: &Piece| {
            let follows = expected.is_none_or(|expected| piece.offset + piece.start as u64 == expected);
            // Behind a read that is in flight, or that is the end, nothing is known yet.
            expected = piece.end();
            follows
        };
        let kept = self.queue.iter().map(follows).take_while(|&follows| follows).count();
        self.queue.truncate(kept);
    }

    /// Begins reads up to the limit, as far as there are slots; behind the file's known end only one at a time.
    fn read_ahead(&mut self, at: u64, route: &Route<'_>, limit: u64) {
        let mut next = self.queue.back().map_or(at, |piece| piece.end().unwrap_or(piece.offset + piece.asked as u64));
        let end = at + limit;
        while next < end && (next < route.source_facts().size || self.queue.is_empty()) {
            let Some(slot) = self.idle_slot() else { return };
            let asked = (end - next).min(self.slot_size as u64);
            self.read(route, slot, Some(next), asked as usize);
            next += asked;
        }
    }

    fn advance_stream(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        if self.queue.is_empty() {
            let slot = self.idle_slot().expect("sends keep half of the slots at most");
            self.read(route, slot, None, limit.min(self.slot_size as u64) as usize);
            let answer = self.ring().answer(route.calls, READ | slot as u64, OnSignal::Cancel);
            match answer {
                Ok(count) if count > 0 => {
                    route.took(count);
                    self.queue[0].read = Some(answer);
                }
                other => {
                    self.queue.clear();
                    return self.unless_broken(ended(other));
                }
            }
            self.reap();
        }
        self.deliver(route, 1)
    }

    /// A ring that takes nothing more is the reason for whatever else was met.
    fn unless_broken(&self, result: Result<Advance, Stop>) -> Result<Advance, Stop> {
        match self.ring.as_ref().and_then(Ring::broken) {
            Some(errno) => Err(Stop::sort("io_uring_enter", errno, refusal("io_uring_enter"))),
            None => result,
        }
    }
}

/// What a read says that brought nothing.
fn ended(result: Result<usize, Errno>) -> Result<Advance, Stop> {
    match result {
        Ok(_) => Ok(Advance::Ended),
        // A signal, or the thread that began the read is gone: it is begun again.
        Err(Errno::EINTR | Errno::ECANCELED) => Ok(Advance::Interrupted),
        Err(Errno::EAGAIN) => Ok(Advance::Blocked(Side::Source)),
        Err(errno) => Err(Stop::sort("read", errno, cannot_leave)),
    }
}

/// Whether an operation must not wait for this end. Files and disks are always waited for.
fn never_waits(end: &Facts) -> bool {
    end.nonblocking && !end.kind.is_seekable()
}

fn cannot_leave(errno: Errno) -> Option<&'static str> {
    match errno {
        // `RWF_NOWAIT` is not known to pipes before Linux 6.4, and to some devices not at all.
        Errno::EOPNOTSUPP => Some("here an operation on a non-blocking end would wait"),
        _ => None,
    }
}

/// What that operation's no means: which limit it is that stands in the way.
pub(crate) fn refusal(operation: &'static str) -> impl Fn(Errno) -> Option<&'static str> {
    move |errno| match (errno, operation) {
        (Errno::ENOSYS, _) => Some("the kernel has no io_uring, or a filter hides it"),
        (Errno::EPERM, _) => Some("io_uring is forbidden here, by a filter or by kernel.io_uring_disabled"),
        (Errno::EACCES, _) => Some("io_uring is forbidden here by a security module"),
        (Errno::ENOMEM, MMAP) => Some("no room for its memory in the address space (RLIMIT_AS)"),
        (Errno::ENOMEM, REGISTER) => Some("its buffers are more than may be locked (RLIMIT_MEMLOCK)"),
        (Errno::ENOMEM, _) => {
            Some("no memory for a ring, which counts as locked memory for some kernels (RLIMIT_MEMLOCK)")
        }
        (Errno::EINVAL, _) => Some("this kernel's io_uring is too old: Linux 6.0 is needed"),
        (Errno::EMFILE, REGISTER) => Some("more files than the process may have open (RLIMIT_NOFILE)"),
        (Errno::EMFILE | Errno::ENFILE, _) => Some("no descriptor left for a ring"),
        _ => None,
    }
}
