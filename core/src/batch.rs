//! Many small transfers in one call.
//!
//! A file of a few kilobytes is sent in less time than it takes to ask for it: opening, sending and closing are three system
//! calls, and each send is a packet of its own. A batch opens, reads and closes many files in one call of `io_uring(7)`, and
//! sends what goes to the same sink together. Where `io_uring` is not allowed, it makes one [`Transfer`] after the other;
//! the report says which it was, and why.
//!
//! Measured with a thousand cached files of 4 KiB to one TCP socket (core/benches/batch.rs): 1.5 × open, sendfile and close of
//! each, 1.7 × when the counts are given, at about half the CPU time. What remains is mostly opening, which costs the same.
//!
//! # Order
//!
//! What goes to one and the same descriptor arrives in the order of the items, each one whole. An item that fails before its
//! first byte (a missing file) leaves nothing in the sink: the next item follows directly on the one before. An item that
//! fails in the middle leaves its first part there, and nobody at the other end can tell where the next one would begin: all
//! later items for that descriptor fail too, unsent. Which is which, [`Error::moved`] says.
//!
//! Items for other descriptors go on. They, too, are delivered in the order of the items, so a sink that takes nothing keeps
//! those behind it waiting.
//!
//! Sources are read ahead of their turn: whether an item that reads a file which an earlier item of the same batch writes
//! finds the old bytes or the new is not said.

mod item;
mod pipeline;
mod run;
pub(crate) mod watcher;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

#[cfg(doc)]
use crate::Transfer;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::mechanisms::uring::ring::Ring;
use crate::report::Attempt;
use crate::step::{Side, Visibility};
use crate::sys::SyscallCounter;
use crate::sys::fork::Process;
pub use item::{End, Item, ItemReport};
use run::{Open, Run};
pub use watcher::BatchProgress;
use watcher::{Watch, Watcher};

/// What happened in a batch.
///
/// ```
/// use zcio::{Batch, Item};
///
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, b"a few bytes")?;
/// let report = Batch::new().run(&[Item::new(from.as_path(), to.as_path()), Item::new(dir.path(), to.as_path())]);
/// assert!(report.items[0].is_ok());
/// assert!(report.items[1].is_err(), "a directory has no bytes");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchReport {
    /// Each item's result, in the order of the items.
    pub items: Vec<Result<ItemReport>>,
    /// Why `io_uring` was not used, or not to the end; `None` if it was.
    pub refusal: Option<Attempt>,
    /// System calls made, opening and closing included where one transfer was made after the other.
    pub system_calls: u64,
    /// Calls of poll(2) made to wait for a sink.
    pub waits: u64,
    /// Time from the first item to the last.
    pub elapsed: Duration,
}

impl BatchReport {
    /// The error for the whole of a batch that its watcher has ended, with the bytes delivered of all items.
    pub fn stopped(&self) -> Error {
        let bytes = |result: &Result<ItemReport>| result.as_ref().map_or_else(Error::moved, |report| report.bytes);
        Run::cancelled(self.items.iter().map(bytes).sum())
    }
}

/// Makes batches. What it needs (a ring with 2 MiB of locked memory, a descriptor) is made once and kept for the next [`Batch::run`].
///
/// ```
/// use zcio::{Batch, Item};
///
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, b"a few bytes")?;
/// let report = Batch::new().run(&[Item::new(from.as_path(), to.as_path())]);
/// assert_eq!(report.items[0].as_ref().unwrap().bytes, 11);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Batch {
    ring: std::result::Result<Ring, Attempt>,
    /// Whose ring it is. In a child of fork(2) the kernel would go on reading into the parent's memory. `None` while a batch is at
    /// work: after a panic of its watcher nobody knows any more what is in flight.
    process: Option<Process>,
    visibility: Visibility,
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// Finds out whether `io_uring` is allowed here, and makes the ring if it is. Never fails: see [`Batch::refusal`].
    pub fn new() -> Self {
        let ring =
            Ring::new(&mut SyscallCounter::default(), pipeline::SLOTS + 1, pipeline::SLOT, pipeline::SLOTS as u32);
        let ring = ring.map_err(|(operation, errno)| Attempt::of_ring(operation, errno));
        Self { ring, process: Some(Process::this()), visibility: Visibility::default() }
    }

    /// Whether later changes to the files may show in flight; [`Visibility::Aliased`] unless said otherwise.
    #[must_use]
    pub fn visibility(mut self, visibility: Visibility) -> Self {
        self.visibility = visibility;
        self
    }

    /// Why `io_uring` is not used; `None` if it is.
    pub fn refusal(&self) -> Option<&Attempt> {
        self.ring.as_ref().err()
    }

    /// Makes all the transfers and waits for the last one, sinks in blocking mode or not. One item's failure is its own.
    pub fn run(&mut self, items: &[Item<'_>]) -> BatchReport {
        self.drive(items, None, None)
    }

    /// Makes all the transfers as [`Batch::run`] and calls `watch` with how far it has come: at least every 100 ms while
    /// bytes move or a sink is waited for. [`ControlFlow::Break`] ends the batch: items that are not over fail
    /// with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled), each with the bytes that were delivered of it.
    ///
    /// Sinks that are sockets in blocking mode are switched to `O_NONBLOCK` until it returns, because nobody can be called
    /// while a send sleeps; a pipe is opened once more for that. Where it cannot be (no `/proc`), a full pipe keeps `watch` from
    /// being called.
    pub fn run_watched(
        &mut self,
        items: &[Item<'_>],
        mut watch: impl FnMut(BatchProgress) -> ControlFlow<()>,
    ) -> BatchReport {
        self.drive(items, Some(&mut watch), None)
    }

    /// Makes all the transfers as [`Batch::run_watched`], with paths opened by `open`, but for those that a ring opens. In
    /// another table of descriptors ([`crate::apart`]) no ring opens any.
    #[doc(hidden)]
    pub fn run_opened(
        &mut self,
        items: &[Item<'_>],
        mut watch: impl FnMut(BatchProgress) -> ControlFlow<()>,
        mut open: impl FnMut(&Path, Side) -> Result<Endpoint<'static>>,
    ) -> BatchReport {
        self.drive(items, Some(&mut watch), Some(&mut open))
    }

    fn drive<'a>(&mut self, items: &'a [Item<'a>], watch: Option<Watch<'a>>, open: Option<Open<'a>>) -> BatchReport {
        let started = Instant::now();
        if self.ring.is_ok() && !self.process.is_some_and(Process::is_this) {
            *self = Self::new().visibility(self.visibility);
        }
        let process = self.process.take();
        let mut run = Run::new(items, self.visibility, Watcher::new(watch), open);
        if let Ok(ring) = &mut self.ring {
            pipeline::run(&mut run, ring);
            if let Some(errno) = ring.broken() {
                self.ring = Err(Attempt::of_ring("io_uring_enter", errno));
            }
        }
        run.one_by_one();
        self.process = process;
        let (items, system_calls, waits) = run.finish();
        BatchReport { items, refusal: self.refusal().cloned(), system_calls, waits, elapsed: started.elapsed() }
    }

    /// A batch that makes one transfer after the other, as where `io_uring` is not allowed.
    #[cfg(test)]
    fn looping() -> Self {
        let ring = Err(Attempt::of_ring("io_uring_setup", nix::errno::Errno::ENOSYS));
        Self { ring, process: Some(Process::this()), visibility: Visibility::default() }
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("refusal", &self.refusal()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
