//! What a transfer does with the page cache beside moving bytes: only what its caller asked for, and only advice.
//!
//! A window ahead of the position is read before it is needed; what is behind the position is dropped, on the source at
//! once and on the sink when it has been written out. Pages that were in memory before stay, because somebody else reads
//! them, and so do those that somebody still holds: those of a mapping, and those that wait in a socket's queue, because
//! zero-copy means that they are the file's own.
//!
//! `RWF_DONTCACHE` would do the same inside read(2) and write(2), but measured on ext4 (512 MiB, 256 KiB a call, four
//! rounds) it took 1.1 to 3.6 s and 0.40 s of CPU time against 0.4 to 0.8 s and 0.23 s for the calls made here; nothing
//! dropped took 0.5 to 1.1 s and 0.2 to 0.6 s with fdatasync(2) after it.

mod hot;

use std::ops::Range;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;

use crate::endpoint::{Facts, Kind};
use crate::error::{Error, Result};
use crate::sys::SyscallCounter;
use hot::Hot;

/// What becomes of the page cache during a transfer. Nothing unless it is asked for.
///
/// ```
/// use zcio::{CachePolicy, Endpoint, Transfer};
///
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, b"a few bytes")?;
/// let policy = CachePolicy { drop_behind: true, ..CachePolicy::default() };
/// Transfer::new(Endpoint::open(&from)?, Endpoint::create(&to)?).cache(policy).run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CachePolicy {
    /// Reads the source file this many bytes ahead of the position (readahead(2)). For files that are read in larger
    /// steps, or from slower storage, than the kernel's own read-ahead expects.
    pub read_ahead: Option<u64>,
    /// Drops pages from the cache when the transfer is done with them: of a source file what has been read
    /// (`posix_fadvise(2)`, `POSIX_FADV_DONTNEED`); of a sink file what has been written, once it is on its disk, which the
    /// transfer then waits for (`sync_file_range(2)`). Pages that were in memory before the transfer came to them stay, unless
    /// the kernel does not tell (see [`crate::residency()`]). For large files that nobody will read again soon.
    pub drop_behind: bool,
}

/// The kernel reads at most the device's own read-ahead or its largest request for one readahead(2), whatever was asked
/// for: 8 MiB on one disk, 2.5 MiB on a loop device. 128 KiB is the least of any device's default.
pub(crate) const READ_AHEAD_CALL: u64 = 128 << 10;

/// The most of them before one step, so that a large window is asked for while bytes move.
pub(crate) const READ_AHEAD_CALLS: usize = 1024;

/// How much is written to a sink before writing it out begins, and how much may be on its way to the disk while the next
/// part is written: what fits a disk's queue, and a small part of any memory.
const WRITE_BEHIND: u64 = 8 << 20;

/// The most that one step moves under a policy, so that advice comes in time.
pub(crate) const STEP: u64 = 4 << 20;

/// A policy at work on one transfer.
#[derive(Debug)]
pub(crate) struct Cache {
    policy: CachePolicy,
    /// The source's bytes from here on have not been asked for yet.
    asked: u64,
    source: Option<Behind>,
    sink: Option<Behind>,
}

/// How far the dropping has come on one of the ends.
#[derive(Debug)]
struct Behind {
    hot: Hot,
    start: u64,
    /// Before this the pages have been dropped.
    dropped: u64,
    /// Before this they are being written out.
    writing: u64,
}

impl Behind {
    fn from(start: u64, facts: &Facts) -> Self {
        Self { hot: Hot::from(start, facts.size), start, dropped: start, writing: start }
    }

    /// Drops what was not in memory before.
    fn drop_cold(&self, fd: BorrowedFd<'_>, range: Range<u64>, calls: &mut SyscallCounter) -> Result<()> {
        self.hot.cold(range).try_for_each(|cold| drop_pages(fd, cold.start, cold.end, calls))
    }
}

impl Cache {
    /// `None` if nothing was asked for. `source_start` and `sink_start` are where the bytes begin in files, if known; a
    /// sink that is written at its own position is asked for it.
    pub fn new(
        policy: CachePolicy,
        source: (&Facts, Option<u64>),
        sink: (&Facts, Option<u64>, Option<BorrowedFd<'_>>),
        calls: &mut SyscallCounter,
    ) -> Result<Option<Self>> {
        if policy == CachePolicy::default() {
            return Ok(None);
        }
        let cached = |facts: &Facts| policy.drop_behind && matches!(facts.kind, Kind::File | Kind::BlockDevice);
        let sink_start = match sink {
            (facts, _, _) if !cached(facts) => None,
            (facts, _, _) if facts.append => Some(facts.size),
            (_, Some(start), _) => Some(start),
            (_, None, Some(fd)) => Some(calls.position(fd).map_err(|errno| Error::os("lseek", errno))?),
            (_, None, None) => None,
        };
        Ok(Some(Self {
            policy,
            asked: source.1.unwrap_or(0),
            source: source.1.filter(|_| cached(source.0)).map(|start| Behind::from(start, source.0)),
            sink: sink_start.map(|start| Behind::from(start, sink.0)),
        }))
    }

    /// Before a step that begins `taken` bytes behind the starts: finds what is in memory already.
    pub fn look(&mut self, source: Option<BorrowedFd<'_>>, sink: Option<BorrowedFd<'_>>, taken: u64) {
        let ahead = self.policy.read_ahead.unwrap_or(0).saturating_add(STEP);
        if let (Some(behind), Some(source)) = (&mut self.source, source) {
            behind.hot.look(source, (behind.start + taken).saturating_add(ahead));
        }
        if let (Some(behind), Some(sink)) = (&mut self.sink, sink) {
            behind.hot.look(sink, (behind.start + taken).saturating_add(STEP));
        }
    }

    /// Before a step that reads the source at `at`: asks for what comes next. `size` is the source's, 0 if it has none.
    pub fn ahead(&mut self, source: BorrowedFd<'_>, at: u64, size: u64, calls: &mut SyscallCounter) {
        let Some(window) = self.policy.read_ahead else { return };
        // A file without a size cannot be read ahead of.
        if size == 0 {
            return;
        }
        self.asked = self.asked.max(at);
        let end = at.saturating_add(window).min(size);
        // In halves, so that most steps need no call.
        if end < size && end.saturating_sub(self.asked) < window / 2 {
            return;
        }
        for _ in 0..READ_AHEAD_CALLS {
            if self.asked >= end {
                return;
            }
            let length = READ_AHEAD_CALL.min(end - self.asked);
            // Advice: whoever cannot take it (a pipe, a file of /proc) loses nothing.
            if calls.read_ahead(source, self.asked, length as usize).is_err() {
                self.policy.read_ahead = None;
                return;
            }
            self.asked += length;
        }
    }

    /// After a step: drops what lies before the two positions, which are `delivered` bytes behind the starts.
    pub fn behind(
        &mut self,
        source: Option<BorrowedFd<'_>>,
        sink: Option<BorrowedFd<'_>>,
        delivered: u64,
        calls: &mut SyscallCounter,
    ) -> Result<()> {
        if let (Some(behind), Some(source)) = (&mut self.source, source) {
            let end = behind.start + delivered;
            if end - behind.dropped >= STEP {
                behind.drop_cold(source, behind.dropped..end, calls)?;
                behind.dropped = end;
            }
        }
        let (Some(behind), Some(sink)) = (&mut self.sink, sink) else { return Ok(()) };
        let end = behind.start + delivered;
        if end - behind.writing >= WRITE_BEHIND {
            write_out(sink, behind.writing, end, false, calls)?;
            // What was begun one round ago is on the disk by now, or soon.
            if behind.dropped < behind.writing {
                write_out(sink, behind.dropped, behind.writing, true, calls)?;
                behind.drop_cold(sink, behind.dropped..behind.writing, calls)?;
            }
            (behind.dropped, behind.writing) = (behind.writing, end);
        }
        Ok(())
    }

    /// At the end: drops the rest, and what could not be dropped on the way because it was still in use.
    pub fn finish(
        &mut self,
        source: Option<BorrowedFd<'_>>,
        sink: Option<BorrowedFd<'_>>,
        delivered: u64,
        calls: &mut SyscallCounter,
    ) -> Result<()> {
        if let (Some(behind), Some(source)) = (&self.source, source) {
            behind.drop_cold(source, behind.start..behind.start + delivered, calls)?;
        }
        if let (Some(behind), Some(sink)) = (&self.sink, sink) {
            let end = behind.start + delivered;
            write_out(sink, behind.dropped, end, true, calls)?;
            behind.drop_cold(sink, behind.start..end, calls)?;
        }
        Ok(())
    }
}

pub(crate) fn drop_pages(fd: BorrowedFd<'_>, from: u64, to: u64, calls: &mut SyscallCounter) -> Result<()> {
    // To the kernel a length of 0 means everything.
    if from < to {
        calls.drop_pages(fd, from, to - from).map_err(|errno| Error::os("posix_fadvise", errno))?;
    }
    Ok(())
}

pub(crate) fn write_out(fd: BorrowedFd<'_>, from: u64, to: u64, wait: bool, calls: &mut SyscallCounter) -> Result<()> {
    if from >= to {
        return Ok(());
    }
    loop {
        match calls.write_out(fd, from, to - from, wait) {
            Ok(()) => return Ok(()),
            Err(Errno::EINTR) => {}
            // The disk's own error, met now instead of in a later fsync.
            Err(errno) => return Err(Error::os("sync_file_range", errno)),
        }
    }
}
