//! Why there is no memory behind a page: the file was cut short, or its storage is full or failed. The kernel says EFAULT (or
//! SIGBUS) to all of them; the file's length and the room of its file system tell them apart, where the region keeps its file.

use nix::errno::Errno;
use nix::sys::stat::fstat;
use nix::sys::statvfs::fstatvfs;

use super::State;
use super::kept::Kept;
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

impl State {
    /// See [`super::Region::check`].
    pub(super) fn check(&self) -> Result<()> {
        let last = self.mapping.len().saturating_sub(1);
        self.mapping.check().map_err(|error| match error.kind() {
            ErrorKind::Faulted => self.refused(error.operation(), Errno::EFAULT, last),
            _ => error,
        })
    }

    /// What the kernel said to an operation on the page of that byte; the last one, where it could be any of several.
    pub(super) fn refused(&self, operation: &'static str, errno: Errno, byte: usize) -> Error {
        let error = refused(operation, errno);
        let (Errno::EFAULT, Some(Ok(file))) = (errno, self.file.as_ref().map(Kept::get)) else { return error };
        let Ok(stat) = fstat(file) else { return error };
        let place = self.offset + byte as u64;
        let page = self.mapping.page() as u64;
        let (message, errno) = if place / page * page >= stat.st_size as u64 {
            ("there is no memory behind a page of the region: its file was cut short", errno)
        } else if fstatvfs(file).is_ok_and(|room| room.blocks_available() == 0) {
            ("there is no room for a page of the region: the file system of its file is full", Errno::ENOSPC)
        } else {
            // Protected against the access, or a device that failed, or a limit of the user's own (a quota).
            ("a page of the region cannot be had: not allowed by its protection, or its storage failed", errno)
        };
        Error::new(ErrorKind::Faulted, message).during(operation).with_errno(errno)
    }
}
