//! A file of many reads: what is asked once for all of them.

use nix::errno::Errno;

use crate::checks;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::SyscallCounter;

/// A file that is read.
pub(super) struct Source<'a> {
    pub end: &'a Endpoint<'a>,
    /// What offsets, addresses and lengths are multiples of, in bytes: a power of two, and 1 for a file that is not read past the
    /// page cache.
    pub block: usize,
    /// Why it cannot be read.
    refused: Option<Error>,
    /// Whether it can be, without a hold and by way of the page cache.
    pub is_plain: bool,
}

impl<'a> Source<'a> {
    pub fn new(end: &'a Endpoint<'a>, calls: &mut SyscallCounter) -> Self {
        let refused = check(end).err();
        let block = match end.descriptor().filter(|_| end.facts().direct && refused.is_none()) {
            // Its own answer that it has no direct I/O is what the first read will say, too.
            Some(fd) => calls.direct_alignment(fd).unwrap_or(1).next_power_of_two(),
            None => 1,
        };
        let is_plain = refused.is_none() && block == 1 && !end.is_held();
        Self { end, block, refused, is_plain }
    }

    /// Whether so many bytes can be asked for from this offset on.
    pub fn check(&self, offset: u64, length: usize) -> Result<()> {
        if let Some(error) = &self.refused {
            return Err(error.clone());
        }
        if offset.checked_add(length as u64).is_none_or(|end| end > checks::LAST_OFFSET) {
            let message = format!("{length} bytes at offset {offset} are beyond the end of any file");
            return Err(Error::new(ErrorKind::InvalidInput, message).with_errno(Errno::EINVAL).at(self.end.path()));
        }
        Ok(())
    }

    /// What the kernel said to a read at this offset.
    #[cold]
    pub fn failed(&self, errno: Errno, offset: u64) -> Error {
        let error = match errno {
            // Accepted by open(2), and then not done.
            Errno::EINVAL if self.end.facts().direct => {
                Error::refused("pread", errno, "the file system has no direct I/O for this file")
            }
            errno => Error::os("pread", errno),
        };
        error.where_it_was(offset).at(self.end.path())
    }
}

fn check(end: &Endpoint<'_>) -> Result<()> {
    checks::readable(end)?;
    if end.facts().kind.is_seekable() {
        return Ok(());
    }
    let message = format!("a {} has no bytes at an offset: a file or a block device has", end.facts().kind.name());
    Err(Error::new(ErrorKind::InvalidInput, message).with_errno(Errno::ESPIPE).at(end.path()))
}
