//! Why there is no memory behind a page: the file was cut short, or its storage is full or failed. The kernel says EFAULT (or
//! SIGBUS) to all of them; the file's length and the room of its file system tell them apart, where the region keeps its file.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::stat::fstat;
use nix::sys::statvfs::fstatvfs;

use crate::error::{Error, ErrorKind, Result};

/// What the kernel said to an operation on pages of which no more is known.
pub(super) fn refused(operation: &'static str, errno: Errno) -> Error {
    if !matches!(errno, Errno::EFAULT | Errno::EHWPOISON) {
        return Error::os(operation, errno);
    }
    let message =
        "there is no memory behind a page of the region: its file was cut short, or its storage is full or failed";
    Error::new(ErrorKind::Faulted, message).during(operation).with_errno(errno)
}

/// The same of the page that begins at this byte of a file, if the region keeps one.
pub(super) fn refused_of(
    operation: &'static str,
    errno: Errno,
    file: Option<Result<BorrowedFd<'_>>>,
    page: u64,
) -> Error {
    let error = refused(operation, errno);
    let (Errno::EFAULT, Some(Ok(file))) = (errno, file) else { return error };
    let Ok(stat) = fstat(file) else { return error };
    let (message, errno) = if page >= stat.st_size as u64 {
        ("there is no memory behind a page of the region: its file was cut short", errno)
    } else if fstatvfs(file).is_ok_and(|room| room.blocks_available() == 0) {
        ("there is no room for a page of the region: the file system of its file is full", Errno::ENOSPC)
    } else {
        // Protected against the access, or a device that failed, or a limit of the user's own (a quota).
        ("a page of the region cannot be had: not allowed by its protection, or its storage failed", errno)
    };
    Error::new(ErrorKind::Faulted, message).during(operation).with_errno(errno)
}
