//! Reading a file past the page cache, straight into memory of the caller's.
//!
//! A transfer with [`Mechanism::DirectIo`](crate::Mechanism::DirectIo) goes through buffers of its own; here the disk
//! writes into the memory where the bytes are wanted. That memory and the place in the file must be aligned as the file
//! asks (statx(2), `STATX_DIOALIGN`): what is not is refused, never copied into place behind the caller's back. Only a tail
//! too short for a block comes through the page cache.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::AlignedBuffer;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::{SpanMut, Sys, SyscallCounter};

/// The most one call is asked for: less than the kernel's limit, and a multiple of every alignment.
const LARGEST: usize = 1 << 30;

impl AlignedBuffer {
    /// Fills the buffer from the file's byte `offset` on, past the page cache; gives back the count of bytes read, fewer
    /// than the buffer holds only at the file's end. See [`read_direct`] for the errors.
    pub fn read_direct(&mut self, file: BorrowedFd<'_>, offset: u64) -> Result<usize> {
        // SAFETY: the buffer is this value's own, and borrowed for the call.
        unsafe { read_direct(file, offset, self.start.as_ptr(), self.length) }
    }
}

/// Reads up to `length` bytes of a file, from its byte `offset` on, past the page cache (`O_DIRECT`); gives back how many,
/// fewer only at the file's end. The descriptor's position stays. The file is opened again for it and closed: POSIX locks
/// (fcntl(2)) that this process has on the file are gone after that.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] for an offset or an address that is not aligned as the file asks,
/// [`ErrorKind::Refused`] if its file system has no direct I/O, with the bytes read before in [`Error::moved`] after any
/// other.
///
/// # Safety
///
/// `into` stays writable for `length` bytes during the call, and Rust has no reference to them.
pub unsafe fn read_direct(file: BorrowedFd<'_>, offset: u64, into: *mut u8, length: usize) -> Result<usize> {
    let again = |calls: &mut SyscallCounter| match calls.reopen(file, OFlag::O_RDONLY | OFlag::O_DIRECT) {
        Err(Errno::ENOENT) => {
            let reason = "the file cannot be opened a second time without /proc: give its path";
            Err(Error::refused("open", Errno::EOPNOTSUPP, reason))
        }
        opened => opened.map(Some).map_err(|errno| refusal("open", errno)),
    };
    // SAFETY: as the caller promised.
    unsafe { read(file, again, offset, into, length) }
}

/// As [`read_direct`], of a file that was opened for it and that nobody else has: it is not opened again, and needs no `/proc`.
///
/// # Errors
///
/// As [`read_direct`].
///
/// # Safety
///
/// As [`read_direct`].
pub unsafe fn read_direct_alone(file: BorrowedFd<'_>, offset: u64, into: *mut u8, length: usize) -> Result<usize> {
    let here = |_: &mut SyscallCounter| set_direct(file, true).map(|()| None).map_err(|errno| refusal("fcntl", errno));
    // SAFETY: as the caller promised.
    unsafe { read(file, here, offset, into, length) }
}

/// Switches `O_DIRECT` of an open file.
fn set_direct(file: BorrowedFd<'_>, on: bool) -> Sys<()> {
    let mut flags = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
    flags.set(OFlag::O_DIRECT, on);
    fcntl(file, FcntlArg::F_SETFL(flags)).map(drop)
}

fn refusal(operation: &'static str, errno: Errno) -> Error {
    match errno {
        Errno::EINVAL | Errno::EOPNOTSUPP => {
            Error::refused(operation, errno, "the file system has no direct I/O for this file")
        }
        errno => Error::os(operation, errno),
    }
}

/// `make_direct` gives the file to read whole blocks from, or makes it of this one.
///
/// # Safety
///
/// As [`read_direct`].
unsafe fn read(
    file: BorrowedFd<'_>,
    make_direct: impl FnOnce(&mut SyscallCounter) -> Result<Option<OwnedFd>>,
    offset: u64,
    into: *mut u8,
    length: usize,
) -> Result<usize> {
    let mut calls = SyscallCounter::default();
    let alignment = calls.direct_alignment(file).ok_or_else(|| refusal("open", Errno::EOPNOTSUPP))?;
    for (what, value) in [("the offset in the file", offset), ("the address of the memory", into as u64)] {
        if value % alignment as u64 != 0 {
            let message = format!("{what}, {value}, is not a multiple of {alignment} bytes, as direct I/O needs here");
            return Err(Error::new(ErrorKind::InvalidInput, message).during("pread").with_errno(Errno::EINVAL));
        }
    }
    if offset.checked_add(length as u64).is_none_or(|end| i64::try_from(end).is_err()) {
        return Err(Error::new(ErrorKind::InvalidInput, "beyond the end of any file").with_errno(Errno::EINVAL));
    }
    let again = make_direct(&mut calls)?;
    let direct = again.as_ref().map_or(file, OwnedFd::as_fd);

    // SAFETY: as the caller promised.
    let into = unsafe { SpanMut::new(into, length) };
    let mut read = |fd: BorrowedFd<'_>, done: usize, wanted: usize| -> Sys<usize> {
        loop {
            match calls.read_span(fd, Some(offset + done as u64), into.part(done as u64, wanted as u64)) {
                Err(Errno::EINTR) => {}
                result => return result,
            }
        }
    };
    let whole = length - length % alignment;
    let mut done = 0;
    while done < length {
        let (fd, wanted) = if done < whole { (direct, (whole - done).min(LARGEST)) } else { (file, length - done) };
        if done >= whole && again.is_none() {
            set_direct(file, false).map_err(|errno| Error::os("fcntl", errno).after(done as u64))?;
        }
        let count = read(fd, done, wanted).map_err(|errno| match errno {
            // Accepted by open(2), and then not done: as on a file system that does not tell its alignment.
            Errno::EINVAL if done == 0 => refusal("pread", errno),
            errno => Error::os("pread", errno).after(done as u64),
        })?;
        done += count;
        // A short read that ends inside a block has met the end of the file.
        if count == 0 || (count < wanted && count % alignment != 0) {
            break;
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;
    use crate::testing::file_on_disk;

    fn file(length: usize) -> Option<(std::fs::File, Vec<u8>)> {
        let mut file = file_on_disk();
        let content: Vec<u8> =
            (0..length as u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        file.write_all(&content).unwrap();
        let mut buffer = AlignedBuffer::new(4096).unwrap();
        match buffer.read_direct(file.as_fd(), 0) {
            Err(error) if error.kind() == ErrorKind::Refused => {
                assert!(std::env::var_os("ZCIO_REQUIRE").is_none(), "no direct I/O here, and ZCIO_REQUIRE is set");
                eprintln!("skipped direct reads: the file system has no direct I/O");
                None
            }
            _ => Some((file, content)),
        }
    }

    #[test]
    fn whole_blocks_tails_and_the_end_of_the_file() {
        let Some((mut file, content)) = file(3 * 4096 + 1000) else { return };
        file.seek(std::io::SeekFrom::Start(7)).unwrap();
        for (offset, length, expected) in [
            (0, 4096, 4096),
            (0, 3 * 4096 + 1000, 3 * 4096 + 1000),
            (0, 100_000, 3 * 4096 + 1000),
            (4096, 5000, 5000),
            (8192, 100, 100),
            (3 * 4096, 4096, 1000),
            (4 * 4096, 4096, 0),
        ] {
            let mut buffer = AlignedBuffer::new(length).unwrap();
            assert_eq!(buffer.read_direct(file.as_fd(), offset).unwrap(), expected, "{offset} {length}");
            let start = offset as usize;
            assert!(expected == 0 || buffer[..expected] == content[start..start + expected], "{offset} {length}");
            assert!(buffer[expected..].iter().all(|&byte| byte == 0), "{offset} {length}");
        }
        assert_eq!(file.stream_position().unwrap(), 7);
    }

    #[test]
    fn what_is_not_aligned_is_refused() {
        let Some((file, _)) = file(8192) else { return };
        let mut buffer = AlignedBuffer::new(8192).unwrap();
        let error = buffer.read_direct(file.as_fd(), 100).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        // SAFETY: inside the buffer, which nobody looks at.
        let error = unsafe { read_direct(file.as_fd(), 0, buffer.as_mut_ptr().add(8), 512) }.unwrap_err();
        assert!(error.message().contains("the address"), "{error}");
        let error = buffer.read_direct(file.as_fd(), u64::MAX - 4095).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}
