//! Many reads of files into memory in one call.
//!
//! One thread that reads a disk by pread(2) waits for it each time, and the disk is idle whenever the thread is not. Many reads
//! in flight keep it at work: here by one thread with `io_uring(7)`. 32 in flight are as fast as 32 threads that read, at half
//! of their CPU time (core/benches/reads.rs: 4 KiB at random with `O_DIRECT`, ext4). Where `io_uring` is not allowed, as in most
//! containers, it is threads after all; the results are the same, and the report says why.
//!
//! Each read has a result of its own: how many bytes, fewer than asked for only at the end of the file, or its error. What
//! is in the page cache is copied from there. A file that was opened with `O_DIRECT` is read past it, straight into the memory
//! where offset, address and length are multiples of what the file asks for, and otherwise by way of a buffer.
//!
//! Nothing is written into the memory once the call has returned.

mod by_ring;
mod by_threads;
mod piece;
mod read_at;
mod run;
mod source;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use crate::batch::BatchProgress;
use crate::batch::watcher::{Watch, Watcher};
use crate::buffer::AlignedBuffer;
use crate::error::{Error, ErrorKind, Result};
use crate::mechanisms::uring::ring::Ring;
use crate::report::Attempt;
use crate::sys::fork::Process;
pub use read_at::ReadAt;
use run::Run;

/// The most reads in flight.
const DEEPEST: usize = 4096;

/// What happened to a number of reads.
#[derive(Debug)]
#[non_exhaustive]
pub struct ReadsReport {
    /// Each read's count of bytes, in the order of the reads: fewer than its memory holds only at the end of the file. An
    /// error has in [`Error::moved`] how many bytes were read before it.
    pub reads: Vec<Result<usize>>,
    /// Why `io_uring` was not used, or not to the end; `None` if nothing kept it from being used.
    pub refusal: Option<Attempt>,
    /// System calls made.
    pub system_calls: u64,
}

impl ReadsReport {
    /// The error for the whole of it when its watcher has ended it, with the bytes of all reads.
    pub fn stopped(&self) -> Error {
        let bytes = |result: &Result<usize>| result.as_ref().map_or_else(Error::moved, |&count| count as u64);
        run::cancelled().after(self.reads.iter().map(bytes).sum())
    }
}

/// Reads files into memory, many reads at a time. What it needs (a ring, a descriptor) is made once and kept for the next
/// [`Reads::run`].
///
/// ```
/// use zcio::{Endpoint, ReadAt, Reads};
///
/// # let mut file = tempfile::tempfile()?;
/// # std::io::Write::write_all(&mut file, b"0123456789")?;
/// let (mut head, mut tail) = ([0; 4], [0; 100]);
/// let file = Endpoint::new(&file)?;
/// let report = Reads::new(32)?.run(&mut [ReadAt::new(&file, 0, &mut head), ReadAt::new(&file, 7, &mut tail)]);
/// let counts: Vec<usize> = report.reads.into_iter().collect::<Result<_, _>>()?;
/// assert_eq!((counts, &head, &tail[..3]), (vec![4, 3], b"0123", &b"789"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reads {
    depth: usize,
    /// `None` for one read at a time, which pread(2) does in less time.
    ring: Option<std::result::Result<Ring, Attempt>>,
    /// Whose ring it is; `None` while reads are at work, so that nobody uses it in a child of fork(2) or after a panic.
    process: Option<Process>,
    /// Where direct reads go that are not aligned: made when there is the first file for it.
    bounce: Option<AlignedBuffer>,
}

impl Reads {
    /// For so many reads in flight at a time: about 32 keep most disks busy. Finds out whether `io_uring` is allowed here: see
    /// [`Reads::refusal`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a depth of 0, or of more than 4096.
    pub fn new(depth: usize) -> Result<Self> {
        if !(1..=DEEPEST).contains(&depth) {
            let message = format!("{depth} reads in flight: it must be at least one, and at most {DEEPEST}");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let ring =
            (depth > 1).then(|| Ring::without_slots(depth).map_err(|(call, errno)| Attempt::of_ring(call, errno)));
        Ok(Self { depth, ring, process: Some(Process::this()), bounce: None })
    }

    /// Why `io_uring` is not used; `None` if nothing keeps it from being used.
    pub fn refusal(&self) -> Option<&Attempt> {
        self.ring.as_ref()?.as_ref().err()
    }

    /// Makes all the reads and waits for the last one. One read's failure is its own.
    pub fn run(&mut self, reads: &mut [ReadAt<'_>]) -> ReadsReport {
        self.drive(reads, None)
    }

    /// Makes all the reads as [`Reads::run`] and calls `watch` with how far it has come, at least every 100 ms while reads are
    /// answered, and when a signal came. [`ControlFlow::Break`] ends it: reads that are not over fail with
    /// [`ErrorKind::Cancelled`].
    pub fn run_watched(
        &mut self,
        reads: &mut [ReadAt<'_>],
        mut watch: impl FnMut(BatchProgress) -> ControlFlow<()>,
    ) -> ReadsReport {
        self.drive(reads, Some(&mut watch))
    }

    fn drive<'a>(&mut self, reads: &'a mut [ReadAt<'_>], watch: Option<Watch<'a>>) -> ReadsReport {
        if !self.process.is_some_and(Process::is_this) {
            *self = Self::new(self.depth).expect("a depth that was good before");
        }
        let process = self.process.take();
        let mut refusal = self.refusal().cloned();
        let mut run = Run::new(reads, Watcher::new(watch));
        // One read alone takes less time without.
        if let Some(Ok(ring)) = &mut self.ring
            && run.reads.len() > 1
        {
            by_ring::run(&mut run, ring, self.depth, &mut self.bounce);
            refusal = ring.broken().map(|errno| Attempt::of_ring("io_uring_enter", errno));
        }
        let is_broken = refusal.is_some() && self.refusal().is_none();
        by_threads::run(&mut run, self.depth);
        // Instead of a broken ring the next run makes another.
        self.process = process.filter(|_| !is_broken);
        let (reads, system_calls) = run.finish();
        ReadsReport { reads, refusal, system_calls }
    }

    /// One that reads by threads, as where `io_uring` is not allowed.
    #[cfg(test)]
    fn by_threads(depth: usize) -> Self {
        let ring = Some(Err(Attempt::of_ring("io_uring_setup", nix::errno::Errno::ENOSYS)));
        Self { depth, ring, process: Some(Process::this()), bounce: None }
    }
}

impl std::fmt::Debug for Reads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reads").field("depth", &self.depth).field("refusal", &self.refusal()).finish_non_exhaustive()
    }
}
