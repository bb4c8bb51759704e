//! Threads with a table of descriptors of their own, where closing a descriptor costs nobody a lock.
//!
//! Closing any descriptor of a file takes away the POSIX locks (fcntl(2)) that the closing table of descriptors has on that
//! file, whichever descriptor they were asked for with. Threads share one table (`CLONE_FILES` of clone(2)), so a second
//! descriptor that is opened and closed beside the caller's would cost the caller its locks. One that lives and dies in
//! another table does not. It must never leave the threads of that table.
//!
//! Here a file is opened again in such a thread ([`Reopening`]); in [`pool`] whole transfers are made there, with descriptors
//! that were sent ([`held`]).

pub(crate) mod beside;
pub(crate) mod held;
pub(crate) mod pool;

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::{Calls, Sys};

/// Descriptors below this one are kept, because a panic is printed to one of them.
const STANDARD: RawFd = 3;

/// A file to be opened again by another thread, while the caller keeps the descriptor it is about.
#[derive(Debug)]
pub(crate) struct Reopening {
    path: String,
    flags: OFlag,
}

impl Calls {
    /// Gets ready for [`Reopening::open`], which makes as many calls as are counted here. Flags such as `O_DIRECT` belong to
    /// the open file description, which the caller's descriptor may share with others.
    pub fn reopening(&mut self, fd: BorrowedFd<'_>, flags: OFlag) -> Sys<Reopening> {
        self.enter("open", fd, 0)?;
        self.made += 1;
        // SAFETY: takes nothing and does not fail.
        let thread = unsafe { libc::gettid() };
        let path = format!("/proc/self/task/{thread}/fd/{}", fd.as_raw_fd());
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

/// The calling thread gets a table of its own, without the others' descriptors: a peer must see the end of a stream when
/// they close it.
fn leave_table() -> Sys<()> {
    unshare_table(STANDARD)
}

/// The calling thread gets a table of its own, with those of the others' descriptors that are below that number.
fn unshare_table(end: RawFd) -> Sys<()> {
    // SAFETY: takes no pointers, and closes descriptors in a table that nothing else uses.
    let left = unsafe {
        libc::syscall(libc::SYS_close_range, end as libc::c_uint, libc::c_uint::MAX, libc::CLOSE_RANGE_UNSHARE)
    };
    match Errno::result(left) {
        Ok(_) => Ok(()),
        // Before 5.9, or under a filter that does not know it.
        Err(Errno::ENOSYS | Errno::EPERM) => {
            // SAFETY: takes flags, and changes nothing but whose table this thread's is.
            Errno::result(unsafe { libc::unshare(libc::CLONE_FILES) })?;
            close_all(|number| number < end)
        }
        Err(errno) => Err(errno),
    }
}

/// Closes the descriptors of this thread's own table but those.
fn close_all(keep: impl Fn(RawFd) -> bool) -> Sys<()> {
    let entries = std::fs::read_dir("/proc/thread-self/fd")
        .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    // The directory's own descriptor is among them, and closed by then.
    let numbers: Vec<RawFd> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok())).collect();
    for number in numbers.into_iter().filter(|&number| !keep(number)) {
        // SAFETY: a number in this thread's own table, which nothing in this thread refers to.
        unsafe { libc::close(number) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::fcntl::{FcntlArg, fcntl};

    use super::*;
    use crate::testing::skip_without;

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
        let reopening = Calls::default().reopening(file.as_fd(), OFlag::O_RDONLY).unwrap();
        open_and_close(reopening).unwrap();
        assert!(is_locked(path.path()));
        // What would happen otherwise.
        drop(Calls::default().reopen(file.as_fd(), OFlag::O_RDONLY).unwrap());
        assert!(!is_locked(path.path()));
    }

    #[test]
    fn a_stream_ends_although_the_thread_lives() {
        let bit_by_bit = || {
            // SAFETY: as above.
            Errno::result(unsafe { libc::unshare(libc::CLONE_FILES) })?;
            close_all(|number| number < STANDARD)
        };
        for leave in [leave_table as fn() -> Sys<()>, bit_by_bit] {
            let (mut reader, writer) = std::io::pipe().unwrap();
            let (left, has_left) = std::sync::mpsc::channel();
            let (end, ended) = std::sync::mpsc::channel::<()>();
            let thread = std::thread::spawn(move || {
                left.send(leave()).unwrap();
                let _ = ended.recv();
            });
            match has_left.recv().unwrap() {
                // The older way, for where the other one is not known.
                Err(errno @ Errno::EPERM) => {
                    skip_without("unshare", errno);
                    continue;
                }
                left => left.unwrap(),
            }
            drop(writer);
            assert_eq!(std::io::Read::read(&mut reader, &mut [0]).unwrap(), 0);
            drop(end);
            thread.join().unwrap();
        }
    }
}
