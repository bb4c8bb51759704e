//! What can be done with mapped pages: bring them in, hold them, write them back, change their rights.

use std::ops::RangeBounds;
use std::sync::Arc;

use super::fault::refused;
use super::pieces::WayBack;
use super::refusal::{busy, invalid};
use super::{Access, Advice, Protection, Region, range};
use crate::error::{Error, Result};
use crate::sys::{Sys, SyscallCounter, memory};

/// What pages are brought in for.
///
/// ```
/// use zcio::region::{Populate, Region};
///
/// let region = Region::anonymous(8192)?;
/// region.populate(.., Populate::Write)?;
/// let residency = region.residency(..)?;
/// assert_eq!(residency.present, residency.total);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Populate {
    /// Loads: file pages are read in and mapped, private zeroes share one frame.
    Read,
    /// Stores: every page gets its own frame now; no content is changed. A shared file page becomes dirty.
    Write,
}

impl Region {
    /// Starts to read a range of a file into the page cache and does not wait (`MADV_WILLNEED`).
    pub fn prefetch(&self, range: impl RangeBounds<u64>) -> Result<()> {
        self.advise(range, Advice::WillNeed)
    }

    /// Maps every page of a range now, so that no page fault comes later (`MADV_POPULATE_READ`, `_WRITE`, Linux 5.14).
    pub fn populate(&self, range: impl RangeBounds<u64>, purpose: Populate) -> Result<()> {
        self.advise(range, if purpose == Populate::Read { Advice::PopulateRead } else { Advice::PopulateWrite })
    }

    /// Brings a range in and keeps it in memory (mlock2(2)). ENOMEM or EPERM beyond `RLIMIT_MEMLOCK`.
    pub fn lock(&self, range: impl RangeBounds<u64>) -> Result<()> {
        self.lock_pages(&range, false)
    }

    /// As [`Region::lock`], but a page is brought in only when it is first touched, and stays then (`MLOCK_ONFAULT`).
    pub fn lock_on_fault(&self, range: impl RangeBounds<u64>) -> Result<()> {
        self.lock_pages(&range, true)
    }

    fn lock_pages(&self, range: &impl RangeBounds<u64>, on_fault: bool) -> Result<()> {
        // SAFETY: `on_pages` gives whole pages of this mapping.
        self.on_pages(range, "mlock2", |start, length| unsafe { memory::lock(start, length, on_fault) })
    }

    /// Lets the kernel reclaim a range again (munlock(2)). Locks do not nest.
    pub fn unlock(&self, range: impl RangeBounds<u64>) -> Result<()> {
        // SAFETY: `on_pages` gives whole pages of this mapping.
        self.on_pages(&range, "munlock", |start, length| unsafe { memory::unlock(start, length) })
    }

    /// Writes the changed pages of a range back to the file and waits for the device (msync(2), `MS_SYNC`).
    ///
    /// An error of an earlier write-back (EIO, ENOSPC) is told here. Private and anonymous memory has nothing to write.
    pub fn flush(&self, range: impl RangeBounds<u64>) -> Result<()> {
        // SAFETY: `on_pages` gives whole pages of this mapping.
        self.on_pages(&range, "msync", |start, length| unsafe { memory::sync(start, length, libc::MS_SYNC) })
    }

    /// Starts to write the changed pages of a range back, and does not wait.
    ///
    /// By `sync_file_range(2)` if the region keeps its file ([`super::RegionOptions::map_owning`]). Otherwise by msync(2)
    /// with `MS_ASYNC`, which on Linux starts nothing: the pages are written at the kernel's next turn.
    pub fn flush_async(&self, range: impl RangeBounds<u64>) -> Result<()> {
        self.with(|state| {
            let bytes = range::resolve(&range, state.mapping.len())?;
            if bytes.is_empty() {
                return Ok(());
            }
            if let (Some(file), Access::ReadWrite) = (&state.file, state.access) {
                let from = state.offset + bytes.start as u64;
                let started = SyscallCounter::default().write_out(file.get()?, from, bytes.len() as u64, false);
                return started.map_err(|errno| Error::os("sync_file_range", errno));
            }
            let (start, length) = state.mapping.outward(bytes);
            // SAFETY: whole pages of this mapping.
            unsafe { memory::sync(start, length, libc::MS_ASYNC) }.map_err(|errno| refused("msync", errno))
        })
    }

    /// Changes what may be done with a range (mprotect(2)). Its ends must be page boundaries or the region's own ends.
    ///
    /// EBUSY if a right would be taken away while views exist. Checked copies respect it: a write to a read-only range is
    /// [`crate::ErrorKind::Faulted`]. A region that was mapped for reading becomes one for both when all of it is made
    /// writable, which the kernel allows (or else EACCES) if its file was open for both.
    pub fn protect(&self, range: impl RangeBounds<u64>, protection: Protection) -> Result<()> {
        self.with_mut(|state| {
            let bytes = range::resolve(&range, state.mapping.len())?;
            if bytes.is_empty() {
                return Ok(());
            }
            if state.mapping.receives {
                return Err(invalid(
                    "a region that receives is for reading: pages of a socket's queue cannot be written",
                ));
            }
            if protection < state.protection && Arc::strong_count(&state.mapping) > 1 {
                return Err(busy("no right can be taken away"));
            }
            let whole = bytes == (0..state.mapping.len());
            if state.mapping.inward_or_edge(bytes.clone()) != state.mapping.outward(bytes.clone()) {
                return Err(invalid("rights belong to whole pages: the range must begin and end at page boundaries"));
            }
            if protection < state.protection {
                self.step_aside(&mut state.mapping)?;
            }
            let (start, length) = state.mapping.inward_or_edge(bytes);
            // mprotect(2) may divide mappings at both ends, and stops half way where there are no more to be had.
            drop(WayBack::keep().map_err(|errno| Error::os("mprotect", errno))?);
            // Should it fail half way, nobody relies on a right that may have gone.
            let least = state.protection.min(protection);
            state.protection = least;
            // SAFETY: whole pages of this mapping; no view relies on a right that goes (above).
            unsafe { memory::protect(start, length, protection.bits()) }
                .map_err(|errno| Error::os("mprotect", errno))?;
            state.protection = if whole { protection } else { least };
            // What a view of it may do now, it may do after a close, too.
            if state.protection == Protection::ReadWrite && state.access == Access::ReadOnly {
                state.access = Access::ReadWrite;
            }
            Ok(())
        })
    }

    /// Runs a system call on the whole pages that have a byte of the range.
    fn on_pages(
        &self,
        range: &impl RangeBounds<u64>,
        operation: &'static str,
        call: impl FnOnce(*mut u8, usize) -> Sys<()>,
    ) -> Result<()> {
        self.with(|state| {
            let bytes = range::resolve(range, state.mapping.len())?;
            let last = bytes.end.saturating_sub(1);
            let (start, length) = state.mapping.outward(bytes);
            if length == 0 {
                return Ok(());
            }
            call(start, length).map_err(|errno| state.refused(operation, errno, last))
        })
    }
}
