//! Threads that the program does not know of: no signal of its own is delivered to them.
//!
//! The kernel gives a signal that was sent to the process to any thread which does not block it. A program that blocks one in
//! all its threads, to wait for it (sigwait(3), signalfd(2)) or not to be killed by it meanwhile, must find it blocked.

use std::mem::MaybeUninit;

/// Raised by an instruction of the thread itself: blocked, they would kill the process without its handler.
const FAULTS: [libc::c_int; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];

/// Has `start` start threads, which inherit a mask with all signals blocked; afterwards the calling thread has its own again.
pub(crate) fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    let _before = Mask::block();
    start()
}

/// The mask that a thread had before.
struct Mask(libc::sigset_t);

impl Mask {
    fn block() -> Self {
        let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: sigfillset(3) fills the set, and pthread_sigmask(3), which fails for an unknown way only, the other one.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            for fault in FAULTS {
                libc::sigdelset(all.as_mut_ptr(), fault);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr());
            Self(before.assume_init())
        }
    }
}

impl Drop for Mask {
    fn drop(&mut self) {
        // SAFETY: a mask that this thread had.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_blocked(signal: libc::c_int) -> bool {
        let mut now = MaybeUninit::uninit();
        // SAFETY: a null set only asks; `now` is filled.
        unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), now.as_mut_ptr());
            libc::sigismember(now.as_ptr(), signal) == 1
        }
    }

    #[test]
    fn a_thread_has_signals_blocked_but_for_faults_and_its_starter_has_not() {
        let asked = || [libc::SIGTERM, libc::SIGUSR1, libc::SIGALRM, libc::SIGBUS, libc::SIGSEGV].map(is_blocked);
        let before = asked();
        let there = without_signals(|| std::thread::spawn(asked)).join().unwrap();
        assert_eq!(there, [true, true, true, false, false]);
        assert_eq!(asked(), before);
    }
}
