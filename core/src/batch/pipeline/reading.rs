//! Files on their way into their slots: opened, read, and asked whether they end there.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;

use super::slots::{Pipeline, Reading, SLOT, SLOTS, State};
use crate::batch::item::End;
use crate::endpoint::Kind;
use crate::mechanisms::uring::operations::{Op, Target, Then};
use crate::mechanisms::uring::record::Answer;

/// Tags: what an operation does, beside the slot that it does it with.
const OPEN: u64 = 0;
const READ: u64 = 1 << 32;
const PROBE: u64 = 2 << 32;

impl Pipeline<'_, '_, '_> {
    /// Begins to read as many items as there are free slots.
    pub fn begin_reading(&mut self) {
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
            // What cannot be a source, a transfer refuses.
            End::New(_) => None,
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
    pub fn reap(&mut self) {
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
}
