//! Slots on their way into their sinks: those of items that follow each other to one sink in one operation.

use std::ops::Range;

use nix::errno::Errno;

use super::slots::{Pipeline, SLOTS, State};
use crate::batch::item::ItemReport;
use crate::endpoint::Entered;
use crate::error::Error;
use crate::mechanism::Mechanism;
use crate::mechanisms::uring::operations::{Op, Sending, Target, Then};
use crate::mechanisms::uring::ring::OnSignal;

/// Slots that are written at once at most: the others are filled meanwhile.
const MOST_WRITTEN: usize = SLOTS / 2;

/// The tag of a write, beside its number; those of reads are below it.
const WRITE: u64 = 3 << 32;

/// Slots of consecutive items that are written to one sink in one operation.
pub struct Writing {
    sink: usize,
    items: Range<usize>,
    /// Where the sink's own position was, if it has one.
    position: Option<u64>,
    /// The sink, until it has answered.
    held: Entered,
}

impl Pipeline<'_, '_, '_> {
    /// Pushes writes of the items at the front that are in their slots: one for each sink, as long as the items' order
    /// allows it.
    pub fn begin_writing(&mut self) -> Vec<Writing> {
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
                    self.run.finish_item(item, Err(error));
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
    pub fn answer_writing(&mut self, index: usize, writing: Writing) -> (usize, Range<usize>, Result<usize, Errno>) {
        let Writing { sink, items, position, held: _held } = writing;
        let answer = self.ring.answer(&mut self.run.calls, WRITE | index as u64, OnSignal::Wait);
        if let (Some(at), Ok(delivered @ 1..)) = (position, answer) {
            self.run.seek(sink, at + delivered as u64);
        }
        (sink, items, answer)
    }

    pub fn finish_writing(&mut self, sink: usize, items: Range<usize>, answer: Result<usize, Errno>) {
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
                self.run.finish_item(item, result);
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
