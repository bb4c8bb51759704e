//! The bytes of a copy: one clone, or the ranges of data one after the other with the holes between them left out.

use std::ops::{ControlFlow, Range};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, fstat};
use nix::unistd::{Whence, ftruncate, lseek};

use super::report::CopyReport;
use super::request::Reflink;
use super::zeroes::{self, Search};
use crate::drive::Told;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::mechanism::Mechanism;
use crate::mechanisms::reflink;
use crate::report::{Attempt, Report};
use crate::sys::files::may_share_blocks;
use crate::sys::fork::Process;
use crate::transfer::Transfer;

/// The mechanisms that never share blocks, best first.
const APART: &[Mechanism] = &[Mechanism::Sendfile, Mechanism::ReadWrite];

/// A watcher of the bytes moved so far.
pub(super) type Watch<'a> = &'a mut dyn FnMut(u64) -> ControlFlow<()>;

pub(super) struct Data<'a> {
    source: BorrowedFd<'a>,
    sink: BorrowedFd<'a>,
    /// The same two, looked at once: there may be very many ranges.
    ends: &'a [Endpoint<'a>; 2],
    reflink: Reflink,
    watch: Watch<'a>,
    /// When the watcher was called last, and what it was told.
    told: Told,
    /// The size of the source: what fstat(2) said, or less once the file has shown that it ends before.
    size: u64,
    /// Fewer blocks are behind the source than its size takes.
    sparse: bool,
    /// For holes that the file system does not tell of.
    search: Option<Search>,
    /// Where the range begins that is being moved, or the last one ended.
    at: u64,
    /// The sink's position: behind the last byte that was written.
    sink_at: u64,
    sink_size: u64,
    report: CopyReport,
    /// Whose copy it is: where the watcher makes a child by fork(2), and returns in it, the copy goes on in the parent alone.
    process: Process,
}

impl<'a> Data<'a> {
    /// From the start of the first end to the start of the second, two files just opened. `stat` is about the first.
    pub fn new(ends: &'a [Endpoint<'a>; 2], stat: &FileStat, reflink: Reflink, watch: Watch<'a>) -> Self {
        let [source, sink] = ends.each_ref().map(Endpoint::fd);
        let report = CopyReport {
            bytes: 0,
            holes: 0,
            cloned: false,
            mechanism: None,
            attempts: Vec::new(),
            elapsed: Duration::ZERO,
        };
        Self {
            source,
            sink,
            ends,
            reflink,
            watch,
            told: Told::of(0),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            sparse: zeroes::are_likely(stat),
            search: None,
            at: 0,
            sink_at: 0,
            sink_size: 0,
            report,
            process: Process::this(),
        }
    }

    /// What was done; the time is for others to say.
    pub fn report(self) -> CopyReport {
        self.report
    }

    /// Whether a clone is wanted and the file system has nothing against it. Changes nothing.
    pub fn is_to_be_cloned(&mut self) -> Result<bool> {
        match self.reflink {
            Reflink::Never => return Ok(false),
            Reflink::Auto if !may_share_blocks(self.sink) => return Ok(false),
            // A file of /proc, or nothing to share.
            _ if self.size == 0 => return Ok(false),
            _ => {}
        }
        let asked = reflink::ask(self.source, self.size, self.sink);
        self.accept(asked)
    }

    /// True for `Ok`; false for an error after which the bytes may be copied instead.
    fn accept(&mut self, cloned: Result<()>) -> Result<bool> {
        match cloned {
            Ok(()) => Ok(true),
            Err(error) if self.reflink == Reflink::Auto && error.moved() == 0 => {
                self.note_attempt(Attempt::of(Mechanism::Reflink, 0, &error));
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Copies the file into an empty one, by a clone if that is wanted.
    pub fn copy(&mut self, clone: bool) -> Result<()> {
        let result = self.copy_all(clone);
        result.map_err(|error| {
            if self.process.is_this() {
                // An incomplete file must not have the size of a complete one. If this fails too, the first error counts.
                let _ = ftruncate(self.sink, (self.at + error.moved()) as i64);
            }
            let moved = self.report.bytes + error.moved();
            error.after(moved)
        })
    }

    fn copy_all(&mut self, clone: bool) -> Result<()> {
        // A file of /proc says that it has no bytes, and only reading shows them.
        if self.size == 0 {
            return self.move_range(0..u64::MAX);
        }
        if clone && self.clone_all()? {
            return Ok(());
        }
        let mut at = 0;
        while let Some(data) = self.next_data(at)? {
            if at == 0 && data != (0..self.size) {
                // Not at the end: XFS takes room behind the end of a file that grows, and it would be kept in the holes.
                self.set_size(self.size)?;
            }
            at = data.end;
            self.move_range(data)?;
            if self.sink_at < at {
                // A file of /sys says that it has a page; others are cut short meanwhile.
                self.size = self.sink_at;
                break;
            }
            self.at = at;
            self.watch()?;
        }
        let mut end = self.size;
        if self.sink_at < end {
            // A hole at the end is written by nobody. A source that has become shorter meanwhile must not end in one, and what
            // was copied before that stays.
            let now = fstat(self.source).map_err(|errno| Error::os("fstat", errno))?;
            end = end.min(now.st_size as u64).max(self.sink_at);
        }
        if self.sink_size != end {
            self.set_size(end)?;
        }
        self.report.holes = end - self.report.bytes;
        Ok(())
    }

    fn set_size(&mut self, size: u64) -> Result<()> {
        self.process.check()?;
        self.sink_size = size;
        ftruncate(self.sink, size as i64).map_err(|errno| Error::os("ftruncate", errno))
    }

    /// Clones the file; false if the bytes are to be copied after all.
    fn clone_all(&mut self) -> Result<bool> {
        let transfer = self.transfer(&(0..u64::MAX)).sink_offset(0).mechanism(Mechanism::Reflink);
        let cloned = self.run(transfer).map(|report| self.note(report));
        self.report.cloned = self.report.bytes > 0;
        self.accept(cloned)
    }

    /// The first range of data at or behind `at`; `None` if there is only a hole up to the end.
    fn next_data(&mut self, at: u64) -> Result<Option<Range<u64>>> {
        if at >= self.size {
            return Ok(None);
        }
        if self.search.is_none() {
            let told = self.ask_for_data(at)?;
            // FUSE and others call all of it data.
            if at > 0 || !self.sparse || told != Some(0..self.size) {
                return Ok(told);
            }
        }
        self.search_data(at)
    }

    /// The same, by the file system's word.
    fn ask_for_data(&self, at: u64) -> Result<Option<Range<u64>>> {
        let seek =
            |from: u64, whence| lseek(self.source, from as i64, whence).map(|found| (found as u64).min(self.size));
        let start = match seek(at, Whence::SeekData) {
            // All hole, or behind the end.
            Err(Errno::ENXIO) => return Ok(None),
            // A file system that cannot tell holes from data.
            Err(Errno::EINVAL | Errno::EOPNOTSUPP) => return Ok(Some(at..self.size)),
            found => found.map_err(|errno| Error::os("lseek", errno))?,
        };
        let end = match seek(start, Whence::SeekHole) {
            Err(Errno::ENXIO) => start,
            found => found.map_err(|errno| Error::os("lseek", errno))?,
        };
        Ok((start < end).then_some(start..end))
    }

    /// The same, by looking.
    fn search_data(&mut self, mut at: u64) -> Result<Option<Range<u64>>> {
        while at < self.size {
            let search = self.search.get_or_insert_default();
            let window = search.window(self.source, at).map_err(|errno| Error::os("read", errno))?;
            if window.is_empty() {
                self.size = at;
            } else if let Some(Range { start, end }) = zeroes::first_data(window) {
                let found = at + start as u64..self.size.min(at + end as u64);
                return Ok((found.start < found.end).then_some(found));
            }
            at += window.len() as u64;
            self.watch()?;
        }
        Ok(None)
    }

    /// Moves a range by the best mechanism that may be used, going on with the next where one refuses.
    fn move_range(&mut self, range: Range<u64>) -> Result<()> {
        self.at = range.start;
        if self.sink_at != range.start {
            lseek(self.sink, range.start as i64, Whence::SeekSet).map_err(|errno| Error::os("lseek", errno))?;
        }
        let before = self.report.bytes;
        self.move_bytes(&range)?;
        self.sink_at = range.start + self.report.bytes - before;
        self.sink_size = self.sink_size.max(self.sink_at);
        Ok(())
    }

    fn move_bytes(&mut self, range: &Range<u64>) -> Result<()> {
        if self.reflink != Reflink::Never {
            let transfer = self.transfer(range);
            return self.run(transfer).map(|report| self.note(report));
        }
        for &mechanism in APART {
            let transfer = self.transfer(range).mechanism(mechanism);
            match self.run(transfer) {
                Err(refusal) if refusal.kind() == ErrorKind::Refused && refusal.moved() == 0 => {
                    self.note_attempt(Attempt::of(mechanism, 0, &refusal));
                }
                ended => return ended.map(|report| self.note(report)),
            }
        }
        unreachable!("read_write refuses nothing");
    }

    fn transfer(&self, range: &Range<u64>) -> Transfer<'a> {
        let [source, sink] = self.ends.each_ref().map(Endpoint::borrow);
        Transfer::new(source, sink).offset(range.start).count(range.end - range.start)
    }

    /// Runs a transfer with the watcher told of all bytes of the copy.
    fn run(&mut self, mut transfer: Transfer<'a>) -> Result<Report> {
        self.process.check()?;
        let before = self.report.bytes;
        let (watch, told) = (&mut self.watch, &mut self.told);
        transfer.run_watched(|moved| {
            *told = Told::of(before + moved);
            watch(before + moved)
        })
    }

    /// Between two ranges, which may be many and small: calls the watcher if it is time.
    fn watch(&mut self) -> Result<()> {
        if self.told.is_due(self.report.bytes) { self.tell() } else { Ok(()) }
    }

    /// Calls the watcher with all bytes, after the last of them.
    pub fn tell_all(&mut self) -> Result<()> {
        self.tell().map_err(|error| error.after(self.report.bytes))
    }

    fn tell(&mut self) -> Result<()> {
        let moved = self.report.bytes;
        self.told = Told::of(moved);
        match (self.watch)(moved) {
            ControlFlow::Continue(()) => self.process.check(),
            ControlFlow::Break(()) => Err(Error::new(ErrorKind::Cancelled, "stopped by the caller")),
        }
    }

    fn note(&mut self, report: Report) {
        self.report.bytes += report.bytes;
        if report.bytes > 0 {
            self.report.mechanism = Some(report.mechanism);
        }
        report.attempts.into_iter().for_each(|attempt| self.note_attempt(attempt));
    }

    /// Each range may meet the same refusal; once is enough.
    fn note_attempt(&mut self, attempt: Attempt) {
        if self.report.attempts.iter().all(|known| known.mechanism != attempt.mechanism) {
            self.report.attempts.push(attempt);
        }
    }
}
