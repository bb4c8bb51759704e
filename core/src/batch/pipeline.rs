//! A batch through a ring: files are opened, read and closed many at a time, each into a slot of its own; slots that go to
//! the same sink are written together, in the order of the items.
//!
//! Only what is certain to be small and whole goes this way. A file that fills its slot, that ends before its count, that is
//! empty or cannot be opened or read, is left to a transfer of its own when its turn comes: that one finds out what is the
//! matter, and its errors are the same as everywhere.

use std::ffi::CString;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

use super::run::Run;
use super::{End, ItemReport};
use crate::endpoint::{Entered, Kind};
use crate::error::Error;
use crate::mechanism::Mechanism;
use crate::mechanisms::uring::operations::{Op, Sending, Target, Then};
use crate::mechanisms::uring::ring::{Answer, OnSignal, Ring};

/// Slots, and so files that are open or read and not yet delivered: 2 MiB in all. One more is for asking whether a file has
pub(super) const SLOTS: usize = 128;
/// Bytes of a slot: what is larger is worth a transfer of its own.
pub(super) const SLOT: usize = 16 << 10;
/// Slots that are written at once at most: the others are filled meanwhile.
const MOST_WRITTEN: usize = SLOTS / 2;

/// Tags: what an operation does, beside the slot that it does it with.
const OPEN: u64 = 0;
const READ: u64 = 1 << 32;
const PROBE: u64 = 2 << 32;
const WRITE: u64 = 3 << 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not begun, or on its way into a slot.
    Waiting,
    /// In its slot, with the bytes before `start` delivered.
    Read { slot: usize, start: usize, end: usize },
    /// Left to a transfer of its own.
    Left,
}

/// A file on its way into a slot. Each step begins when the one before is over: linked operations would say the same in one
/// go, but the kernel queues each link for itself, which costs more than another round.
#[derive(Clone, Copy)]
struct Reading {
    item: usize,
    asked: usize,
    /// The count is what was asked for; otherwise the file must end within the slot, and a read behind it must say so.
    exact: bool,
    /// It is first read without waiting for the disk: then a read that is cut short by the file's end is told at once,
    /// where the kernel otherwise asks again by itself, at some expense.
    patient: bool,
    got: usize,
}

struct Pipeline<'r, 'a, 'fd> {
    run: &'r mut Run<'a, 'fd>,
    ring: &'r mut Ring,
    states: Vec<State>,
    slots: Vec<Option<Reading>>,
    free: Vec<usize>,
    /// Sources whose reads the kernel has not been given yet. From then on it has the files themselves.
    held: Vec<Entered>,
    /// The first item that is not over.
    next: usize,
    /// The first item that has not begun.
    unread: usize,
}

/// Slots of consecutive items that are written to one sink in one operation.
struct Writing {
    sink: usize,
    items: Range<usize>,
    /// Where the sink's own position was, if it has one.
    position: Option<u64>,
    /// The sink, until it has answered.
    held: Entered,
}

/// Makes all items, or as many as it can before the ring breaks.
pub(super) fn run(run: &mut Run<'_, '_>, ring: &mut Ring) {
    let states = vec![State::Waiting; run.items.len()];
    let free = (0..SLOTS).rev().collect();
    Pipeline { run, ring, states, slots: vec![None; SLOTS], free, held: Vec::new(), next: 0, unread: 0 }.work();
}

impl Pipeline<'_, '_, '_> {
    fn work(&mut self) {
        loop {
            self.reap();
            if self.run.is_to_stop() {
                self.stop();
                break;
            }
            while self.next < self.states.len() && self.run.is_over(self.next) {
                self.next += 1;
            }
            let writings = self.begin_writing();
            self.begin_reading();
            if !writings.is_empty() {
                let answer = |(index, writing)| self.answer_writing(index, writing);
                let answered: Vec<_> = writings.into_iter().enumerate().map(answer).collect();
                self.held.clear();
                for (sink, items, answer) in answered {
                    self.finish_writing(sink, items, answer);
                }
            } else if self.next == self.states.len() {
                break;
            } else if self.states[self.next] == State::Left {
                if !self.held.is_empty() && self.ring.enter(&mut self.run.calls, 0).is_err() {
                    break;
                }
                self.held.clear();
                self.run.transfer(self.next);
            } else {
                let entered = self.ring.enter(&mut self.run.calls, 1);
                self.held.clear();
                if entered.is_err() {
                    break;
                }
            }
        }
        self.held.clear();
        // Each file was closed when another one took its place. A batch that is over has no file open.
        self.ring.close_all(&mut self.run.calls, SLOTS);
    }

    /// Leaves the items that are not over. Nothing is being written now; what is being read is waited for, because the
    /// slots belong to the next batch.
    fn stop(&mut self) {
        for item in self.next..self.states.len() {
            match self.states[item] {
                _ if self.run.is_over(item) => {}
                State::Read { slot, start, .. } => {
                    self.release(slot);
                    self.run.settle(item, Err(Run::cancelled(start as u64)));
                }
                State::Waiting | State::Left => {}
            }
            self.states[item] = State::Left;
        }
        while self.slots.iter().any(Option::is_some) && self.ring.enter(&mut self.run.calls, 1).is_ok() {
            self.reap();
            for slot in 0..self.slots.len() {
                if let Some(reading) = self.slots[slot]
                    && matches!(self.states[reading.item], State::Read { .. })
                {
                    self.states[reading.item] = State::Left;
                    self.release(slot);
                }
            }
        }
    }

    /// Begins to read as many items as there are free slots.
    fn begin_reading(&mut self) {
        while self.unread < self.states.len() {
            let item = self.unread;
            let Some(&slot) = self.free.last() else { return };
            let begun = self.is_for_ring(item).then(|| self.begin_item(item, slot)).flatten();
            self.states[item] = match begun {
                Some(reading) => {
                    self.free.pop();
                    self.slots[slot] = Some(reading);
                    State::Waiting
                }
                None => State::Left,
            };
            self.unread += 1;
        }
    }

    /// Whether the item's sink is one that can be written here.
    fn is_for_ring(&mut self, item: usize) -> bool {
        let Some(sink) = self.run.sink_of(item) else { return false };
        let facts = self.run.sink(sink).facts();
        // A terminal may sleep, and the ring with it; a transfer of its own knows how to go on calling the watcher.
        let device = facts.kind == Kind::CharDevice && !self.run.is_watched();
        let is_stream = facts.kind.is_stream() || facts.kind.is_seekable() || device;
        facts.writable && is_stream && !facts.direct
    }

    /// Pushes the operations that fill a slot; `None` for an item that is better left to a transfer.
    fn begin_item(&mut self, item: usize, slot: usize) -> Option<Reading> {
        let request = self.run.items[item];
        let reading = |asked, exact| Some(Reading { item, asked, exact, patient: exact, got: 0 });
        match request.source {
            End::Descriptor(_) | End::Endpoint(_) => {
                let source = self.run.source_of(item)?;
                // What is lost, a transfer says.
                let (facts, held) = (*source.facts(), source.enter().ok()?);
                let fd = request.source.descriptor()?;
                let sink = self.run.sink_of(item)?;
                let known = facts.size.checked_sub(request.offset).filter(|_| facts.kind == Kind::File);
                let asked = request.count.map_or(known, |count| known.map(|known| known.min(count)))?;
                let another = facts.identity != self.run.sink(sink).facts().identity;
                if !facts.readable || facts.direct || !another || asked == 0 || asked > SLOT as u64 {
                    return None;
                }
                let (file, at) = (Target::Descriptor(fd), Some(request.offset));
                let op = Op { file, at, nowait: false, then: Then::Any, tag: READ | slot as u64 };
                self.ring.read(op, slot, asked as usize);
                self.held.push(held);
                reading(asked as usize, true)
            }
            // Its rights are not those of the caller.
            End::Path(_) if crate::apart::is_here() => None,
            End::Path(path) => {
                let asked = request.count.unwrap_or(SLOT as u64);
                if asked == 0 || asked > SLOT as u64 || request.offset > i64::MAX as u64 - asked {
                    return None;
                }
                let path = CString::new(path.as_os_str().as_bytes()).ok()?;
                self.ring.open(path, libc::O_RDONLY, slot as u32, OPEN | slot as u64);
                reading(asked as usize, request.count.is_some())
            }
        }
    }

    /// Takes the completions that are there, and begins each file's next step.
    fn reap(&mut self) {
        while let Some(completion) = self.ring.next() {
            let (slot, step) = (completion.tag as u32 as usize, completion.tag >> 32 << 32);
            let (Answer::Done(result), Some(mut reading)) = (completion.answer, self.slots[slot]) else { continue };
            let offset = self.run.items[reading.item].offset;
            let file = Target::Direct(slot as u32);
            let op = |step, at, patient: bool| Op {
                file,
                at: Some(at),
                nowait: !patient,
                then: Then::Any,
                tag: step | slot as u64,
            };
            let whole = match (step, result) {
                (OPEN, Ok(_)) => {
                    self.ring.read(op(READ, offset, reading.patient), slot, reading.asked);
                    continue;
                }
                (READ, Ok(count)) if !reading.exact && (1..reading.asked).contains(&count) => {
                    reading.got = count;
                    self.slots[slot] = Some(reading);
                    self.ring.read(op(PROBE, offset + count as u64, reading.patient), SLOTS, 1);
                    continue;
                }
                (READ, Ok(count)) if count == reading.asked => {
                    reading.got = count;
                    reading.exact
                }
                (PROBE, Ok(0)) => true,
                // Not in memory, or not all of it, or a file that is always waited for.
                (READ | PROBE, result) if !reading.patient && result != Ok(0) => {
                    reading.patient = true;
                    self.slots[slot] = Some(reading);
                    self.ring.read(op(READ, offset, true), slot, reading.asked);
                    continue;
                }
                _ => false,
            };
            self.states[reading.item] = if whole {
                State::Read { slot, start: 0, end: reading.got }
            } else {
                self.release(slot);
                State::Left
            };
        }
    }

    fn release(&mut self, slot: usize) {
        self.slots[slot] = None;
        self.free.push(slot);
    }

    /// Pushes writes of the items at the front that are in their slots: one for each sink, as long as the items' order
    /// allows it.
    fn begin_writing(&mut self) -> Vec<Writing> {
        let mut writings: Vec<Writing> = Vec::new();
        let mut written = 0;
        let mut item = self.next;
        while item < self.states.len() && written < MOST_WRITTEN {
            // Behind an item that was cut short there may be some for other sinks that are over.
            if self.run.is_over(item) {
                item += 1;
                continue;
            }
            let State::Read { slot, .. } = self.states[item] else { break };
            let sink = self.run.sink_of(item).expect("only items with a descriptor are read");
            if let Some(error) = self.run.broken(sink).cloned() {
                // Behind what is being written nothing is settled yet.
                if writings.is_empty() {
                    self.run.settle(item, Err(error));
                    self.release(slot);
                    self.next += 1;
                    item += 1;
                    continue;
                }
                break;
            }
            let identity = |sink: usize| self.run.sink(sink).facts().identity;
            if let Some(last) = writings.last_mut().filter(|last| last.sink == sink && last.items.end == item) {
                last.items.end += 1;
            } else if writings.iter().any(|other| identity(other.sink) == identity(sink)) {
                // Two operations on one sink would overtake each other.
                break;
            } else {
                match self.run.sink(sink).enter() {
                    Ok(held) => writings.push(Writing { sink, items: item..item + 1, position: None, held }),
                    Err(lost) if writings.is_empty() => {
                        self.run.sink_failed(item, sink, lost);
                        self.release(slot);
                        self.next += 1;
                        item += 1;
                        continue;
                    }
                    Err(_) => break,
                }
            }
            written += 1;
            item += 1;
        }
        for (index, writing) in writings.iter_mut().enumerate() {
            self.push_writing(index, writing);
        }
        writings
    }

    fn push_writing(&mut self, index: usize, writing: &mut Writing) {
        let facts = *self.run.sink(writing.sink).facts();
        if facts.kind.is_seekable() && !facts.append {
            // The ring would not move the position by a write that ended in an error: the offset is always explicit.
            writing.position = self.run.position(writing.sink);
        }
        let parts = self.states[writing.items.clone()].iter().map(|state| match *state {
            State::Read { slot, start, end } => (slot, start..end),
            _ => unreachable!("items to be written have been read"),
        });
        let fd = self.run.sink(writing.sink).descriptor().expect("a sink is a descriptor");
        let (file, tag) = (Target::Descriptor(fd), WRITE | index as u64);
        // The ring would wait for a socket where no watcher is called.
        let op = Op { file, at: writing.position, nowait: false, then: Then::Any, tag };
        let send = facts.kind.is_socket().then_some(Sending { nonblocking: self.run.is_watched(), zero_copy: false });
        self.ring.gather(op, parts, send);
    }

    /// Waits for the answer to what was written; the sink is left then.
    fn answer_writing(&mut self, index: usize, writing: Writing) -> (usize, Range<usize>, Result<usize, Errno>) {
        let Writing { sink, items, position, held: _held } = writing;
        let answer = self.ring.answer(&mut self.run.calls, WRITE | index as u64, OnSignal::Wait);
        if let (Some(at), Ok(delivered @ 1..)) = (position, answer) {
            self.run.seek(sink, at + delivered as u64);
        }
        (sink, items, answer)
    }

    fn finish_writing(&mut self, sink: usize, items: Range<usize>, answer: Result<usize, Errno>) {
        let mut delivered = answer.unwrap_or(0);
        let is_socket = self.run.sink(sink).facts().kind.is_socket();
        for item in items {
            let State::Read { slot, start, end } = self.states[item] else { continue };
            let part = delivered.min(end - start);
            delivered -= part;
            self.states[item] = State::Read { slot, start: start + part, end };
            if start + part == end {
                let requested = self.run.items[item].count;
                let report = ItemReport { bytes: end as u64, requested, mechanism: Mechanism::Uring };
                let result = self.run.confirm(item, sink, report);
                self.run.settle(item, result);
                self.release(slot);
                continue;
            }
            match answer {
                // Cut short: the rest goes with the next write.
                Ok(count) if count > 0 => {}
                Err(Errno::EINTR | Errno::ECANCELED) if self.ring.broken().is_none() => {}
                Err(Errno::EAGAIN) => self.run.wait_for(sink),
                // A ring that broke before the first byte leaves the item to a transfer of its own.
                _ if self.ring.broken().is_some() && start == 0 => {}
                other => {
                    let operation = if is_socket { "send" } else { "write" };
                    // No device is allowed to accept nothing and say nothing.
                    let errno = other.err().unwrap_or(Errno::EIO);
                    let error = Error::os(operation, errno).after(start as u64);
                    self.run.sink_failed(item, sink, error);
                    self.release(slot);
                }
            }
            break;
        }
    }
}
