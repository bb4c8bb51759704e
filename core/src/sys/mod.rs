//! The only door to the system calls that move bytes, and the only raw libc.
//!
//! Every call goes through [`Calls`], which counts it: the [`crate::Report`]'s number is the engine's own count, not an
//! estimate. Nothing here retries, waits or decides: errno goes up as it came.
#![allow(unsafe_code)]

pub(crate) mod child;
pub(crate) mod memory;
pub(crate) mod process;
pub(crate) mod rights;
pub(crate) mod signal;

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::SpliceFFlags;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::unistd::Whence;

pub(crate) type Sys<T> = Result<T, Errno>;

/// `SO_DOMAIN`: the address family of a socket (socket(7)). nix has no such option.
pub(crate) fn socket_domain(fd: BorrowedFd<'_>) -> Sys<i32> {
    let mut domain: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: both pointers are to locals of the type and size that SO_DOMAIN writes.
    let result = unsafe {
        libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_DOMAIN, (&raw mut domain).cast(), &raw mut length)
    };
    Errno::result(result).map(|_| domain)
}

/// A counter with the system calls as its methods.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Calls made so far, failed ones included.
    pub made: u64,
}

impl Calls {
    /// read(2), or pread(2) when there is an offset.
    pub fn read(&mut self, fd: BorrowedFd<'_>, at: Option<u64>, buffer: &mut [u8]) -> Sys<usize> {
        self.made += 1;
        match at {
            None => nix::unistd::read(fd, buffer),
            Some(at) => nix::sys::uio::pread(fd, buffer, at as i64),
        }
    }

    /// write(2), or pwrite(2) when there is an offset.
    pub fn write(&mut self, fd: BorrowedFd<'_>, at: Option<u64>, bytes: &[u8]) -> Sys<usize> {
        self.made += 1;
        match at {
            None => nix::unistd::write(fd, bytes),
            Some(at) => nix::sys::uio::pwrite(fd, bytes, at as i64),
        }
    }

    /// write(2) or pwrite(2) straight out of a mapping. The kernel, not this process, touches the pages: where the file
    /// was cut short under the mapping the answer is EFAULT or a short count, never a signal.
    pub fn write_mapped(
        &mut self,
        fd: BorrowedFd<'_>,
        at: Option<u64>,
        map: &memmap2::MmapRaw,
        range: std::ops::Range<usize>,
    ) -> Sys<usize> {
        assert!(range.start <= range.end && range.end <= map.len());
        self.made += 1;
        let fd = fd.as_raw_fd();
        // SAFETY: the assertion above keeps the range inside the mapping, which outlives the call.
        let start = unsafe { map.as_ptr().add(range.start) }.cast();
        let written = match at {
            // SAFETY: `start` is valid for the range's length (above); the kernel only reads it.
            None => unsafe { libc::write(fd, start, range.len()) },
            // SAFETY: as above.
            Some(at) => unsafe { libc::pwrite(fd, start, range.len(), at as i64) },
        };
        Errno::result(written).map(|written| written as usize)
    }

    /// sendfile(2), from an explicit offset.
    pub fn sendfile(&mut self, source: BorrowedFd<'_>, at: u64, sink: BorrowedFd<'_>, length: usize) -> Sys<usize> {
        self.made += 1;
        let mut at = at as i64;
        nix::sys::sendfile::sendfile(sink, source, Some(&mut at), length)
    }

    /// splice(2), never waiting for a pipe (`SPLICE_F_NONBLOCK`); whether it waits for a socket is the socket's affair.
    pub fn splice(
        &mut self,
        source: BorrowedFd<'_>,
        source_at: Option<u64>,
        sink: BorrowedFd<'_>,
        sink_at: Option<u64>,
        length: usize,
    ) -> Sys<usize> {
        self.made += 1;
        let mut source_at = source_at.map(|at| at as i64);
        let mut sink_at = sink_at.map(|at| at as i64);
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK;
        nix::fcntl::splice(source, source_at.as_mut(), sink, sink_at.as_mut(), length, flags)
    }

    /// `copy_file_range(2)`; without a sink offset it writes at the sink's own position and advances it.
    pub fn copy_file_range(
        &mut self,
        source: BorrowedFd<'_>,
        source_at: u64,
        sink: BorrowedFd<'_>,
        sink_at: Option<u64>,
        length: usize,
    ) -> Sys<usize> {
        self.made += 1;
        let mut source_at = source_at as i64;
        let mut sink_at = sink_at.map(|at| at as i64);
        nix::fcntl::copy_file_range(source, Some(&mut source_at), sink, sink_at.as_mut(), length)
    }

    /// The file's size now.
    pub fn size(&mut self, fd: BorrowedFd<'_>) -> Sys<u64> {
        self.made += 1;
        nix::sys::stat::fstat(fd).map(|stat| u64::try_from(stat.st_size).unwrap_or(0))
    }

    /// A shared read-only mapping of part of a file (mmap(2)). `offset` need not be a multiple of the page size.
    pub fn map(&mut self, fd: BorrowedFd<'_>, offset: u64, length: usize) -> Sys<memmap2::MmapRaw> {
        self.made += 1;
        memmap2::MmapOptions::new()
            .offset(offset)
            .len(length)
            .map_raw_read_only(&fd)
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EINVAL)))
    }

    /// The file's position.
    pub fn position(&mut self, fd: BorrowedFd<'_>) -> Sys<u64> {
        self.made += 1;
        nix::unistd::lseek(fd, 0, Whence::SeekCur).map(|at| at as u64)
    }

    /// Moves the file's position.
    pub fn seek(&mut self, fd: BorrowedFd<'_>, to: u64) -> Sys<()> {
        self.made += 1;
        nix::unistd::lseek(fd, to as i64, Whence::SeekSet).map(|_| ())
    }

    /// Waits until the descriptor is ready (or in error, or hung up); false when the time ran out first.
    pub fn poll(&mut self, fd: BorrowedFd<'_>, events: PollFlags, timeout: PollTimeout) -> Sys<bool> {
        self.made += 1;
        nix::poll::poll(&mut [PollFd::new(fd, events)], timeout).map(|ready| ready > 0)
    }
}
