//! Which terminal a descriptor is (`ioctl_tty(2)`).

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::{Sys, SyscallCounter};

impl SyscallCounter {
    /// The device number of the terminal itself, whatever name it was opened by (`TIOCGDEV`); an error if it is none.
    pub fn terminal(&mut self, fd: BorrowedFd<'_>) -> Sys<u32> {
        self.made += 1;
        let mut device: libc::c_uint = 0;
        // SAFETY: the request writes one unsigned int.
        Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGDEV, &raw mut device) }).map(|_| device)
    }
}
