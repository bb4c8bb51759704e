//! System calls made by their number: glibc 2.17, the oldest that zcio runs with, has no function for them. A library that asks
//! for such a function links all the same, and cannot be loaded where it is missing. And one whose function does more than the call.
//!
//! ENOSYS means that the kernel is older than the call; glibc's functions have other answers for some of them.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::sys::memfd::MFdFlags;

use super::{Span, SpanMut, Sys};

/// gettid(2): the number of the calling thread. Async-signal-safe.
pub(crate) fn thread() -> i32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}

/// `memfd_create(2)`: a file that is only memory.
pub(crate) fn memfd_create(name: &CStr, flags: MFdFlags) -> Sys<OwnedFd> {
    // SAFETY: a C string that outlives the call, and a number.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_memfd_create, name.as_ptr(), flags.bits()) })?;
    // SAFETY: the kernel has just made it, for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// statx(2) of what a descriptor is of.
pub(crate) fn statx(fd: BorrowedFd<'_>, flags: i32, mask: u32) -> Sys<libc::statx> {
    // SAFETY: all-zero is a valid statx buffer.
    let mut answer: libc::statx = unsafe { std::mem::zeroed() };
    let (path, flags) = (c"".as_ptr(), flags | libc::AT_EMPTY_PATH);
    // SAFETY: the path is an empty C string and the buffer a local of the right type.
    let result = unsafe { libc::syscall(libc::SYS_statx, fd.as_raw_fd(), path, flags, mask, &raw mut answer) };
    Errno::result(result).map(|_| answer)
}

/// pread(2). The C library's function is a point where a thread can be cancelled, which costs some reads in a hundred where there are
/// several threads.
#[inline]
pub(crate) fn pread(fd: BorrowedFd<'_>, at: u64, into: SpanMut<'_>) -> Sys<usize> {
    let (call, start) = (libc::SYS_pread64, into.as_mut_ptr());
    // SAFETY: the span is writable for its length; the kernel checks the pages.
    let count = unsafe { libc::syscall(call, fd.as_raw_fd(), start, into.len(), at) };
    Errno::result(count).map(|count| count as usize)
}

/// preadv2(2) into one piece of memory.
pub(crate) fn read_at(fd: BorrowedFd<'_>, at: u64, into: SpanMut<'_>, flags: i32) -> Sys<usize> {
    let vector = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    // SAFETY: the span is writable for its length; the kernel checks the pages.
    unsafe { vectored(libc::SYS_preadv2, fd, &vector, at, flags) }
}

/// pwritev2(2) from one piece of memory.
pub(crate) fn write_at(fd: BorrowedFd<'_>, at: u64, from: Span<'_>, flags: i32) -> Sys<usize> {
    let vector = libc::iovec { iov_base: from.as_ptr().cast_mut().cast(), iov_len: from.len() };
    // SAFETY: the span is readable for its length, and the kernel only reads it.
    unsafe { vectored(libc::SYS_pwritev2, fd, &vector, at, flags) }
}

/// # Safety
///
/// As the call demands it of the memory that the vector names.
unsafe fn vectored(call: i64, fd: BorrowedFd<'_>, vector: &libc::iovec, at: u64, flags: i32) -> Sys<usize> {
    // The offset comes in two halves, of which 64 bits need only the first.
    // SAFETY: one vector, as the caller promised; the rest are numbers.
    let count = unsafe { libc::syscall(call, fd.as_raw_fd(), &raw const *vector, 1usize, at, 0usize, flags) };
    Errno::result(count).map(|count| count as usize)
}

/// renameat2(2) to a name that must not be taken (`RENAME_NOREPLACE`). EINVAL where the file system cannot promise that.
pub(crate) fn rename_to_new<F: AsFd, T: AsFd>(from_folder: F, from: &OsStr, to_folder: T, to: &OsStr) -> Sys<()> {
    let named = |name: &OsStr| CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL);
    let (from, to) = (named(from)?, named(to)?);
    let (from_folder, to_folder) = (from_folder.as_fd().as_raw_fd(), to_folder.as_fd().as_raw_fd());
    let flags = libc::RENAME_NOREPLACE;
    // SAFETY: two descriptors and two C strings that outlive the call.
    let result =
        unsafe { libc::syscall(libc::SYS_renameat2, from_folder, from.as_ptr(), to_folder, to.as_ptr(), flags) };
    Errno::result(result).map(drop)
}
