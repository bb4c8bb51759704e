//! Files that become longer with their region: by a hole whose last page is there, or with storage behind every byte.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate, posix_fallocate};
use nix::sys::stat::fstat;

use crate::error::{Error, Result};
use crate::sys::files;

/// What follows when a region changes its length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// Nothing: the mapping alone.
    Nothing,
    /// The file, cut by a region that becomes shorter, made longer by one that becomes longer.
    Truncate,
    /// The file, which only grows, with its new part allocated at once.
    Allocate,
}

pub(super) fn extend(file: BorrowedFd<'_>, from: u64, to: u64, follow: Follow) -> Result<()> {
    if follow == Follow::Truncate { lengthen(file, to) } else { allocate(file, from, to) }
}

/// Makes a file that is shorter end there. Not by ftruncate(2), which would cut off what others append at this moment.
fn lengthen(file: BorrowedFd<'_>, end: u64) -> Result<()> {
    loop {
        match fallocate(file, FallocateFlags::empty(), end as i64 - 1, 1) {
            Err(Errno::EINTR) => {}
            Err(Errno::EOPNOTSUPP) => return append_zeroes(file, end),
            allocated => return allocated.map_err(|errno| Error::os("fallocate", errno)),
        }
    }
}

/// The same where the file system cannot allocate. The kernel decides where each piece goes, so that none is written over what
/// somebody else has appended meanwhile.
fn append_zeroes(file: BorrowedFd<'_>, end: u64) -> Result<()> {
    static ZEROES: [u8; 64 << 10] = [0; 64 << 10];
    loop {
        let size = fstat(file).map_err(|errno| Error::os("fstat", errno))?.st_size as u64;
        let missing = end.saturating_sub(size).min(ZEROES.len() as u64) as usize;
        if missing == 0 {
            return Ok(());
        }
        match files::append(file, &ZEROES[..missing]) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::os("write", errno)),
        }
    }
}

/// Makes a file longer with storage behind every byte of its new part: ENOSPC now instead of SIGBUS later.
pub(super) fn allocate(file: BorrowedFd<'_>, from: u64, to: u64) -> Result<()> {
    if from == to {
        return Ok(());
    }
    loop {
        match fallocate(file, FallocateFlags::empty(), from as i64, (to - from) as i64) {
            Err(Errno::EINTR) => {}
            // The C library writes a byte into every block.
            Err(Errno::EOPNOTSUPP) => {
                let allocated = posix_fallocate(file, from as i64, (to - from) as i64);
                return allocated.map_err(|errno| Error::os("posix_fallocate", errno));
            }
            Err(errno) => return Err(Error::os("fallocate", errno)),
            Ok(()) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;

    use super::*;

    /// Every way to make a file longer leaves one that is longer by now as it is, and its position, too.
    #[test]
    fn a_file_is_made_longer_and_never_shorter() {
        for lengthen in [lengthen, append_zeroes] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"appended by others").unwrap();
            lengthen(file.as_fd(), 5).unwrap();
            assert_eq!(std::os::unix::fs::FileExt::read_at(&file, &mut [0; 100], 0).unwrap(), 18);
            lengthen(file.as_fd(), 200_000).unwrap();
            file.write_all(b"!").unwrap();
            let mut content = vec![1; 300_000];
            assert_eq!(std::os::unix::fs::FileExt::read_at(&file, &mut content, 0).unwrap(), 200_000);
            assert_eq!(&content[..19], b"appended by others!");
            assert!(content[19..200_000].iter().all(|&byte| byte == 0));
        }
    }
}
