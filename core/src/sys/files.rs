//! Raw calls about files and the page cache: sharing blocks, advice about pages, and the count of pages present.
//!
//! Those made while a transfer moves bytes are methods of [`SyscallCounter`] and counted; the others are plain functions.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, PosixFadviseAdvice, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, SFlag};

use super::{SpanMut, Sys, SyscallCounter, by_number};

/// What a descriptor refers to ([`crate::Facts::identity`]). Many nodes can name one block device.
pub(crate) fn identity(stat: &FileStat) -> (u64, u64) {
    let is_block_device = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFBLK;
    if is_block_device { (u64::MAX, stat.st_rdev) } else { (stat.st_dev, stat.st_ino) }
}

/// The size of a block device in bytes (`BLKGETSIZE64`), which fstat(2) does not say.
pub(crate) fn device_size(device: BorrowedFd<'_>) -> Sys<u64> {
    let mut size = 0_u64;
    // SAFETY: the request stores one u64, despite its definition with size_t, through a pointer to a local of that type.
    Errno::result(unsafe { libc::ioctl(device.as_raw_fd(), BLKGETSIZE64, &raw mut size) }).map(|_| size)
}

/// linux/fs.h; libc does not have it.
const BLKGETSIZE64: libc::Ioctl = libc::_IOR::<usize>(0x12, 114);

/// Finds what a path names if all its names are in the kernel's cache, else EAGAIN: openat2(2) with `O_PATH` and
/// `RESOLVE_CACHED`.
pub(crate) fn find_cached(path: &Path) -> Sys<OwnedFd> {
    /// linux/openat2.h; libc does not have it.
    const RESOLVE_CACHED: u64 = 0x20;
    let how =
        OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::from_bits_retain(RESOLVE_CACHED));
    openat2(AT_FDCWD, path, how)
}

/// Whether it is a regular file of a file system that is all in the kernel; asked without looking at the disk (statx(2)).
pub(crate) fn is_local_file(file: BorrowedFd<'_>) -> Sys<bool> {
    let answer = by_number::statx(file, libc::AT_STATX_DONT_SYNC, libc::STATX_TYPE)?;
    // They know of files that cannot be changed (chattr(1)); FUSE and the network file systems do not.
    let local = answer.stx_attributes_mask & libc::STATX_ATTR_IMMUTABLE as u64 != 0;
    Ok(local && u32::from(answer.stx_mode) & libc::S_IFMT == libc::S_IFREG)
}

/// What cachestat(2) fills in, in pages (`struct cachestat` of linux/mman.h).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CacheCounts {
    /// In the page cache.
    pub cache: u64,
    /// Of those, waiting to be written out.
    pub dirty: u64,
    /// Of those, being written out.
    pub writeback: u64,
    /// Not in the cache any more, but remembered.
    pub evicted: u64,
    /// Of those, gone so recently that they were needed.
    pub recently_evicted: u64,
}

impl SyscallCounter {
    /// read(2) or pread(2) into memory that others may look at. Pages that are gone, or may not be written, are EFAULT or a
    /// short count, and nothing that was not stored has been taken out of a stream.
    #[inline]
    pub fn read_span(&mut self, fd: BorrowedFd<'_>, at: Option<u64>, into: SpanMut<'_>) -> Sys<usize> {
        let length = self.enter("read", fd, into.len())?;
        match at {
            None => {
                // SAFETY: the span is writable for its length, which `length` never exceeds; the kernel checks the pages.
                let count = unsafe { libc::read(fd.as_raw_fd(), into.as_mut_ptr().cast(), length) };
                Errno::result(count).map(|count| count as usize)
            }
            Some(at) => by_number::pread(fd, at, into.part(0, length as u64)),
        }
    }

    /// `ioctl_ficlone(2)`: the sink becomes a clone of the whole source.
    pub fn clone_file(&mut self, source: BorrowedFd<'_>, sink: BorrowedFd<'_>) -> Sys<()> {
        self.made += 1;
        // SAFETY: FICLONE takes a descriptor as its argument and touches no memory of this process.
        Errno::result(unsafe { libc::ioctl(sink.as_raw_fd(), libc::FICLONE, source.as_raw_fd()) }).map(drop)
    }

    /// `ioctl_ficlonerange(2)`.
    pub fn clone_range(
        &mut self,
        source: BorrowedFd<'_>,
        source_at: u64,
        length: u64,
        sink: BorrowedFd<'_>,
        sink_at: u64,
    ) -> Sys<()> {
        // To the kernel it would mean "to the end of the source".
        assert!(length > 0);
        self.clone_range_or_rest(source, source_at, length, sink, sink_at)
    }

    /// The same for everything behind `source_at`, to the sink's start.
    pub fn clone_end(&mut self, source: BorrowedFd<'_>, source_at: u64, sink: BorrowedFd<'_>) -> Sys<()> {
        self.clone_range_or_rest(source, source_at, 0, sink, 0)
    }

    fn clone_range_or_rest(
        &mut self,
        source: BorrowedFd<'_>,
        source_at: u64,
        length: u64,
        sink: BorrowedFd<'_>,
        sink_at: u64,
    ) -> Sys<()> {
        self.made += 1;
        let range = libc::file_clone_range {
            src_fd: i64::from(source.as_raw_fd()),
            src_offset: source_at,
            src_length: length,
            dest_offset: sink_at,
        };
        // SAFETY: FICLONERANGE reads one struct of this type, which outlives the call.
        Errno::result(unsafe { libc::ioctl(sink.as_raw_fd(), libc::FICLONERANGE, &raw const range) }).map(drop)
    }

    /// The block size of the file system that a file is on, in bytes (fstatfs(2)).
    pub fn block_size(&mut self, fd: BorrowedFd<'_>) -> Sys<u64> {
        self.made += 1;
        nix::sys::statfs::fstatfs(fd).map(|found| u64::try_from(found.block_size()).unwrap_or(0).max(1))
    }

    /// readahead(2).
    pub fn read_ahead(&mut self, fd: BorrowedFd<'_>, at: u64, length: usize) -> Sys<()> {
        self.made += 1;
        // SAFETY: takes a descriptor and two numbers.
        Errno::result(unsafe { libc::readahead(fd.as_raw_fd(), at as i64, length) }).map(drop)
    }

    /// `posix_fadvise(2)` with `POSIX_FADV_DONTNEED`: drops the whole pages of the range that are clean and unused.
    pub fn drop_pages(&mut self, fd: BorrowedFd<'_>, at: u64, length: u64) -> Sys<()> {
        self.made += 1;
        nix::fcntl::posix_fadvise(fd, at as i64, length as i64, PosixFadviseAdvice::POSIX_FADV_DONTNEED)
    }

    /// preadv2(2) with `RWF_NOWAIT`: what is in the page cache now; EAGAIN if nothing is.
    pub fn read_cached(&mut self, fd: BorrowedFd<'_>, at: u64, into: SpanMut<'_>) -> Sys<usize> {
        let length = self.enter("read", fd, into.len())?;
        by_number::read_at(fd, at, into.part(0, length as u64), libc::RWF_NOWAIT)
    }

    /// `sync_file_range(2)`: starts writing dirty pages out and, with `wait`, waits until they are written.
    pub fn write_out(&mut self, fd: BorrowedFd<'_>, at: u64, length: u64, wait: bool) -> Sys<()> {
        self.made += 1;
        let start = libc::SYNC_FILE_RANGE_WRITE;
        let whole = libc::SYNC_FILE_RANGE_WAIT_BEFORE | start | libc::SYNC_FILE_RANGE_WAIT_AFTER;
        let flags = if wait { whole } else { start };
        // SAFETY: takes a descriptor and numbers.
        Errno::result(unsafe { libc::sync_file_range(fd.as_raw_fd(), at as i64, length as i64, flags) }).map(drop)
    }
}

/// Appends to a file, whatever position and flags it has (pwritev2(2), `RWF_APPEND`).
pub(crate) fn append(file: BorrowedFd<'_>, bytes: &[u8]) -> Sys<usize> {
    by_number::write_at(file, 0, bytes.into(), libc::RWF_APPEND)
}

/// Magic numbers of file systems that can share blocks between files, some of them only when they were made so, or only
/// on some servers (statfs(2), linux/magic.h). overlayfs passes the question on to the file system below.
const SHARING: [u64; 9] = [
    0x5846_5342, // XFS
    0x9123_683e, // btrfs
    0xca45_1a4e, // bcachefs
    0x7461_636f, // OCFS2
    0x2fc1_2fc1, // ZFS
    0x6969,      // NFS (4.2)
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB2 and later
    0x794c_7630, // overlayfs
];

/// Whether a file is on a file system of a type that can share blocks (fstatfs(2)); false where that cannot be found out.
pub(crate) fn may_share_blocks(fd: BorrowedFd<'_>) -> bool {
    nix::sys::statfs::fstatfs(fd).is_ok_and(|found| {
        // The type is a long in C, and the larger numbers come sign-extended on some systems.
        SHARING.contains(&(found.filesystem_type().0 as u64 & 0xffff_ffff))
    })
}

/// cachestat(2), Linux 6.5. A length of 0 means to the end of the file.
pub(crate) fn cachestat(fd: BorrowedFd<'_>, offset: u64, length: u64) -> Sys<CacheCounts> {
    #[repr(C)]
    struct Range {
        offset: u64,
        length: u64,
    }
    // The same on every architecture; libc does not have it for all.
    const SYS_CACHESTAT: libc::c_long = 451;
    let range = Range { offset, length };
    let mut counts = CacheCounts::default();
    // SAFETY: the kernel reads the range and writes the counts, both of its own layout and alive during the call.
    let result =
        unsafe { libc::syscall(SYS_CACHESTAT, fd.as_raw_fd(), &raw const range, &raw mut counts, 0 as libc::c_uint) };
    Errno::result(result).map(|_| counts)
}

/// mincore(2) on a mapping: how many of its pages are present.
pub(crate) fn pages_in_core(map: &memmap2::MmapRaw, page: usize) -> Sys<u64> {
    let mut pages = super::heap::zeroes(map.len().div_ceil(page))?;
    // SAFETY: the mapping is page-aligned and alive, and there is one byte for each of its pages.
    let result = unsafe { libc::mincore(map.as_mut_ptr().cast(), map.len(), pages.as_mut_ptr()) };
    Errno::result(result).map(|_| pages.iter().filter(|&&page| page & 1 == 1).count() as u64)
}

/// The user that permissions are checked for.
pub(crate) fn effective_user() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}
