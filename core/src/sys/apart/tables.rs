//! Which table of descriptors a thread has, and how it gets one of its own.

use std::cell::Cell;
use std::os::fd::{BorrowedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use crate::sys::Sys;

/// Descriptors below this one are kept, because a panic is printed to one of them.
const STANDARD: RawFd = 3;

thread_local! {
    /// 0 for the process's.
    static TABLE: Cell<u32> = const { Cell::new(0) };
}

/// The number of this thread's table; 0 for the process's. Descriptors of one table mean nothing in another.
pub(crate) fn table() -> u32 {
    TABLE.get()
}

/// From now on this thread is one of that table.
pub(super) fn is_of(table: u32) {
    TABLE.set(table);
}

/// The calling thread gets a table of its own, without the others' descriptors: a peer must see the end of a stream when
/// they close it.
pub(super) fn leave_table() -> Sys<()> {
    unshare_table(STANDARD)
}

/// The calling thread gets a table of its own, with those of the others' descriptors that are below that number.
pub(super) fn unshare_table(end: RawFd) -> Sys<()> {
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
pub(super) fn close_all(keep: impl Fn(RawFd) -> bool) -> Sys<()> {
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

/// The calling thread gets a table of its own, in which there is only that descriptor; gives back its number there.
///
/// Nothing of the process's stays: a stream on one of the standard descriptors, too, must end when the process closes it.
/// Something must have their numbers, though, because a panic is printed to one of them.
pub(super) fn leave_all_but(descriptor: RawFd) -> Sys<RawFd> {
    unshare_table(descriptor + 1)?;
    // SAFETY: open in this table, and used by nobody else here.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let kept = fcntl(descriptor, FcntlArg::F_DUPFD_CLOEXEC(STANDARD))?;
    close_all(|number| number == kept)?;
    for number in 0..STANDARD {
        // SAFETY: takes numbers. What is printed there is refused, being no number of eight bytes.
        let made = Errno::result(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        if made != number {
            return Err(Errno::EIO);
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::skip_without;

    #[test]
    fn a_stream_ends_although_the_thread_lives() {
        let bit_by_bit = || {
            // SAFETY: takes flags, and changes nothing but whose table this thread's is.
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
