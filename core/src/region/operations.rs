//! What can be done with mapped pages: bring them in, hold them, write them back, change their rights, their number.

use std::ops::RangeBounds;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate, posix_fallocate};
use nix::sys::stat::fstat;
use nix::unistd::ftruncate;

use super::kept::Kept;
use super::mapping::Mapping;
use super::pieces::WayBack;
use super::{Access, Advice, Region, State, busy, invalid, range, refused};
use crate::error::{Error, Result};
use crate::sys::{Calls, Sys, files, memory};

/// What a processor may do with a page. Weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protection {
    /// Nothing: a load is SIGSEGV. No view can be taken of such a region.
    None,
    /// Loads.
    Read,
    /// Loads and stores.
    ReadWrite,
}

/// What pages are brought in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Populate {
    /// Loads: file pages are read in and mapped, private zeroes share one frame.
    Read,
    /// Stores: every page gets its own frame now; no content is changed. A shared file page becomes dirty.
    Write,
}

/// What follows when a region changes its length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// Nothing: the mapping alone.
    Nothing,
    /// The file, cut by a region that becomes shorter, made longer by one that becomes longer.
    Truncate,
    /// The file, which only grows, with its new part allocated at once.
    Allocate,
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
                let started = Calls::default().write_out(file.get()?, from, bytes.len() as u64, false);
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
            if protection < state.protection && Arc::strong_count(&state.mapping) > 1 {
                return Err(busy("no right can be taken away"));
            }
            let whole = bytes == (0..state.mapping.len());
            if state.mapping.inward_or_edge(bytes.clone()) != state.mapping.outward(bytes.clone()) {
                return Err(invalid("rights belong to whole pages: the range must begin and end at page boundaries"));
            }
            let rights = match protection {
                Protection::None => libc::PROT_NONE,
                Protection::Read => libc::PROT_READ,
                Protection::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
            };
            if protection < state.protection {
                self.step_aside(&mut state.mapping)?;
            }
            let (start, length) = state.mapping.inward_or_edge(bytes);
            // mprotect(2) may divide mappings at both ends, and stops half way where there are no more to be had.
            drop(WayBack::keep().map_err(|errno| Error::os("mprotect", errno))?);
            // SAFETY: whole pages of this mapping; no view relies on a right that goes (above).
            unsafe { memory::protect(start, length, rights) }.map_err(|errno| Error::os("mprotect", errno))?;
            state.protection = if whole { protection } else { state.protection.min(protection) };
            // What a view of it may do now, it may do after a close, too.
            if state.protection == Protection::ReadWrite && state.access == Access::ReadOnly {
                state.access = Access::ReadWrite;
            }
            Ok(())
        })
    }

    /// Makes the region longer or shorter (mremap(2)); its address may change. EBUSY while views exist. After an error it is
    /// as it was. New pages have the advice, the lock and the rights of the last page before; all others keep their own.
    ///
    /// A region that keeps its file cannot grow beyond the file's end. One that does not keep it can, and finds
    /// [`crate::ErrorKind::Faulted`] there until the file has grown, too.
    pub fn resize(&self, length: u64) -> Result<()> {
        self.resize_following(length, Follow::Nothing)
    }

    /// As [`Region::resize`], and the file goes along: a region that becomes shorter cuts its file where it ends (ftruncate(2)), one
    /// that becomes longer makes a file that ends before it longer, and cuts nothing: what others have added meanwhile stays.
    ///
    /// What is added is a hole up to its last page, which is allocated (ENOSPC if it cannot be): on a full device the first
    /// store into the hole fails (checked) or is SIGBUS (through a view). Where the file system has no fallocate(2) it is
    /// zeroes, which are appended.
    pub fn resize_with_file(&self, length: u64) -> Result<()> {
        self.resize_following(length, Follow::Truncate)
    }

    /// All or nothing: the mapping grows first, because a file that others hold may be one that is never made shorter again,
    /// and shrinks last, because that cannot fail.
    pub(super) fn resize_following(&self, length: u64, follow: Follow) -> Result<()> {
        self.with_mut(|state| {
            let State { mapping, file, offset, .. } = state;
            let length = length
                .checked_next_multiple_of(if mapping.page() > memory::page_size() { mapping.page() as u64 } else { 1 })
                .filter(|length| i64::try_from(length.saturating_add(*offset)).is_ok())
                .ok_or_else(|| invalid("longer than the address space"))?;
            let end = *offset + length;
            let file = file.as_ref().map(Kept::get).transpose()?;
            let size = |file: BorrowedFd<'_>| {
                fstat(file).map(|stat| stat.st_size as u64).map_err(|errno| Error::os("fstat", errno))
            };
            let before = match (file, follow) {
                (None, Follow::Nothing) => None,
                (None, _) => return Err(invalid("the region does not keep its file")),
                (Some(file), Follow::Nothing) if end > size(file)? => {
                    return Err(invalid("the file ends before the region would"));
                }
                (Some(_), Follow::Nothing) => None,
                (Some(file), _) => Some((file, size(file)?)),
            };
            let length_before = mapping.len();
            let is_longer = length as usize > length_before;
            self.fit(mapping, length as usize)?;
            resize(mapping, length_before.max(length as usize))?;
            let followed = match before {
                Some((file, before)) if end > before => extend(file, before, end, follow),
                // A file that is longer than a region that grows has been made so by others.
                Some((file, before)) if end < before && !is_longer => {
                    ftruncate(file, end as i64).map_err(|errno| Error::os("ftruncate", errno))
                }
                _ => Ok(()),
            };
            resize(mapping, if followed.is_ok() { length as usize } else { length_before })?;
            followed
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

fn resize(mapping: &mut Arc<Mapping>, length: usize) -> Result<()> {
    if Mapping::resize(mapping, length, true)? { Ok(()) } else { Err(busy("the region cannot be resized")) }
}

fn extend(file: BorrowedFd<'_>, from: u64, to: u64, follow: Follow) -> Result<()> {
    if follow == Follow::Truncate { lengthen(file, to) } else { allocate(file, from, to) }
}

/// Makes a file that is shorter end there. Not by ftruncate(2), which would cut off what others append at this moment.
fn lengthen(file: BorrowedFd<'_>, end: u64) -> Result<()> {
    loop {
        match fallocate(file, FallocateFlags::empty(), end as i64 - 1, 1) {
            Err(Errno::EINTR) => {}
            Err(Errno::EOPNOTSUPP) => return append_zeroes(file, end),
            allocated => return allocated.map_err(|errno| Error::os("fallocate", errno)),
        }
    }
}

/// The same where the file system cannot allocate. The kernel decides where each piece goes, so that none is written over what
/// somebody else has appended meanwhile.
fn append_zeroes(file: BorrowedFd<'_>, end: u64) -> Result<()> {
    static ZEROES: [u8; 64 << 10] = [0; 64 << 10];
    loop {
        let size = fstat(file).map_err(|errno| Error::os("fstat", errno))?.st_size as u64;
        let missing = end.saturating_sub(size).min(ZEROES.len() as u64) as usize;
        if missing == 0 {
            return Ok(());
        }
        match files::append(file, &ZEROES[..missing]) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::os("write", errno)),
        }
    }
}

/// Makes a file longer with storage behind every byte of its new part: ENOSPC now instead of SIGBUS later.
pub(super) fn allocate(file: BorrowedFd<'_>, from: u64, to: u64) -> Result<()> {
    if from == to {
        return Ok(());
    }
    loop {
        match fallocate(file, FallocateFlags::empty(), from as i64, (to - from) as i64) {
            Err(Errno::EINTR) => {}
            // The C library writes a byte into every block.
            Err(Errno::EOPNOTSUPP) => {
                let allocated = posix_fallocate(file, from as i64, (to - from) as i64);
                return allocated.map_err(|errno| Error::os("posix_fallocate", errno));
            }
            Err(errno) => return Err(Error::os("fallocate", errno)),
            Ok(()) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;

    use super::*;

    /// Every way to make a file longer leaves one that is longer by now as it is, and its position, too.
    #[test]
    fn a_file_is_made_longer_and_never_shorter() {
        for lengthen in [lengthen, append_zeroes] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"appended by others").unwrap();
            lengthen(file.as_fd(), 5).unwrap();
            assert_eq!(std::os::unix::fs::FileExt::read_at(&file, &mut [0; 100], 0).unwrap(), 18);
            lengthen(file.as_fd(), 200_000).unwrap();
            file.write_all(b"!").unwrap();
            let mut content = vec![1; 300_000];
            assert_eq!(std::os::unix::fs::FileExt::read_at(&file, &mut content, 0).unwrap(), 200_000);
            assert_eq!(&content[..19], b"appended by others!");
            assert!(content[19..200_000].iter().all(|&byte| byte == 0));
        }
    }
}
