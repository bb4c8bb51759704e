//! A range of a file in the page cache, filled or emptied ahead of time by whoever knows what will be read next.
//!
//! Only advice to the kernel, which keeps what is in use and may forget what was asked for; the bytes of the file never
//! change by it. For the same beside a transfer see [`crate::CachePolicy`]; to find out what it did see
//! [`crate::residency()`].

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::stat::fstat;

use crate::cache::{READ_AHEAD_CALL, drop_pages, write_out};
use crate::error::{Error, Result};
use crate::sys::SyscallCounter;

/// Begins to read `length` bytes from `offset` on into the cache and does not wait for them (readahead(2)). What is behind
/// the end of the file is left out.
///
/// # Errors
///
/// [`ErrorKind::BadDescriptor`](crate::ErrorKind::BadDescriptor) if the file is not open for reading;
/// [`ErrorKind::Os`](crate::ErrorKind::Os) with EINVAL for what is no file.
pub fn prefetch(fd: impl AsFd, offset: u64, length: u64) -> Result<()> {
    let (fd, mut calls) = (fd.as_fd(), SyscallCounter::default());
    let stat = fstat(fd).map_err(|errno| Error::os("fstat", errno))?;
    let end = offset.saturating_add(length).min(u64::try_from(stat.st_size).unwrap_or(0));
    let mut at = offset;
    while at < end {
        // One call reads at most what the device's settings allow, and says nothing about the rest.
        let step = READ_AHEAD_CALL.min(end - at);
        match calls.read_ahead(fd, at, step as usize) {
            Ok(()) => at += step,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::os("readahead", errno)),
        }
    }
    Ok(())
}

/// Writes `length` bytes from `offset` on to their disk, waits for that (`sync_file_range(2)`), and drops them from the cache
/// (`posix_fadvise(2)`, `POSIX_FADV_DONTNEED`). Pages that are mapped or on their way to a peer stay.
///
/// # Errors
///
/// [`ErrorKind::Os`](crate::ErrorKind::Os), with the error of the disk if it had one.
pub fn evict(fd: impl AsFd, offset: u64, length: u64) -> Result<()> {
    let (fd, mut calls) = (fd.as_fd(), SyscallCounter::default());
    let end = offset.saturating_add(length).min(i64::MAX as u64);
    write_out(fd, offset, end, true, &mut calls)?;
    drop_pages(fd, offset, end, &mut calls)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::residency;
    use crate::testing::file_on_disk;

    #[test]
    fn a_range_leaves_the_cache_and_comes_back() {
        let mut file = file_on_disk();
        file.write_all(&vec![7; 64 * 4096]).unwrap();
        file.sync_all().unwrap();
        let present = |offset, length| residency(&file, offset, length).unwrap().present;
        evict(&file, 0, 32 * 4096).unwrap();
        if present(0, 32 * 4096) > 0 {
            return eprintln!("SKIPPED: this file system has no disk behind its cache");
        }
        // More than once, here and below: the kernel takes pages whenever it likes, and holds some for a moment.
        let half_stays = |_| {
            file.read_exact_at(&mut vec![0; 32 * 4096], 32 * 4096).unwrap();
            evict(&file, 0, 32 * 4096).unwrap();
            present(0, u64::MAX) == 32 && present(0, 32 * 4096) == 0
        };
        assert!((0..5).any(half_stays));
        let started = std::time::Instant::now();
        while present(0, 16 * 4096) < 16 {
            assert!(started.elapsed().as_secs() < 60, "never read");
            prefetch(&file, 0, 16 * 4096).unwrap();
            std::thread::yield_now();
        }
        // Pages that are still being read are counted already, and stay: a read waits for them.
        let mut read = vec![0; 16 * 4096];
        file.read_exact_at(&mut read, 0).unwrap();
        assert!(read.iter().all(|&byte| byte == 7));
        let all_gone = |_| {
            evict(&file, 0, u64::MAX).unwrap();
            present(0, u64::MAX) == 0
        };
        assert!((0..5).any(all_gone));
        // Behind the end there is nothing to do.
        prefetch(&file, 1 << 40, u64::MAX).unwrap();
        prefetch(&file, 0, u64::MAX).unwrap();
    }

    #[test]
    fn a_stream_has_no_cache() {
        let (read, _write) = std::io::pipe().unwrap();
        assert!(evict(&read, 0, 1).is_err());
    }
}
