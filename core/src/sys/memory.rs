//! The system calls about memory that is already mapped, and copies out of it and into it made by the kernel.
//!
//! Every function takes a raw range, because the pages behind it can be changed by others at any time: no slice of them
//! is ever made. The callers (region/, memory/) answer for the range; nothing here retries or decides.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;

use super::{Sys, owner};

/// The size of a base page in bytes. Asked for once; afterwards a plain load, also inside a signal handler.
pub(crate) fn page_size() -> usize {
    static SIZE: AtomicUsize = AtomicUsize::new(0);
    match SIZE.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: sysconf reads a constant of the system.
            let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            let size = usize::try_from(size).expect("the kernel has a page size");
            SIZE.store(size, Ordering::Relaxed);
            size
        }
        size => size,
    }
}

/// madvise(2).
///
/// # Safety
/// The range lies in one mapping of the caller's, and its owner accepts what the advice does to the content.
pub(crate) unsafe fn advise(start: *mut u8, length: usize, advice: libc::c_int) -> Sys<()> {
    // SAFETY: as the caller promised.
    Errno::result(unsafe { libc::madvise(start.cast(), length, advice) }).map(drop)
}

/// mlock2(2); `on_fault` locks pages as they come instead of bringing them all in.
///
/// # Safety
/// The range lies in one mapping of the caller's.
pub(crate) unsafe fn lock(start: *mut u8, length: usize, on_fault: bool) -> Sys<()> {
    // MLOCK_ONFAULT, which libc does not name for every C library.
    let flags = libc::c_long::from(on_fault);
    // SAFETY: as the caller promised; mlock2 changes no content. The raw call, because old C libraries lack it.
    Errno::result(unsafe { libc::syscall(libc::SYS_mlock2, start, length, flags) }).map(drop)
}

/// munlock(2).
///
/// # Safety
/// The range lies in one mapping of the caller's.
pub(crate) unsafe fn unlock(start: *mut u8, length: usize) -> Sys<()> {
    // SAFETY: as the caller promised. The raw call, because sanitizers make munlock do nothing.
    Errno::result(unsafe { libc::syscall(libc::SYS_munlock, start, length) }).map(drop)
}

/// msync(2) with `MS_SYNC` or `MS_ASYNC`.
///
/// # Safety
/// The range lies in one mapping of the caller's.
pub(crate) unsafe fn sync(start: *mut u8, length: usize, flags: libc::c_int) -> Sys<()> {
    // SAFETY: as the caller promised.
    Errno::result(unsafe { libc::msync(start.cast(), length, flags) }).map(drop)
}

/// mprotect(2).
///
/// # Safety
/// The range lies in one mapping of the caller's, and nobody relies on the rights that are taken away.
pub(crate) unsafe fn protect(start: *mut u8, length: usize, rights: libc::c_int) -> Sys<()> {
    // SAFETY: as the caller promised.
    Errno::result(unsafe { libc::mprotect(start.cast(), length, rights) }).map(drop)
}

/// mincore(2): one byte a page, bit 0 says whether it is present.
///
/// # Safety
/// `start` is on a page boundary and `pages.len()` pages from there lie in mappings of the caller's.
pub(crate) unsafe fn resident(start: *mut u8, pages: &mut [u8]) -> Sys<()> {
    // SAFETY: as the caller promised; the kernel writes one byte a page into `pages`.
    Errno::result(unsafe { libc::mincore(start.cast(), pages.len() * page_size(), pages.as_mut_ptr()) }).map(drop)
}

/// Puts private zero pages, not reserved in swap, in the place of what is mapped there (mmap(2), `MAP_FIXED`), in one step:
/// whoever reads or writes the range meanwhile meets the old pages or the new ones, never a hole.
///
/// Async-signal-safe: one raw system call, and errno is left as it was.
///
/// # Safety
/// The range is page-aligned, lies in one mapping of the caller's, and its content may be thrown away.
pub(crate) unsafe fn replace_by_zeroes(start: *mut u8, length: usize, rights: libc::c_int) -> Sys<()> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
    let before = Errno::last_raw();
    // SAFETY: as the caller promised. The raw call, because a sanitizer's wrapper is not for signal handlers.
    let mapped = unsafe { libc::syscall(libc::SYS_mmap, start, length, rights, flags, -1_i64, 0_i64) };
    let result = Errno::result(mapped).map(drop);
    Errno::set_raw(before);
    result
}

/// mmap(2) of part of a file, or of zeroes, at addresses of the kernel's choice; see [`map_at`].
pub(crate) fn map(
    file: Option<(BorrowedFd<'_>, u64)>,
    length: usize,
    rights: libc::c_int,
    flags: libc::c_int,
) -> Sys<*mut u8> {
    // SAFETY: a new mapping touches none that exists.
    unsafe { map_at(std::ptr::null_mut(), file, length, rights, flags) }
}

/// mmap(2); the offset in the file is one of a whole page. Without a file `flags` get `MAP_ANONYMOUS`.
///
/// # Safety
/// With `MAP_FIXED` the range is the caller's, and its content may be thrown away.
pub(crate) unsafe fn map_at(
    start: *mut u8,
    file: Option<(BorrowedFd<'_>, u64)>,
    length: usize,
    rights: libc::c_int,
    flags: libc::c_int,
) -> Sys<*mut u8> {
    let (fd, offset, flags) = match file {
        Some((fd, offset)) => (fd.as_raw_fd(), offset as libc::off_t, flags),
        None => (-1, 0, flags | libc::MAP_ANONYMOUS),
    };
    // SAFETY: as the caller promised.
    let mapped = unsafe { libc::mmap(start.cast(), length, rights, flags, fd, offset) };
    if mapped == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(mapped.cast()) }
}

/// munmap(2). ENOMEM if that would leave two mappings where one was, and this process has as many as it may have.
///
/// # Safety
/// The range is the caller's, and nobody uses it any more.
pub(crate) unsafe fn unmap(start: *mut u8, length: usize) -> Sys<()> {
    // SAFETY: as the caller promised.
    Errno::result(unsafe { libc::munmap(start.cast(), length) }).map(drop)
}

/// Makes a mapping longer (mremap(2)), and moves it to where there is room if it may: ENOMEM if it may not, EFAULT if it is
/// more than one to the kernel.
///
/// # Safety
/// The range is the caller's, and nobody has an address in it.
pub(crate) unsafe fn grow(start: *mut u8, length: usize, new_length: usize, may_move: bool) -> Sys<*mut u8> {
    let flags = if may_move { libc::MREMAP_MAYMOVE } else { 0 };
    // SAFETY: as the caller promised.
    let moved = unsafe { libc::mremap(start.cast(), length, new_length, flags) };
    if moved == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(moved.cast()) }
}

/// As [`grow`], in the place of what is mapped at `target`. The old range is not mapped any more.
///
/// # Safety
/// As [`grow`]; the `new_length` bytes at `target` are the caller's, and may be thrown away.
pub(crate) unsafe fn grow_to(start: *mut u8, length: usize, target: *mut u8, new_length: usize) -> Sys<()> {
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    // SAFETY: as the caller promised.
    Errno::result(unsafe { libc::syscall(libc::SYS_mremap, start, length, new_length, flags, target) }).map(drop)
}

/// Moves pages with their content to other addresses, in the place of what is mapped there (mremap(2), `MREMAP_FIXED`). The
/// old range stays mapped (`MREMAP_DONTUNMAP`): a file's pages come again, private ones are zeroes. EFAULT if the range is
/// more than one mapping to the kernel.
///
/// # Safety
/// Both ranges are page-aligned, of this length, and the caller's; what is mapped at `target` may be thrown away, and nobody
/// relies on the content at `start`.
pub(crate) unsafe fn move_pages(start: *mut u8, length: usize, target: *mut u8) -> Sys<()> {
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED | libc::MREMAP_DONTUNMAP;
    // SAFETY: as the caller promised.
    let moved = unsafe { libc::syscall(libc::SYS_mremap, start, length, length, flags, target) };
    Errno::result(moved).map(drop)
}

/// `process_vm_readv(2)` of our own memory: the kernel copies, so a page that is gone is EFAULT or a short count.
///
/// # Safety
/// `from` points into a mapping of the caller's; how much of it is there is the kernel's to find out. `into` is the
/// caller's to write to, `length` bytes.
pub(crate) unsafe fn checked_read(from: *const u8, into: *mut u8, length: usize) -> Sys<usize> {
    let local = libc::iovec { iov_base: into.cast(), iov_len: length };
    let remote = libc::iovec { iov_base: from.cast_mut().cast(), iov_len: length };
    // SAFETY: `local` is as the caller promised; `remote` is checked by the kernel page by page.
    let count = unsafe { libc::process_vm_readv(owner::this_process(), &raw const local, 1, &raw const remote, 1, 0) };
    Errno::result(count).map(|count| count as usize)
}

/// `process_vm_writev(2)` into our own memory; see [`checked_read`].
///
/// # Safety
/// `into` points into a mapping of the caller's that holds nothing Rust has references to. `from` is readable, `length`
/// bytes.
pub(crate) unsafe fn checked_write(into: *mut u8, from: *const u8, length: usize) -> Sys<usize> {
    let local = libc::iovec { iov_base: from.cast_mut().cast(), iov_len: length };
    let remote = libc::iovec { iov_base: into.cast(), iov_len: length };
    // SAFETY: `local` is as the caller promised and only read; `remote` is checked by the kernel page by page.
    let count = unsafe { libc::process_vm_writev(owner::this_process(), &raw const local, 1, &raw const remote, 1, 0) };
    Errno::result(count).map(|count| count as usize)
}

/// write(2) straight out of a mapping: EFAULT or a short count where pages are gone.
///
/// # Safety
/// As for [`checked_read`].
pub(crate) unsafe fn write_from(fd: BorrowedFd<'_>, from: *const u8, length: usize) -> Sys<usize> {
    // SAFETY: the kernel checks the pages as it reads them.
    Errno::result(unsafe { libc::write(fd.as_raw_fd(), from.cast(), length) }).map(|count| count as usize)
}

/// read(2) straight into a mapping: EFAULT or a short count where pages are gone.
///
/// # Safety
/// As for [`checked_write`].
pub(crate) unsafe fn read_into(fd: BorrowedFd<'_>, into: *mut u8, length: usize) -> Sys<usize> {
    // SAFETY: the kernel checks the pages as it writes them.
    Errno::result(unsafe { libc::read(fd.as_raw_fd(), into.cast(), length) }).map(|count| count as usize)
}
