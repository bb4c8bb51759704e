//! A child process that has this process's memory, copied on write, and does one small thing in it.
//!
//! Made by clone(2) with no exit signal: a host with a SIGCHLD handler, or one that waits for all its children, never
//! learns of it, and no `pthread_atfork` handler of somebody else runs. Between clone and exit the child may only touch
//! memory and make raw system calls: the other threads of the parent do not exist in it, and their locks stay locked.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::sys::Sys;

/// A child that has done its work and waits; it ends when this is dropped.
pub(crate) struct Child {
    pid: libc::pid_t,
    /// Closing it lets the child go.
    gate: Option<OwnedFd>,
}

impl Child {
    /// Starts a child, lets it do `work`, and returns when that is done.
    ///
    /// # Safety
    /// `work` only touches memory and makes raw system calls; it must not allocate, lock, panic or return early.
    pub unsafe fn after(work: impl FnOnce()) -> Sys<Self> {
        let (done_read, done_write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let (gate_read, gate_write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        // SAFETY: clone with no flags is fork(2) without an exit signal and without the C library's hooks.
        let pid = Errno::result(unsafe { libc::syscall(libc::SYS_clone, 0_u64, 0_u64, 0_u64, 0_u64, 0_u64) })?;
        if pid == 0 {
            work();
            // SAFETY: raw calls on descriptors that this child inherited; `_exit` runs no handler of the parent's.
            unsafe {
                libc::close(gate_write.as_raw_fd());
                let mut byte = [0_u8];
                libc::write(done_write.as_raw_fd(), byte.as_ptr().cast(), 1);
                // Ends with 0 when the parent has closed the gate, or has died.
                while libc::read(gate_read.as_raw_fd(), byte.as_mut_ptr().cast(), 1) < 0 {}
                libc::_exit(0);
            }
        }
        let child = Self { pid: pid as libc::pid_t, gate: Some(gate_write) };
        drop((done_write, gate_read));
        loop {
            match nix::unistd::read(&done_read, &mut [0_u8]) {
                Ok(1) => return Ok(child),
                // It died before it was done.
                Ok(_) => return Err(Errno::ECHILD),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Its process number.
    pub fn pid(&self) -> i32 {
        self.pid
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.gate = None;
        // __WALL, because a child without an exit signal is not waited for otherwise (waitpid(2)).
        // SAFETY: a null status pointer is allowed.
        while unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), libc::__WALL) } < 0
            && Errno::last() == Errno::EINTR
        {}
    }
}
