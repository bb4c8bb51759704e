//! Calls that move nothing and exist only to be asked for: is this to be had here? For [`crate::capabilities`].

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

use super::{Sys, by_number, memory};

/// linux/mman.h; libc does not have it for every C library.
pub(crate) const MADV_DONTNEED_LOCKED: libc::c_int = 24;
/// The same.
pub(crate) const MADV_COLLAPSE: libc::c_int = 25;

/// `cachestat(2)`: one number on all architectures, as for every system call since 5.1 (424).
const SYS_CACHESTAT: libc::c_long = 451;
/// `PAGEMAP_SCAN` of linux/fs.h: `_IOWR('f', 16, struct pm_scan_arg)`, 96 bytes.
const PAGEMAP_SCAN: libc::Ioctl = 0xc060_6610_u32 as libc::Ioctl;
/// `RWF_DONTCACHE` of linux/fs.h.
const RWF_DONTCACHE: libc::c_int = 0x80;

/// `io_uring_setup(2)` for so many entries. The ring is gone at once.
pub(crate) fn io_uring_setup(entries: u32) -> Sys<()> {
    // struct io_uring_params: 120 bytes, all zero asks for nothing special; the kernel writes its answer there.
    let mut parameters = [0u64; 15];
    // SAFETY: the second argument is a local of the size that the kernel reads and writes.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, entries, parameters.as_mut_ptr()) };
    let fd = Errno::result(fd)?;
    // SAFETY: the kernel gave this descriptor to us alone.
    drop(unsafe { OwnedFd::from_raw_fd(fd as i32) });
    Ok(())
}

/// madvise(2) for no page at all: whether the kernel knows the advice is looked at before the length.
pub(crate) fn knows_advice(advice: libc::c_int) -> Sys<()> {
    // SAFETY: nothing is in the range.
    unsafe { memory::advise(std::ptr::null_mut(), 0, advice) }
}

/// mremap(2) of a page of a file with `MREMAP_DONTUNMAP`, which before Linux 5.13 was for private anonymous memory alone.
pub(crate) fn move_page(file: BorrowedFd<'_>) -> Sys<()> {
    let page = memory::page_size();
    // One to be moved, and one in whose place.
    let start = memory::map(Some((file, 0)), 2 * page, libc::PROT_READ, libc::MAP_SHARED)?;
    // SAFETY: two pages that were mapped just now, of which nobody else knows.
    let moved = unsafe { memory::move_pages(start, page, start.add(page)) };
    // SAFETY: as above.
    unsafe { memory::unmap(start, 2 * page) }.and(moved)
}

/// `cachestat(2)` of the first page.
pub(crate) fn cachestat(fd: BorrowedFd<'_>) -> Sys<()> {
    let range = [0u64, 4096];
    let mut answer = [0u64; 5];
    // SAFETY: struct cachestat_range is two u64, struct cachestat five; both are locals.
    let result = unsafe { libc::syscall(SYS_CACHESTAT, fd.as_raw_fd(), range.as_ptr(), answer.as_mut_ptr(), 0) };
    Errno::result(result).map(|_| ())
}

/// `PAGEMAP_SCAN` on `/proc/self/pagemap`, over no page at all.
pub(crate) fn pagemap_scan(pagemap: BorrowedFd<'_>) -> Sys<()> {
    // struct pm_scan_arg: its own size, flags, start, end, walk_end, vector, its length, max_pages, four masks.
    let mut argument = [0u64; 12];
    argument[0] = size_of_val(&argument) as u64;
    // SAFETY: the argument is a local of the size it says, and names an empty range and no output vector.
    let result = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN, argument.as_mut_ptr()) };
    Errno::result(result).map(|_| ())
}

/// `ioctl(FICLONE)`: makes `sink` share the blocks of `source`.
pub(crate) fn clone_file(source: BorrowedFd<'_>, sink: BorrowedFd<'_>) -> Sys<()> {
    // SAFETY: FICLONE takes a descriptor and touches no memory.
    let result = unsafe { libc::ioctl(sink.as_raw_fd(), libc::FICLONE, source.as_raw_fd()) };
    Errno::result(result).map(|_| ())
}

/// statx(2) for `STATX_DIOALIGN`: alignment of memory and of offsets in bytes, 0 if the file cannot do direct I/O;
/// `None` if it does not say.
pub(crate) fn statx(fd: BorrowedFd<'_>) -> Sys<Option<(u32, u32)>> {
    let answer = by_number::statx(fd, 0, libc::STATX_DIOALIGN)?;
    let told = answer.stx_mask & libc::STATX_DIOALIGN != 0;
    Ok(told.then_some((answer.stx_dio_mem_align, answer.stx_dio_offset_align)))
}

/// preadv2(2) of one byte with `RWF_DONTCACHE`.
pub(crate) fn read_uncached(fd: BorrowedFd<'_>) -> Sys<()> {
    by_number::read_at(fd, 0, (&mut [0u8][..]).into(), RWF_DONTCACHE).map(drop)
}
