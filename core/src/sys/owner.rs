//! The number of the process that this memory belongs to: asked once, because getpid(2) is a system call.
//!
//! A call that reads or writes memory by that number must never find the memory of another process. So the number is kept in
//! a page that is zeroes in every copy of this memory (madvise(2), `MADV_WIPEONFORK`), however the child was made that has it: also
//! by a bare clone(2), which no library hears of.

use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

/// The number of this process.
pub(super) fn this_process() -> libc::pid_t {
    static KEPT: AtomicPtr<AtomicI32> = AtomicPtr::new(ptr::null_mut());
    // SAFETY: null, or a page that is never unmapped.
    let kept = unsafe { KEPT.load(Ordering::Acquire).as_ref() }.or_else(|| keep(&KEPT));
    match kept.map_or(0, |kept| kept.load(Ordering::Relaxed)) {
        0 => {
            // SAFETY: takes nothing and cannot fail.
            let number = unsafe { libc::getpid() };
            kept.inspect(|kept| kept.store(number, Ordering::Relaxed));
            number
        }
        number => number,
    }
}

/// Makes the page. `None` where there is none to be had.
#[cold]
fn keep(place: &'static AtomicPtr<AtomicI32>) -> Option<&'static AtomicI32> {
    /// The kernel makes a whole page of it.
    const LENGTH: usize = size_of::<AtomicI32>();
    let (rights, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping touches none that exists.
    let page = unsafe { libc::mmap(ptr::null_mut(), LENGTH, rights, flags, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the page was mapped just now, by this function.
    let usable = unsafe { libc::madvise(page, LENGTH, libc::MADV_WIPEONFORK) } == 0
        && place.compare_exchange(ptr::null_mut(), page.cast(), Ordering::AcqRel, Ordering::Acquire).is_ok();
    if !usable {
        // SAFETY: as above; nobody else knows it.
        unsafe { libc::munmap(page, LENGTH) };
    }
    // SAFETY: null, or a page that is never unmapped.
    unsafe { place.load(Ordering::Acquire).as_ref() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_made_by_a_bare_clone_is_another_process() {
        assert_eq!(this_process(), std::process::id() as i32);
        assert_eq!(this_process(), std::process::id() as i32);
        // SAFETY: as fork(2), without the C library; the child makes system calls and ends.
        unsafe {
            let child = libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0);
            if child == 0 {
                let right = i64::from(this_process()) == libc::syscall(libc::SYS_getpid);
                libc::_exit(i32::from(!right));
            }
            let mut status = -1;
            assert_eq!(i64::from(libc::waitpid(child as i32, &raw mut status, 0)), child);
            assert_eq!(status, 0);
        }
    }
}
