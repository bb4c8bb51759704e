//! The ring: operations given to the kernel and taken back, and the memory that they use.
//!
//! What makes the unsafe code here sound: the memory of every operation belongs to the ring (the slots of one registered
//! buffer, or what its [`Record`] holds) or is borrowed by a call that does not return before the operation is over
//! ([`Ring::lend`], [`Ring::filling`]). A record lives until the kernel has said that it is done with it, and a slot that the kernel writes
//! cannot be looked at.
//!
//! What the kernel guarantees when a ring is closed: close(2) returns at once, and a kernel worker cancels what is in
//! flight later (`io_ring_exit_work`). Until then an operation goes on using the *addresses* it was given, so [`Drop`]
//! cancels and waits first. Zero-copy sends whose bytes were accepted are different: they hold references to *pages*,
//! which stay as they are after munmap(2), because nobody can write them any more. Those are not waited for.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use io_uring::types::CancelBuilder;
use io_uring::{IoUring, cqueue, squeue};
use nix::errno::Errno;

use super::record::{Answer, Completion, Memory, Record};
use super::setup::{MMAP, errno, register, set_up};
use crate::buffer::AlignedBuffer;
use crate::sys::SyscallCounter;
use crate::sys::fork::Process;

/// `IORING_NOTIF_USAGE_ZC_COPIED`: the kernel copied although it was asked not to.
const COPIED: u32 = 1 << 31;

/// An `io_uring` instance with its own registered memory, in slots of one size.
pub(crate) struct Ring {
    uring: IoUring,
    /// Whose it is. A child of fork(2) has the queues, too, in memory that it shares: it takes nothing out of them.
    process: Process,
    slots: Vec<Users>,
    slot_size: usize,
    records: Vec<Option<Record>>,
    unused: Vec<usize>,
    /// How many operations there have been: part of what each one's completions are known by.
    pushed: u32,
    /// Operations that were pushed and not answered.
    pending: usize,
    /// Zero-copy sends that were answered and whose memory the kernel may still read.
    lent: usize,
    /// Completions that were met while another one was waited for.
    stash: VecDeque<Completion>,
    /// Why nothing can be submitted any more.
    broken: Option<Errno>,
    /// Where the slots begin.
    base: *mut u8,
    /// The slots' memory, if it has slots; after `uring`, so that the ring is closed first.
    _buffer: Option<AlignedBuffer>,
}

// SAFETY: the pointers are to memory that belongs to the ring, and no operation is bound to the thread that submitted it:
// the kernel cancels those of a thread that ends, which is an answer like another.
unsafe impl Send for Ring {}

// SAFETY: whoever has it by a shared reference only reads: submitting, reaping and filling a slot take a mutable one.
unsafe impl Sync for Ring {}

/// What the kernel does with a slot.
#[derive(Clone, Copy, Default)]
struct Users {
    readers: u32,
    writers: u32,
}

/// What a signal does to whoever waits for an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnSignal {
    /// Everything in flight is cancelled: the answer is what had been done by that time, or ECANCELED.
    Cancel,
    /// Nothing.
    Wait,
}

impl Ring {
    /// A ring with `slots` registered slots of `slot_size` bytes and room for `files` direct descriptors.
    ///
    /// The error names what the kernel refused. The slots count as locked memory (`RLIMIT_MEMLOCK`).
    pub fn new(
        calls: &mut SyscallCounter,
        slots: usize,
        slot_size: usize,
        files: u32,
    ) -> Result<Self, (&'static str, Errno)> {
        // The two mappings of the queues are made by a library; a buffer's memory is counted nowhere.
        calls.made += 5 + u64::from(files > 0);
        let uring = set_up(&IoUring::builder(), slots * 4)?;
        let mut buffer = AlignedBuffer::new(slots * slot_size).map_err(|_| (MMAP, Errno::ENOMEM))?;
        let whole = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // SAFETY: the buffer is as long as said, and is unmapped only after the ring is closed (order of the fields).
        unsafe { uring.submitter().register_buffers(&[whole]) }.map_err(register)?;
        if files > 0 {
            uring.submitter().register_files_sparse(files).map_err(register)?;
        }
        Ok(Self::of(uring, slots, slot_size, Some(buffer)))
    }

    /// A ring without slots, with room for that many operations at a time on memory that is lent ([`Ring::filling`]).
    pub fn without_slots(entries: usize) -> Result<Self, (&'static str, Errno)> {
        // Nobody sleeps elsewhere while something is in flight here, so that nobody has to be interrupted for a completion.
        set_up(IoUring::builder().setup_coop_taskrun(), entries).map(|uring| Self::of(uring, 0, 0, None))
    }

    fn of(uring: IoUring, slots: usize, slot_size: usize, mut buffer: Option<AlignedBuffer>) -> Self {
        Self {
            uring,
            process: Process::this(),
            slots: vec![Users::default(); slots],
            slot_size,
            records: Vec::new(),
            unused: Vec::new(),
            pushed: 0,
            pending: 0,
            lent: 0,
            stash: VecDeque::new(),
            broken: None,
            base: buffer.as_mut().map_or(std::ptr::null_mut(), |buffer| buffer.as_mut_ptr()),
            _buffer: buffer,
        }
    }

    /// Zero-copy sends that were answered and whose memory the kernel may still read.
    pub fn lent(&self) -> usize {
        self.lent
    }

    /// Why the kernel takes nothing more from this ring, if it does not.
    pub fn broken(&self) -> Option<Errno> {
        self.broken
    }

    /// Whether no operation uses that slot.
    pub fn is_idle(&self, slot: usize) -> bool {
        self.slots[slot].readers == 0 && self.slots[slot].writers == 0
    }

    /// What is in a slot. Panics while the kernel writes it.
    pub fn slot(&self, slot: usize, range: Range<usize>) -> &[u8] {
        assert!(self.slots[slot].writers == 0, "the kernel is writing slot {slot}");
        // SAFETY: inside the buffer (`address`), initialised, and written by nobody: an operation that fills the slot
        // needs `&mut self` to begin, and none is at work (above).
        unsafe { std::slice::from_raw_parts(self.address(slot, &range), range.len()) }
    }

    /// The address of part of a slot, for an operation that holds the slot.
    pub(super) fn address(&self, slot: usize, range: &Range<usize>) -> *mut u8 {
        assert!(range.start <= range.end && range.end <= self.slot_size && slot < self.slots.len());
        self.base.wrapping_add(slot * self.slot_size + range.start)
    }

    /// Queues an operation; it begins with the next [`Ring::enter`].
    ///
    /// # Safety
    ///
    /// Everything the entry points at must be in `memory`, or stay valid until the operation is answered.
    pub(super) unsafe fn push(&mut self, entry: squeue::Entry, tag: u64, memory: Memory) {
        self.count(&memory, 1);
        let index = self.unused.pop().unwrap_or_else(|| {
            self.records.push(None);
            self.records.len() - 1
        });
        self.pushed = self.pushed.wrapping_add(1);
        let entry = entry.user_data(index as u64 | u64::from(self.pushed) << 32);
        // SAFETY: the caller's promise; the record keeps `memory` where it is (what it points at is on the heap).
        let pushed = unsafe { self.uring.submission().push(&entry) };
        pushed.expect("the queue has room for four operations a slot, or as many as were said");
        self.records[index] = Some(Record { tag, number: self.pushed, memory });
        self.pending += 1;
    }

    fn count(&mut self, memory: &Memory, by: i32) {
        match memory {
            Memory::Filled(slot) => {
                let users = &mut self.slots[*slot];
                assert!(by < 0 || users.readers == 0, "slot {slot} is in use");
                users.writers = users.writers.wrapping_add_signed(by);
            }
            Memory::Emptied(slot) => self.slots[*slot].readers = self.slots[*slot].readers.wrapping_add_signed(by),
            Memory::Gathered(gather) => {
                for &slot in gather.slots() {
                    self.slots[slot].readers = self.slots[slot].readers.wrapping_add_signed(by);
                }
            }
            Memory::Nothing | Memory::Pages { .. } | Memory::Path { .. } => {}
        }
    }

    /// Submits what was pushed and waits until `want` completions are there. False: a signal came first.
    pub fn enter(&mut self, calls: &mut SyscallCounter, want: usize) -> Result<bool, Errno> {
        if !self.process.is_this() {
            self.broken = Some(Errno::EOWNERDEAD);
        }
        if let Some(errno) = self.broken {
            return Err(errno);
        }
        loop {
            calls.made += 1;
            let interrupted = match self.uring.submit_and_wait(want) {
                Ok(_) => self.uring.submission().is_empty(),
                Err(error) if errno(&error) == Errno::EINTR => true,
                // No memory for an operation, or completions to be taken first: there is something to wait for.
                Err(error) if matches!(errno(&error), Errno::EAGAIN | Errno::EBUSY) => {
                    std::thread::sleep(Duration::from_millis(1));
                    false
                }
                Err(error) => {
                    self.broken = Some(errno(&error));
                    return Err(errno(&error));
                }
            };
            let there = self.uring.completion().len();
            if there >= want && self.uring.submission().is_empty() {
                return Ok(true);
            }
            if interrupted || there > 0 {
                return Ok(!interrupted);
            }
        }
    }

    /// Closes the first `count` direct descriptors.
    pub fn close_all(&mut self, calls: &mut SyscallCounter, count: usize) {
        if !self.process.is_this() {
            return;
        }
        calls.made += 1;
        // A ring that refuses this is broken, and its files are closed with it.
        let _ = self.uring.submitter().register_files_update(0, &vec![-1; count]);
    }

    /// The next completion that is there; no system call.
    pub fn next(&mut self) -> Option<Completion> {
        self.stash.pop_front().or_else(|| self.take())
    }

    fn take(&mut self) -> Option<Completion> {
        if !self.process.is_this() {
            return None;
        }
        let (entry, index, tag) = loop {
            let entry = self.uring.completion().next()?;
            let (index, number) = (entry.user_data() as u32 as usize, (entry.user_data() >> 32) as u32);
            match &self.records[index] {
                Some(record) if record.number == number => break (entry, index, record.tag),
                // A zero-copy send that was cancelled before it began is notified of all the same, and is gone.
                _ => debug_assert!(cqueue::notif(entry.flags()), "answered twice"),
            }
        };
        let answer = if cqueue::notif(entry.flags()) {
            self.lent -= 1;
            Answer::Released { copied: entry.result().cast_unsigned() & COPIED != 0 }
        } else {
            self.pending -= 1;
            self.lent += usize::from(cqueue::more(entry.flags()));
            let result = entry.result();
            Answer::Done(if result < 0 { Err(Errno::from_raw(-result)) } else { Ok(result as usize) })
        };
        if !cqueue::more(entry.flags()) {
            let record = self.records[index].take().expect("looked at above");
            self.count(&record.memory, -1);
            self.unused.push(index);
        }
        Some(Completion { tag, answer })
    }

    /// Waits for the answer to the operation with that tag.
    ///
    /// Never returns before the operation is over, or known never to begin.
    pub fn answer(&mut self, calls: &mut SyscallCounter, tag: u64, signal: OnSignal) -> Result<usize, Errno> {
        loop {
            self.gather_completions();
            if let Some(result) = self.stashed(tag) {
                return result;
            }
            if let Some(errno) = self.broken {
                self.cancel_and_wait(calls);
                return self.stashed(tag).unwrap_or(Err(errno));
            }
            if self.enter(calls, 1) == Ok(false) && signal == OnSignal::Cancel {
                self.cancel_and_wait(calls);
            }
        }
    }

    fn gather_completions(&mut self) {
        while let Some(completion) = self.take() {
            self.stash.push_back(completion);
        }
    }

    fn stashed(&mut self, tag: u64) -> Option<Result<usize, Errno>> {
        let at = self.stash.iter().position(|kept| kept.tag == tag && matches!(kept.answer, Answer::Done(_)))?;
        match self.stash.remove(at)?.answer {
            Answer::Done(result) => Some(result),
            Answer::Released { .. } => None,
        }
    }

    /// Whether something was pushed and is not submitted yet.
    pub(super) fn has_queued(&mut self) -> bool {
        !self.uring.submission().is_empty()
    }

    /// Forgets everything: what has been answered, and, by submitting nothing ever more, what was never submitted.
    pub(super) fn forget(&mut self) {
        while self.next().is_some() {}
        if self.has_queued() {
            self.broken = self.broken.or(Some(Errno::ECANCELED));
        }
    }

    /// Cancels what is in flight and waits until it is over; its completions are then in the stash. What was pushed and
    /// never submitted stays so.
    pub(super) fn cancel_and_wait(&mut self, calls: &mut SyscallCounter) {
        loop {
            self.gather_completions();
            if !self.process.is_this() || self.pending <= self.uring.submission().len() {
                return;
            }
            // Interrupted by a signal, or refused by a filter that came later: asked again below, or waited for.
            calls.made += 1;
            let _ = self.uring.submitter().register_sync_cancel(None, CancelBuilder::any());
            // Completions come with any system call of the thread that submitted, so sleeping is enough to get them.
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.cancel_and_wait(&mut SyscallCounter::default());
    }
}
