//! What a pipeline has under way: the slots, the file in each, and how far every item has come.

use crate::batch::run::Run;
use crate::endpoint::Entered;
use crate::mechanisms::uring::ring::Ring;

/// Slots, and so files that are open or read and not yet delivered: 2 MiB in all. One more is for asking whether a file has ended.
pub const SLOTS: usize = 128;
/// Bytes of a slot: what is larger is worth a transfer of its own.
pub const SLOT: usize = 16 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
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
pub struct Reading {
    pub item: usize,
    pub asked: usize,
    /// The count is what was asked for; otherwise the file must end within the slot, and a read behind it must say so.
    pub exact: bool,
    /// It is first read without waiting for the disk: then a read that is cut short by the file's end is told at once,
    /// where the kernel otherwise asks again by itself, at some expense.
    pub patient: bool,
    pub got: usize,
}

pub struct Pipeline<'r, 'a, 'fd> {
    pub run: &'r mut Run<'a, 'fd>,
    pub ring: &'r mut Ring,
    pub states: Vec<State>,
    pub slots: Vec<Option<Reading>>,
    pub free: Vec<usize>,
    /// Sources whose reads the kernel has not been given yet. From then on it has the files themselves.
    pub held: Vec<Entered>,
    /// The first item that is not over.
    pub next: usize,
    /// The first item that has not begun.
    pub unread: usize,
}

impl<'r, 'a, 'fd> Pipeline<'r, 'a, 'fd> {
    pub fn new(run: &'r mut Run<'a, 'fd>, ring: &'r mut Ring) -> Self {
        let states = vec![State::Waiting; run.items.len()];
        let free = (0..SLOTS).rev().collect();
        Self { run, ring, states, slots: vec![None; SLOTS], free, held: Vec::new(), next: 0, unread: 0 }
    }

    /// Frees a slot.
    pub fn release(&mut self, slot: usize) {
        self.slots[slot] = None;
        self.free.push(slot);
    }
}
