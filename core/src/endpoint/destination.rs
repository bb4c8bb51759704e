//! A path as a destination: what was there before goes, and what is new gets its name, with the first byte and not before. (A new
//! file also where that is waited for: a mechanism that waits has not refused.)
//!
//! A transfer that is refused must change nothing, and whether it is refused may be known only by the call that would have moved
//! the first byte. So that byte is written over the old content, and what is behind it is cut off at once.

use std::ops::Range;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, SealFlag, fallocate, fcntl};
use nix::sys::stat::fstat;
use nix::unistd::ftruncate;

use super::{Endpoint, Handle, Kind};
use crate::error::{Error, Result};
use crate::sys::{Sys, SyscallCounter};
use crate::unnamed::{self, Naming};

/// How much is put over the old content of a file before the rest of that is cut off, and into a new one before it has its name.
pub(crate) const FIRST: u64 = 64 << 10;

impl Endpoint<'_> {
    /// Whether there may be room for the first byte once the old content has gone.
    pub(crate) fn needs_the_room(&self, error: &Error) -> bool {
        let full = matches!(error.errno().map(Errno::from_raw), Some(Errno::ENOSPC | Errno::EDQUOT));
        full && self.will_be_emptied() && !self.is_without_name()
    }

    /// Whether it is a new file that gets its name only by the transfer it is given to.
    pub(crate) fn is_without_name(&self) -> bool {
        self.destination && matches!(self.handle, Handle::New(_) | Handle::Away(_))
    }

    /// Whether a transfer would empty what is there.
    pub(crate) fn will_be_emptied(&self) -> bool {
        self.destination && self.facts.kind == Kind::File
    }

    /// Refuses content that nobody may cut off (`F_SEAL_SHRINK`): the first byte would be written over it, and no more.
    pub(crate) fn can_be_emptied(&self) -> Result<()> {
        let full = self.descriptor().filter(|_| self.will_be_emptied() && self.facts.size > 0);
        match full.map(|fd| fcntl(fd, FcntlArg::F_GET_SEALS)) {
            Some(Ok(seals)) if SealFlag::from_bits_retain(seals).contains(SealFlag::F_SEAL_SHRINK) => {
                Err(Error::os("ftruncate", Errno::EPERM).at(self.path()))
            }
            _ => Ok(()),
        }
    }

    /// The first bytes are there, in this range of the file, or there is none: takes away what else is there, or gives a new file
    /// its name.
    pub(crate) fn settle(&mut self, bytes: Range<u64>) -> Result<()> {
        let named = |named: Sys<()>| named.map_err(|errno| unnamed::error("linkat", errno));
        let done = match &mut self.handle {
            _ if !self.destination => return Ok(()),
            Handle::New(file) => named(file.publish(Naming::New)),
            Handle::Away(file) => named(file.publish()),
            handle if self.facts.kind == Kind::File => handle.descriptor().map_or(Ok(()), |fd| keep_only(&fd, bytes)),
            _ => Ok(()),
        };
        done.map_err(|error| error.at(self.path.as_deref()))?;
        (self.facts.size, self.destination) = (0, false);
        Ok(())
    }

    /// The first bytes of a new file that got no name, which is empty then as it was before.
    pub(crate) fn take_back(&self, bytes: Range<u64>, calls: &mut SyscallCounter) -> Sys<Vec<u8>> {
        let (fd, mut taken) = (self.fd(), vec![0; (bytes.end - bytes.start) as usize]);
        let file = calls.reopen(fd, OFlag::O_RDONLY)?;
        let mut read = 0;
        while read < taken.len() {
            match calls.read(file.as_fd(), Some(bytes.start + read as u64), &mut taken[read..]) {
                Ok(0) => return Err(Errno::EIO),
                Ok(count) => read += count,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        ftruncate(fd, 0)?;
        calls.seek(fd, 0)?;
        Ok(taken)
    }
}

/// Everything before those bytes becomes zeroes, everything behind them is cut off.
fn keep_only(file: &impl AsFd, bytes: Range<u64>) -> Result<()> {
    let failed = |operation| move |errno| Error::os(operation, errno);
    if bytes.is_empty() {
        return ftruncate(file, 0).map_err(failed("ftruncate"));
    }
    if bytes.start > 0 {
        let size = fstat(file).map_err(failed("fstat"))?.st_size as u64;
        clear(file, size.min(bytes.start)).map_err(failed("fallocate"))?;
    }
    ftruncate(file, bytes.end as i64).map_err(failed("ftruncate"))
}

/// Makes zeroes of the first bytes: a hole, where the file system can have one.
fn clear(file: &impl AsFd, length: u64) -> Sys<()> {
    static ZEROES: [u8; 64 << 10] = [0; 64 << 10];
    let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    let mut at = 0;
    while at < length {
        match fallocate(file, hole, at as i64, (length - at) as i64) {
            Err(Errno::EINTR) => continue,
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => {}
            punched => return punched,
        }
        let most = ZEROES.len().min((length - at) as usize);
        match nix::sys::uio::pwrite(file, &ZEROES[..most], at as i64) {
            Ok(count) => at += count as u64,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn create_neither_empties_nor_leaves_anything_until_the_transfer_begins() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        std::fs::write(&old, b"precious").unwrap();
        drop(Endpoint::create(&old).unwrap());
        assert_eq!(std::fs::read(&old).unwrap(), b"precious");

        drop(Endpoint::create(&new).unwrap());
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);
        let mut endpoint = Endpoint::create(&new).unwrap();
        endpoint.settle(0..0).unwrap();
        assert!(new.exists());

        let mut endpoint = Endpoint::create(&old).unwrap();
        endpoint.settle(0..0).unwrap();
        drop(endpoint);
        assert_eq!(std::fs::read(&old).unwrap(), b"");
    }

    #[test]
    fn a_file_that_got_the_name_meanwhile_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("name");
        for refused in [false, true] {
            let mut endpoint = Endpoint::create(&path).unwrap();
            std::fs::write(&path, b"precious").unwrap();
            if !refused {
                let error = endpoint.settle(0..0).unwrap_err();
                assert_eq!((error.errno(), error.path()), (Some(Errno::EEXIST as i32), Some(path.as_path())));
            }
            drop(endpoint);
            assert_eq!(std::fs::read(&path).unwrap(), b"precious");
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn create_follows_a_symbolic_link_to_a_file_that_is_not_there_yet() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("target", dir.path().join("link")).unwrap();
        let mut endpoint = Endpoint::create(dir.path().join("link")).unwrap();
        endpoint.settle(0..0).unwrap();
        assert!(dir.path().join("target").exists());
    }
}
