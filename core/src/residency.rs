//! Which part of a file is in memory, so that an event loop can know before it reads whether it would wait for a disk.
//!
//! The answer is of one moment: a page may be dropped or arrive right after. Asking reads nothing from the disk and keeps
//! nothing in memory.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{FileStat, SFlag, fstat};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::SyscallCounter;
use crate::sys::files::{cachestat, effective_user, pages_in_core};
use crate::sys::memory::page_size;

/// How many pages of a range of a file are in the page cache.
///
/// ```
/// # let mut file = tempfile::tempfile()?;
/// # std::io::Write::write_all(&mut file, &[1; 8192])?;
/// let found = zcio::residency(&file, 0, 8192)?;
/// println!("{found:?}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileResidency {
    /// Pages in the cache.
    pub present: u64,
    /// Pages that the range touches, as far as the file goes.
    pub total: u64,
    /// The system call that counted them.
    pub counted_by: CountedBy,
}

impl FileResidency {
    /// Whether reading the range would not have to wait for a disk. True of an empty range.
    pub fn is_complete(&self) -> bool {
        self.present >= self.total
    }
}

/// A system call that can say what is in the page cache.
///
/// ```
/// let found = zcio::residency(tempfile::tempfile()?, 0, 0)?;
/// println!("{}", found.counted_by.name());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CountedBy {
    /// cachestat(2), Linux 6.5: one call for any length.
    Cachestat,
    /// mincore(2) on a mapping made for it: a byte a page.
    Mincore,
}

impl CountedBy {
    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cachestat => "cachestat",
            Self::Mincore => "mincore",
        }
    }
}

/// How many pages of `length` bytes from `offset` on are in memory. What is behind the end of the file does not count.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] for anything but a regular file; [`ErrorKind::PermissionDenied`] for a file that is neither
/// open for writing nor writable or owned by this user, whose residency the kernel keeps to itself;
/// [`ErrorKind::BadDescriptor`].
pub fn residency(fd: impl AsFd, offset: u64, length: u64) -> Result<FileResidency> {
    let fd = fd.as_fd();
    let stat = fstat(fd).map_err(|errno| Error::os("fstat", errno))?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Err(Error::new(ErrorKind::InvalidInput, "only a regular file has pages to count"));
    }
    let end = offset.saturating_add(length).min(stat.st_size as u64);
    // A length of 0 would mean "to the end" to the kernel.
    if offset >= end {
        return Ok(FileResidency { present: 0, total: 0, counted_by: CountedBy::Cachestat });
    }
    let page = page_size() as u64;
    let total = end.div_ceil(page) - offset / page;
    let (present, counted_by) = match cachestat(fd, offset, end - offset) {
        Ok(counts) => (counts.cache, CountedBy::Cachestat),
        // Not there, hidden, or not for huge pages.
        Err(Errno::ENOSYS | Errno::EOPNOTSUPP) => (by_mincore(fd, offset, end, page)?, CountedBy::Mincore),
        // A filter's no, or the kernel's because of the file; where the file is ours it must be a filter's. mincore would
        // not refuse somebody else's file, but call every page present.
        Err(Errno::EPERM) if is_ours(fd, &stat) => (by_mincore(fd, offset, end, page)?, CountedBy::Mincore),
        Err(errno) => return Err(Error::os("cachestat", errno)),
    };
    Ok(FileResidency { present, total, counted_by })
}

/// Whether the file is open for writing, or belongs to this user.
fn is_ours(fd: BorrowedFd<'_>, stat: &FileStat) -> bool {
    let flags = fcntl(fd, FcntlArg::F_GETFL).map_or(OFlag::empty(), OFlag::from_bits_retain);
    [0, stat.st_uid].contains(&effective_user()) || (flags & OFlag::O_ACCMODE) != OFlag::O_RDONLY
}

/// Counts a window at a time, so that neither the mapping nor the bytes that mincore fills grow with the file.
fn by_mincore(fd: BorrowedFd<'_>, offset: u64, end: u64, page: u64) -> Result<u64> {
    const WINDOW: u64 = 256 << 20;
    let (mut at, mut present, mut calls) = (offset - offset % page, 0, SyscallCounter::default());
    while at < end {
        let length = (end - at).min(WINDOW);
        let map = calls.map(fd, at, length as usize).map_err(|errno| Error::os("mmap", errno))?;
        present += pages_in_core(&map, page as usize).map_err(|errno| Error::os("mincore", errno))?;
        at += length;
    }
    Ok(present)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use super::*;

    fn file_of(pages: usize) -> std::fs::File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; pages * 4096 - 100]).unwrap();
        file
    }

    #[test]
    fn both_ways_of_counting_agree() {
        let file = file_of(1000);
        // On a disk, if that is where temporary files are, the first 600 pages go.
        file.sync_all().unwrap();
        SyscallCounter::default().drop_pages(file.as_fd(), 0, 600 * 4096).unwrap();
        for (offset, length) in [(0, u64::MAX), (0, 4096 * 1000), (4095, 2), (599 * 4096, 8192), (999 * 4096, 1)] {
            let end = (offset + length.min(1 << 30)).min(4096 * 1000 - 100);
            let both = || {
                let found = residency(&file, offset, length).unwrap();
                (found, by_mincore(file.as_fd(), offset, end, 4096).unwrap())
            };
            if both().0.counted_by != CountedBy::Cachestat {
                return eprintln!("SKIPPED: no cachestat here");
            }
            // More than once, as below.
            let agree = |_| matches!(both(), (found, by_mincore) if found.present == by_mincore);
            assert!((0..5).any(agree), "{offset} {length}: {:?}", both());
        }
    }

    #[test]
    fn totals_end_with_the_file() {
        let file = file_of(10);
        let total = |offset, length| residency(&file, offset, length).unwrap().total;
        assert_eq!([total(0, u64::MAX), total(0, 1), total(4095, 2), total(4096 * 9, 4096)], [10, 1, 2, 1]);
        assert_eq!([total(0, 0), total(4096 * 10, 1), total(u64::MAX, u64::MAX)], [0, 0, 0]);
        // More than once: the kernel may take pages whenever it likes.
        let complete = |_| {
            file.write_all_at(&vec![7; 10 * 4096 - 100], 0).unwrap();
            residency(&file, 0, u64::MAX).unwrap().is_complete()
        };
        assert!((0..5).any(complete));
    }

    #[test]
    fn a_stream_has_no_pages() {
        let (read, _write) = std::io::pipe().unwrap();
        assert_eq!(residency(&read, 0, 1).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
