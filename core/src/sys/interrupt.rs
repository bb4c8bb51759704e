//! SIGINT, SIGTERM and SIGHUP while the `zcio` command runs: noted, so that the command can stop cleanly, and handed to
//! its thread, so that a system call it sleeps in returns. SIGXFSZ is ignored, so that a write past the limit of a file's size
//! (setrlimit(2)) is the error EFBIG and not the end of the process.
//!
//! The command may be a guest in a process whose runtime has handlers of its own (Python, the JVM). They are replaced
//! while it runs and put back afterwards. Everything that runs inside the handler is async-signal-safe.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;

use super::fork::PerProcess;
use super::{Sys, by_number};

const SIGNALS: [libc::c_int; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGXFSZ];

/// The same signal within this time is an echo: timeout(1) and shells send it to the process and to its group.
const ECHO_MILLISECONDS: i64 = 500;

static PENDING: AtomicI32 = AtomicI32::new(0);
static PENDING_SINCE: AtomicI64 = AtomicI64::new(0);
static THREAD: AtomicI32 = AtomicI32::new(0);
static ALONE: PerProcess<Mutex<()>> = PerProcess::new(Mutex::default);

/// While this lives, the signals do what the introduction says instead of what they did before. One at a time in a process.
pub(crate) struct Signals {
    before: [Option<libc::sigaction>; SIGNALS.len()],
    _alone: MutexGuard<'static, ()>,
}

impl Signals {
    /// Begins, with the calling thread as the one whose system calls are to be interrupted. What was ignored (nohup(1))
    /// stays so.
    pub fn note() -> Sys<Self> {
        let alone = ALONE.get().lock().unwrap_or_else(PoisonError::into_inner);
        PENDING.store(0, Ordering::SeqCst);
        THREAD.store(by_number::thread(), Ordering::SeqCst);
        let mut signals = Self { before: [None; SIGNALS.len()], _alone: alone };
        for (signal, before) in SIGNALS.into_iter().zip(&mut signals.before) {
            // SAFETY: zero bytes are a sigaction with an empty mask and no flags, so that system calls return.
            let mut ours: libc::sigaction = unsafe { std::mem::zeroed() };
            if signal == libc::SIGXFSZ {
                ours.sa_sigaction = libc::SIG_IGN;
            } else {
                ours.sa_sigaction = handler as *const () as usize;
                ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            }
            let mut previous = MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: a null action only asks; `previous` is a local of the right type.
            Errno::result(unsafe { libc::sigaction(signal, std::ptr::null(), previous.as_mut_ptr()) })?;
            // SAFETY: filled by the call above.
            let previous = unsafe { previous.assume_init() };
            if previous.sa_sigaction == libc::SIG_IGN {
                continue;
            }
            // SAFETY: `handler` has the signature SA_SIGINFO asks for and does only what a handler may.
            Errno::result(unsafe { libc::sigaction(signal, &raw const ours, std::ptr::null_mut()) })?;
            *before = Some(previous);
        }
        Ok(signals)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for (signal, before) in SIGNALS.into_iter().zip(&self.before) {
            if let Some(before) = before {
                // SAFETY: what the kernel gave for this signal is given back. It cannot fail for a valid signal.
                unsafe { libc::sigaction(signal, &raw const *before, std::ptr::null_mut()) };
            }
        }
    }
}

/// The signal that came, if one did.
pub(crate) fn pending() -> Option<i32> {
    Some(PENDING.load(Ordering::SeqCst)).filter(|&signal| signal != 0)
}

extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    let errno = Errno::last_raw();
    // SAFETY: the kernel gives a valid siginfo to an SA_SIGINFO handler; for SI_TKILL it has the sender's number.
    let handed_on = unsafe { (*info).si_code == libc::SI_TKILL && (*info).si_pid() == libc::getpid() };
    if !handed_on {
        let now = milliseconds();
        if PENDING.swap(signal, Ordering::SeqCst) == 0 {
            PENDING_SINCE.store(now, Ordering::SeqCst);
        } else if now - PENDING_SINCE.load(Ordering::SeqCst) > ECHO_MILLISECONDS {
            // Asked twice: at once, and whatever is half done stays so.
            // SAFETY: async-signal-safe.
            unsafe { libc::_exit(128 + signal) };
        }
        let thread = THREAD.load(Ordering::SeqCst);
        if thread != by_number::thread() {
            // SAFETY: takes numbers; async-signal-safe. A thread that is gone is an error without consequence.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal) };
        }
    }
    Errno::set_raw(errno);
}

fn milliseconds() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a local of the right type is filled in; async-signal-safe.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}
