//! What `O_DIRECT` needs to know and to have: the file's own answer about alignment, and a second descriptor.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::{Sys, SyscallCounter, by_number};

/// Where the file does not say: the page size satisfies every file system in the kernel.
const SAFE: usize = 4096;

impl SyscallCounter {
    /// The alignment, in bytes, of memory, offset and length for direct I/O on this file (statx(2), `STATX_DIOALIGN`,
    /// since 6.1); `None` if the file says that it has none.
    pub fn direct_alignment(&mut self, fd: BorrowedFd<'_>) -> Option<usize> {
        self.made += 1;
        let answer = match by_number::statx(fd, 0, libc::STATX_DIOALIGN) {
            Ok(answer) if answer.stx_mask & libc::STATX_DIOALIGN != 0 => answer,
            // An older kernel, a filter that hides statx, or a file system that does not answer: open(2) will tell.
            _ => return Some(SAFE),
        };
        let alignment = answer.stx_dio_mem_align.max(answer.stx_dio_offset_align) as usize;
        (alignment > 0).then_some(alignment.max(512))
    }

    /// Opens the same file again, through `/proc/thread-self/fd` (this thread's table need not be that of the process), with
    /// flags of its own: `O_DIRECT` belongs to the open file description, which the caller's descriptor may share with others.
    pub fn reopen(&mut self, fd: BorrowedFd<'_>, flags: OFlag) -> Sys<OwnedFd> {
        let path = format!("/proc/thread-self/fd/{}", fd.as_raw_fd());
        loop {
            self.enter("open", fd, 0)?;
            match nix::fcntl::open(path.as_str(), flags | OFlag::O_CLOEXEC, Mode::empty()) {
                Err(Errno::EINTR) => {}
                opened => return opened,
            }
        }
    }
}
