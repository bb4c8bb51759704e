//! A descriptor by its number, which is closed or used only as long as it is what it was.
//!
//! Numbers are everybody's: a number that was given to a region, or that a region gives out, may be closed by who knows it, or
//! made something else (dup2(2)). To cut that to size, or to close it, would harm somebody who has nothing to do with it.

use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};

use nix::sys::stat::fstat;

use crate::error::{Error, ErrorKind, Result};
use crate::sys::Sys;
use crate::sys::files::identity;

/// A descriptor that is used and closed only while its number means the file it meant at first.
///
/// ```
/// use zcio::region::Kept;
///
/// let file = Kept::new(tempfile::tempfile()?.into())?;
/// assert!(file.get().is_ok(), "nobody has closed its number");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Kept {
    /// `None` while it is dropped.
    fd: Option<OwnedFd>,
    identity: (u64, u64),
}

impl Kept {
    /// Keeps an open descriptor.
    pub fn new(fd: OwnedFd) -> Result<Self> {
        let identity = identity_of(fd.as_fd()).map_err(|errno| Error::os("fstat", errno))?;
        Ok(Self { fd: Some(fd), identity })
    }

    /// The descriptor. [`ErrorKind::BadDescriptor`] once its number is closed or means another file.
    pub fn get(&self) -> Result<BorrowedFd<'_>> {
        let same = |fd: &BorrowedFd<'_>| identity_of(*fd) == Ok(self.identity);
        self.fd.as_ref().map(AsFd::as_fd).filter(same).ok_or_else(|| {
            let message = "somebody else has closed the region's descriptor, or has put another file in its place";
            Error::new(ErrorKind::BadDescriptor, message).during("region").with_errno(nix::errno::Errno::EBADF)
        })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let (Err(_), Some(fd)) = (self.get().map(drop), self.fd.take()) {
            // The number is somebody else's now.
            let _ = fd.into_raw_fd();
        }
    }
}

/// What the descriptor is of.
pub(super) fn identity_of(fd: BorrowedFd<'_>) -> Sys<(u64, u64)> {
    fstat(fd).map(|stat| identity(&stat))
}
