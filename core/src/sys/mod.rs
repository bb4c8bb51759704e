//! The only door to the system calls that move bytes, and the only raw libc.
//!
//! Every call goes through [`SyscallCounter`], which counts it: the [`crate::Report`]'s number is the engine's own count, not an
//! estimate. Nothing here retries, waits or decides: errno goes up as it came.
#![allow(unsafe_code)]

pub(crate) mod apart;
pub(crate) mod by_number;
pub(crate) mod clock;
#[cfg(feature = "tokio")]
pub(crate) mod epoll;
pub(crate) mod files;
pub(crate) mod fork;
mod guarded;
pub(crate) mod heap;
#[cfg(feature = "cli")]
pub(crate) mod interrupt;
#[cfg(feature = "laboratory")]
pub(crate) mod laboratory;
pub(crate) mod mappings;
pub(crate) mod memory;
mod owner;
pub(crate) mod process;
mod receive;
pub(crate) mod release;
pub(crate) mod resident;
pub(crate) mod rights;
pub(crate) mod signal;
mod span;
pub(crate) mod terminal;
pub(crate) mod threads;
pub(crate) mod tls;
pub(crate) mod unsent;

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::unistd::Whence;

pub(crate) mod direct;
pub(crate) mod probe;
pub(crate) mod zerocopy;

use crate::buffer::Pages;
pub(crate) use span::{Lent, Span, SpanMut};

pub(crate) type Sys<T> = Result<T, Errno>;

/// An integer option of a socket (socket(7)): those that nix lacks, such as `SO_DOMAIN` and `SO_PROTOCOL`.
pub(crate) fn socket_option(fd: BorrowedFd<'_>, option: libc::c_int) -> Sys<libc::c_int> {
    protocol_option(fd, libc::SOL_SOCKET, option)
}

/// An option of one of a socket's protocols, or the first four bytes of one that is longer.
pub(crate) fn protocol_option(fd: BorrowedFd<'_>, level: libc::c_int, option: libc::c_int) -> Sys<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: both pointers are to locals, and the kernel writes no more than the length says.
    let result = unsafe { libc::getsockopt(fd.as_raw_fd(), level, option, (&raw mut value).cast(), &raw mut length) };
    Errno::result(result).map(|_| value)
}

/// Whether a socket has a peer (getpeername(2)).
pub(crate) fn has_peer(socket: BorrowedFd<'_>) -> bool {
    // SAFETY: all-zero is a valid address of any family.
    let mut address: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: both pointers are to locals, and the kernel writes no more than the length says.
    unsafe { libc::getpeername(socket.as_raw_fd(), (&raw mut address).cast(), &raw mut length) == 0 }
}

/// What the kernel knows of a TCP connection (tcp(7), `TCP_INFO`); `None` if it does not say.
pub(crate) fn tcp_info(socket: BorrowedFd<'_>) -> Option<libc::tcp_info> {
    // SAFETY: all-zero is a valid tcp_info: numbers.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&info) as libc::socklen_t;
    // SAFETY: as above.
    let told = unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_TCP, libc::TCP_INFO, (&raw mut info).cast(), &raw mut length)
    };
    (told == 0).then_some(info)
}

/// A counter with the system calls as its methods.
#[derive(Debug, Default)]
pub(crate) struct SyscallCounter {
    /// Calls made so far, failed ones included.
    pub made: u64,
}

impl SyscallCounter {
    /// Counts a call that is about to be made for at most `length` bytes, and gives the length to make it with: always
    /// the same one, unless a test makes faults on purpose ([`crate::inject`]).
    #[cfg_attr(not(feature = "inject"), allow(clippy::unnecessary_wraps))]
    fn enter(&mut self, operation: &'static str, fd: BorrowedFd<'_>, length: usize) -> Sys<usize> {
        self.made += 1;
        #[cfg(feature = "inject")]
        return crate::inject::ask(operation, fd, length);
        #[cfg(not(feature = "inject"))]
        {
            let _ = (operation, fd);
            Ok(length)
        }
    }

    /// read(2), or pread(2) when there is an offset.
    pub fn read(&mut self, fd: BorrowedFd<'_>, at: Option<u64>, buffer: &mut [u8]) -> Sys<usize> {
        let length = self.enter("read", fd, buffer.len())?;
        let buffer = &mut buffer[..length];
        match at {
            None => nix::unistd::read(fd, buffer),
            Some(at) => nix::sys::uio::pread(fd, buffer, at as i64),
        }
    }

    /// The length that an operation of a ring is to have, which is no call of its own: `length`, but for faults made on
    /// purpose, as in [`Self::enter`].
    pub fn offer(&mut self, operation: &'static str, fd: BorrowedFd<'_>, length: usize) -> Sys<usize> {
        let length = self.enter(operation, fd, length);
        self.made -= 1;
        length
    }

    /// recv(2) that does not wait, whatever the socket's mode.
    pub fn receive_now(&mut self, socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Sys<usize> {
        // To whoever makes faults, a read like any other.
        let length = self.enter("read", socket, buffer.len())?;
        nix::sys::socket::recv(socket.as_raw_fd(), &mut buffer[..length], nix::sys::socket::MsgFlags::MSG_DONTWAIT)
    }

    /// write(2) of at most 4096 bytes (`PIPE_BUF`) into an empty pipe of ours: always whole (pipe(7)).
    pub fn put_into_pipe(&mut self, pipe: BorrowedFd<'_>, bytes: &[u8]) -> Sys<()> {
        self.made += 1;
        let written = nix::unistd::write(pipe, bytes)?;
        assert_eq!(written, bytes.len(), "a write to an empty pipe of at most PIPE_BUF bytes is whole");
        Ok(())
    }

    /// write(2), or pwrite(2) when there is an offset.
    pub fn write(&mut self, fd: BorrowedFd<'_>, at: Option<u64>, bytes: &[u8]) -> Sys<usize> {
        let length = self.enter("write", fd, bytes.len())?;
        let bytes = &bytes[..length];
        match at {
            None => nix::unistd::write(fd, bytes),
            Some(at) => nix::sys::uio::pwrite(fd, bytes, at as i64),
        }
    }

    /// write(2) or pwrite(2) out of memory that others may be writing to.
    pub fn write_span(&mut self, fd: BorrowedFd<'_>, at: Option<u64>, span: Span<'_>) -> Sys<usize> {
        let length = self.enter("write", fd, span.len())?;
        let (fd, start) = (fd.as_raw_fd(), span.as_ptr().cast());
        let written = match at {
            // SAFETY: the span is readable for its length, which `length` never exceeds; the kernel only reads it.
            None => unsafe { libc::write(fd, start, length) },
            // SAFETY: as above.
            Some(at) => unsafe { libc::pwrite(fd, start, length, at as i64) },
        };
        Errno::result(written).map(|written| written as usize)
    }

    /// send(2) out of such memory that does not wait, whatever the socket's mode.
    pub fn send_now(&mut self, socket: BorrowedFd<'_>, span: Span<'_>) -> Sys<usize> {
        // To whoever makes faults, a write like any other.
        let length = self.enter("write", socket, span.len())?;
        // SAFETY: as in `write_span`.
        let sent = unsafe { libc::send(socket.as_raw_fd(), span.as_ptr().cast(), length, libc::MSG_DONTWAIT) };
        Errno::result(sent).map(|sent| sent as usize)
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
        let length = self.enter("write", fd, range.len())?;
        let fd = fd.as_raw_fd();
        // SAFETY: the assertion above keeps the range inside the mapping, which outlives the call.
        let start = unsafe { map.as_ptr().add(range.start) }.cast();
        let written = match at {
            // SAFETY: `start` is valid for the range's length (above), which `length` never exceeds; the kernel only
            // reads it.
            None => unsafe { libc::write(fd, start, length) },
            // SAFETY: as above.
            Some(at) => unsafe { libc::pwrite(fd, start, length, at as i64) },
        };
        Errno::result(written).map(|written| written as usize)
    }

    /// sendfile(2), from an explicit offset, or from the position and moving it on.
    pub fn sendfile(
        &mut self,
        source: BorrowedFd<'_>,
        at: Option<u64>,
        sink: BorrowedFd<'_>,
        length: usize,
    ) -> Sys<usize> {
        let length = self.enter("sendfile", source, length)?;
        let mut at = at.map(|at| at as i64);
        nix::sys::sendfile::sendfile(sink, source, at.as_mut(), length)
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
        let length = self.enter("splice", source, length)?;
        let mut source_at = source_at.map(|at| at as i64);
        let mut sink_at = sink_at.map(|at| at as i64);
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK;
        nix::fcntl::splice(source, source_at.as_mut(), sink, sink_at.as_mut(), length, flags)
    }

    /// vmsplice(2) of frozen pages, never waiting. The pages cannot change any more, and what is unmapped while the pipe
    /// still refers to it stays the kernel's.
    pub fn vmsplice(&mut self, sink: BorrowedFd<'_>, pages: &Pages, range: std::ops::Range<usize>) -> Sys<usize> {
        let length = self.enter("vmsplice", sink, range.len())?;
        let bytes = &pages[range.start..range.start + length];
        let vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        // SAFETY: `vector` describes memory that is readable for the whole call; the type `Pages` forbids every later
        // write to it, and its pages are not reused by this process, because they are unmapped, not freed.
        let moved = unsafe { libc::vmsplice(sink.as_raw_fd(), &raw const vector, 1, libc::SPLICE_F_NONBLOCK) };
        Errno::result(moved).map(|moved| moved as usize)
    }

    /// `copy_file_range(2)`; without an offset it is at the end's own position, which it advances.
    pub fn copy_file_range(
        &mut self,
        source: BorrowedFd<'_>,
        source_at: Option<u64>,
        sink: BorrowedFd<'_>,
        sink_at: Option<u64>,
        length: usize,
    ) -> Sys<usize> {
        let length = self.enter("copy_file_range", source, length)?;
        let mut source_at = source_at.map(|at| at as i64);
        let mut sink_at = sink_at.map(|at| at as i64);
        nix::fcntl::copy_file_range(source, source_at.as_mut(), sink, sink_at.as_mut(), length)
    }

    /// The file's size now.
    pub fn size(&mut self, fd: BorrowedFd<'_>) -> Sys<u64> {
        self.enter("fstat", fd, 0)?;
        nix::sys::stat::fstat(fd).map(|stat| u64::try_from(stat.st_size).unwrap_or(0))
    }

    /// A shared read-only mapping of part of a file (mmap(2)). `offset` need not be a multiple of the page size.
    pub fn map(&mut self, fd: BorrowedFd<'_>, offset: u64, length: usize) -> Sys<memmap2::MmapRaw> {
        self.enter("mmap", fd, 0)?;
        memmap2::MmapOptions::new()
            .offset(offset)
            .len(length)
            .map_raw_read_only(&fd)
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EINVAL)))
    }

    /// What a descriptor was opened for, and its mode (`F_GETFL`).
    pub fn flags(&mut self, fd: BorrowedFd<'_>) -> Sys<OFlag> {
        self.made += 1;
        fcntl(fd, FcntlArg::F_GETFL).map(OFlag::from_bits_retain)
    }

    /// The file's position.
    pub fn position(&mut self, fd: BorrowedFd<'_>) -> Sys<u64> {
        self.enter("lseek", fd, 0)?;
        nix::unistd::lseek(fd, 0, Whence::SeekCur).map(|at| at as u64)
    }

    /// Moves the file's position.
    pub fn seek(&mut self, fd: BorrowedFd<'_>, to: u64) -> Sys<()> {
        self.enter("lseek", fd, 0)?;
        nix::unistd::lseek(fd, to as i64, Whence::SeekSet).map(|_| ())
    }

    /// poll(2) on one descriptor: what was found, also of `POLLERR` and `POLLHUP`; nothing when the time ran out first. See
    /// [`crate::waiting`].
    pub fn poll(&mut self, fd: BorrowedFd<'_>, events: PollFlags, timeout: PollTimeout) -> Sys<PollFlags> {
        self.enter("poll", fd, 0)?;
        let mut polled = [PollFd::new(fd, events)];
        nix::poll::poll(&mut polled, timeout)?;
        Ok(polled[0].revents().unwrap_or(PollFlags::POLLNVAL))
    }

    /// poll(2) on several descriptors at once; 0 when the time ran out first.
    pub fn poll_all(&mut self, ends: &mut [PollFd<'_>], timeout: PollTimeout) -> Sys<usize> {
        self.made += 1;
        nix::poll::poll(ends, timeout).map(|ready| ready as usize)
    }

    /// tee(2): puts the beginning of one pipe's content into another pipe as well, never waiting. Nothing is taken out.
    pub fn tee(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, length: usize) -> Sys<usize> {
        let length = self.enter("tee", from, length)?;
        nix::fcntl::tee(from, to, length, SpliceFFlags::SPLICE_F_NONBLOCK)
    }

    /// shutdown(2) with `SHUT_WR`: what was written is still sent, and then the peer reads the end.
    pub fn end_writing(&mut self, fd: BorrowedFd<'_>) -> Sys<()> {
        self.made += 1;
        nix::sys::socket::shutdown(fd.as_raw_fd(), nix::sys::socket::Shutdown::Write)
    }

    /// A duplicate of a descriptor.
    pub fn duplicate(&mut self, fd: BorrowedFd<'_>) -> Sys<OwnedFd> {
        self.made += 1;
        let error = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EMFILE));
        fd.try_clone_to_owned().map_err(error)
    }

    /// Switches `O_NONBLOCK` on or off; gives back whether that changed anything.
    pub fn set_nonblocking(&mut self, fd: BorrowedFd<'_>, on: bool) -> Sys<bool> {
        self.made += 1;
        let before = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
        if before.contains(OFlag::O_NONBLOCK) == on {
            return Ok(false);
        }
        let mut after = before;
        after.set(OFlag::O_NONBLOCK, on);
        self.made += 1;
        fcntl(fd, FcntlArg::F_SETFL(after)).map(|_| true)
    }
}
