//! A batch through a ring: files are opened, read and closed many at a time, each into a slot of its own; slots that go to
//! the same sink are written together, in the order of the items.
//!
//! Only what is certain to be small and whole goes this way. A file that fills its slot, that ends before its count, that is
//! empty or cannot be opened or read, is left to a transfer of its own when its turn comes: that one finds out what is the
//! matter, and its errors are the same as everywhere.

mod reading;
mod slots;
mod writing;

use super::run::Run;
use crate::mechanisms::uring::ring::Ring;
use slots::{Pipeline, State};
pub(super) use slots::{SLOT, SLOTS};

/// Makes all items, or as many as it can before the ring breaks.
pub(super) fn run(run: &mut Run<'_, '_>, ring: &mut Ring) {
    Pipeline::new(run, ring).work();
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
                    self.run.finish_item(item, Err(Run::cancelled(start as u64)));
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
}
