//! Memory of the caller's that a ring fills: lent for as long as a closure runs.
//!
//! The kernel writes into it at a time of its own. So the ring has it only inside [`Ring::filling`], which does not return,
//! not even by a panic, before the kernel has let go of all of it.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::{opcode, types};
use nix::errno::Errno;

use super::record::{Answer, Memory};
use super::ring::Ring;
use crate::sys::{SpanMut, SyscallCounter};

/// A ring while it may fill memory that outlives `'m`.
pub(crate) struct Filling<'r, 'm> {
    ring: &'r mut Ring,
    memory: PhantomData<fn(SpanMut<'m>)>,
}

impl Ring {
    /// Runs `body`, and waits for what it has left in flight. A ring that has been left with operations it was never given the
    /// time to submit is broken.
    pub fn filling<'m, T>(&mut self, body: impl FnOnce(&mut Filling<'_, 'm>) -> T) -> T {
        body(&mut Filling { ring: self, memory: PhantomData })
    }
}

impl<'m> Filling<'_, 'm> {
    /// Queues a pread(2), which begins with the next [`Filling::enter`] and is known by `tag`. The descriptor stays what it is until
    /// then.
    pub fn read(&mut self, file: BorrowedFd<'_>, at: u64, into: SpanMut<'m>, tag: u64) {
        let entry = opcode::Read::new(types::Fd(file.as_raw_fd()), into.as_mut_ptr(), into.len() as u32);
        // SAFETY: the memory stays writable for longer than `Ring::filling` runs, which ends after the answer.
        unsafe { self.ring.push(entry.offset(at).build(), tag, Memory::Nothing) }
    }

    /// See [`Ring::enter`].
    pub fn enter(&mut self, calls: &mut SyscallCounter, want: usize) -> Result<bool, Errno> {
        self.ring.enter(calls, want)
    }

    /// Whether something that was queued has not begun yet.
    pub fn has_queued(&mut self) -> bool {
        self.ring.has_queued()
    }

    /// The next answer that is there, by its tag; no system call.
    pub fn next(&mut self) -> Option<(u64, Result<usize, Errno>)> {
        loop {
            let completion = self.ring.next()?;
            if let Answer::Done(result) = completion.answer {
                return Some((completion.tag, result));
            }
        }
    }

    /// Cancels what is in flight, and waits until it is answered.
    pub fn cancel(&mut self, calls: &mut SyscallCounter) {
        self.ring.cancel_and_wait(calls);
    }
}

impl Drop for Filling<'_, '_> {
    fn drop(&mut self) {
        self.ring.cancel_and_wait(&mut SyscallCounter::default());
        self.ring.forget();
    }
}
