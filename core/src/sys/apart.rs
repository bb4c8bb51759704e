//! Threads with a table of descriptors of their own, where closing a descriptor costs nobody a lock.
//!
//! Closing any descriptor of a file takes away the POSIX locks (fcntl(2)) that the closing table of descriptors has on that
//! file, whichever descriptor they were asked for with. Threads share one table (`CLONE_FILES` of clone(2)), so a second
//! descriptor that is opened and closed beside the caller's would cost the caller its locks. One that lives and dies in
//! another table does not. It must never leave the threads of that table.
//!
//! Here a file is opened again in such a thread ([`Reopening`]); in [`pool`] whole transfers are made there, with descriptors
//! that were sent ([`held`]). The tables themselves are in [`tables`].

pub(crate) mod beside;
mod channel;
pub(crate) mod held;
pub(crate) mod meeting;
pub(crate) mod pool;
pub(crate) mod resident;
pub(crate) mod tables;

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::{Sys, SyscallCounter, by_number};
use tables::leave_table;

/// A file to be opened again by another thread, while the caller keeps the descriptor it is about.
#[derive(Debug)]
pub(crate) struct Reopening {
    path: String,
    flags: OFlag,
}

impl SyscallCounter {
    /// Gets ready for [`Reopening::open`], which makes as many calls as are counted here. Flags such as `O_DIRECT` belong to
    /// the open file description, which the caller's descriptor may share with others.
    pub fn reopening(&mut self, fd: BorrowedFd<'_>, flags: OFlag) -> Sys<Reopening> {
        self.enter("open", fd, 0)?;
        self.made += 1;
        let path = format!("/proc/self/task/{}/fd/{}", by_number::thread(), fd.as_raw_fd());
        Ok(Reopening { path, flags: flags | OFlag::O_CLOEXEC })
    }
}

impl Reopening {
    /// Gives the calling thread a table of its own, and opens the file there.
    pub fn open(&self) -> Sys<OwnedFd> {
        leave_table()?;
        loop {
            match nix::fcntl::open(self.path.as_str(), self.flags, Mode::empty()) {
                Err(Errno::EINTR) => {}
                opened => return opened,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::fcntl::{FcntlArg, fcntl};

    use super::*;

    /// Whether an open file description of its own finds a lock; POSIX locks of this process count for it.
    fn is_locked(path: &std::path::Path) -> bool {
        // SAFETY: all-zero is a valid flock.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = libc::F_WRLCK as libc::c_short;
        // In a table of its own: closing it must not be what takes the lock away.
        let path = path.to_path_buf();
        std::thread::spawn(move || {
            leave_table().unwrap();
            let file = std::fs::File::options().write(true).open(path).unwrap();
            fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock)).unwrap();
            lock.l_type != libc::F_UNLCK as libc::c_short
        })
        .join()
        .unwrap()
    }

    #[test]
    fn closing_it_takes_no_lock_away() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let file = std::fs::File::options().read(true).write(true).open(path.path()).unwrap();
        // SAFETY: as above.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = libc::F_WRLCK as libc::c_short;
        fcntl(&file, FcntlArg::F_SETLK(&lock)).unwrap();
        let open_and_close =
            |reopening: Reopening| std::thread::spawn(move || reopening.open().map(drop)).join().unwrap();
        let reopening = SyscallCounter::default().reopening(file.as_fd(), OFlag::O_RDONLY).unwrap();
        open_and_close(reopening).unwrap();
        assert!(is_locked(path.path()));
        // What would happen otherwise.
        drop(SyscallCounter::default().reopen(file.as_fd(), OFlag::O_RDONLY).unwrap());
        assert!(!is_locked(path.path()));
    }
}
