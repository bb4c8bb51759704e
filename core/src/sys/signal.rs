//! sigaction(2) for one signal, SIGBUS, with the rules of chaining: what was there before must go on as if we were not. And
//! copies that rely on the handler ([`copy`]).
//!
//! Everything that runs inside the handler is async-signal-safe: no allocation, no lock, no panic.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use nix::errno::Errno;

use super::{Sys, clock, guarded};

/// Looks at a faulting address; true when the fault has been mended and the instruction can be tried again.
pub(crate) type Mend = fn(address: usize) -> bool;

/// The action that was there before ours. Written before our handler can run, and never freed.
static PREVIOUS: AtomicPtr<libc::sigaction> = AtomicPtr::new(std::ptr::null_mut());
static MEND: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());
/// The handler has been installed, and it knows the routine that copies.
static COPIES: AtomicBool = AtomicBool::new(false);

/// Puts a handler for SIGBUS before the one that is there. Once in the life of a process.
pub(crate) fn chain_sigbus(mend: Mend) -> Sys<()> {
    let mut previous = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null action only asks; `previous` is a local of the right type.
    Errno::result(unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), previous.as_mut_ptr()) })?;
    // SAFETY: sigaction filled it (and zero bytes are a valid one).
    let previous = unsafe { previous.assume_init() };
    MEND.store(mend as *mut (), Ordering::SeqCst);
    PREVIOUS.store(Box::into_raw(Box::new(previous)), Ordering::SeqCst);

    let mut ours = previous;
    ours.sa_sigaction = handler as *const () as usize;
    // The mask, SA_NODEFER and SA_RESTART stay as they were, so that the previous handler runs as it always did. The
    // alternate stack is used if the thread has one: the fault may be one on its stack.
    ours.sa_flags = (previous.sa_flags & (libc::SA_NODEFER | libc::SA_RESTART)) | libc::SA_SIGINFO | libc::SA_ONSTACK;
    let copies = guarded::prepare();
    let mut replaced = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: `handler` has the signature SA_SIGINFO asks for and does only what a handler may.
    Errno::result(unsafe { libc::sigaction(libc::SIGBUS, &raw const ours, replaced.as_mut_ptr()) })?;
    // SAFETY: as above.
    let replaced = unsafe { replaced.assume_init() };
    if replaced.sa_sigaction != previous.sa_sigaction {
        // Another thread has put one there since we asked.
        PREVIOUS.store(Box::into_raw(Box::new(replaced)), Ordering::SeqCst);
    }
    COPIES.store(copies, Ordering::Release);
    Ok(())
}

/// Copies as many bytes as it can, from the first one on, by this process's own instructions; gives back how many at least. The
/// handler ends it early where a page is gone; none are copied where it is not sure that the handler would be asked.
///
/// # Safety
/// `from` may be read and `into` written, both for `length` bytes, but for pages that are gone: SIGBUS, and not SIGSEGV.
pub(crate) unsafe fn copy(into: *mut u8, from: *const u8, length: usize) -> usize {
    if !COPIES.load(Ordering::Acquire) || is_blocked() || !is_ours() {
        return 0;
    }
    // SAFETY: as the caller promised.
    unsafe { guarded::copy(into, from, length) }
}

/// Whether this thread blocks SIGBUS: the kernel ends a process that faults then, whatever handler it has.
fn is_blocked() -> bool {
    let mut blocked = 0_u64;
    let length = size_of_val(&blocked);
    let nothing = std::ptr::null::<u64>();
    // SAFETY: only asks; the kernel writes the 64 signals of the set.
    let asked = unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_BLOCK, nothing, &raw mut blocked, length) };
    asked != 0 || blocked & 1 << (libc::SIGBUS - 1) != 0
}

/// Whether the kernel calls our handler first. One that was installed later may hand a fault on, and may do something else before.
/// That happens once in the life of a process, if at all, so it is asked again when the clock has moved on, some milliseconds.
fn is_ours() -> bool {
    /// When it was; no time of the clock's at first.
    static ASKED: AtomicU64 = AtomicU64::new(u64::MAX);
    let now = clock::coarse().as_nanos() as u64;
    if ASKED.load(Ordering::Relaxed) == now {
        return true;
    }
    // The kernel's: the handler, flags, what restores, the mask.
    let mut action = [0_usize; 4];
    let nothing = std::ptr::null::<usize>();
    // SAFETY: only asks; the structure is as long on processors of 64 bits. The raw call, because a sanitizer's or a JVM's
    // wrapper gives what was asked of it and not what the kernel has.
    let asked =
        unsafe { libc::syscall(libc::SYS_rt_sigaction, libc::SIGBUS, nothing, action.as_mut_ptr(), size_of::<u64>()) };
    let ours = asked == 0 && action[0] == handler as *const () as usize;
    if ours {
        ASKED.store(now, Ordering::Relaxed);
    }
    ours
}

extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let mend = MEND.load(Ordering::SeqCst);
    // SAFETY: the kernel gives a valid siginfo to an SA_SIGINFO handler.
    let code = unsafe { (*info).si_code };
    let gone = code == libc::BUS_ADRERR || code == libc::BUS_MCEERR_AR;
    // SAFETY: the kernel gives the interrupted thread's context, and by these codes says that an instruction of it has faulted.
    if gone && unsafe { guarded::go_on(context) } {
        return;
    }
    // BUS_ADRERR: no memory behind the address. A failed memory module (BUS_MCEERR_*) is not ours to paper over.
    if code == libc::BUS_ADRERR && !mend.is_null() {
        // SAFETY: only a `Mend` is ever stored there.
        let mend = unsafe { std::mem::transmute::<*mut (), Mend>(mend) };
        // SAFETY: for this signal and code the kernel fills in the address.
        if mend(unsafe { (*info).si_addr() } as usize) {
            return;
        }
    }
    // SAFETY: the arguments are those the kernel gave to this handler.
    unsafe { hand_on(signal, info, context, code) };
}

/// Does what would have been done without us.
///
/// # Safety
/// Only from the handler, with its own arguments.
unsafe fn hand_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void, code: libc::c_int) {
    let previous = PREVIOUS.load(Ordering::SeqCst);
    // SAFETY: set before the handler was installed, never freed.
    let previous = unsafe { &*previous };
    // Positive codes are the kernel's: the instruction will fault again. Others were sent by kill(2) and the like.
    let by_fault = code > 0;
    match previous.sa_sigaction {
        libc::SIG_IGN if !by_fault => {}
        // The kernel does not let a process ignore a fault: like the default action, it ends here.
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: the default action for SIGBUS; zero bytes are an empty mask and no flags. Both calls are
            // async-signal-safe, and the signal raised is delivered when this handler has returned.
            unsafe {
                let mut default: libc::sigaction = std::mem::zeroed();
                default.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &raw const default, std::ptr::null_mut());
                if !by_fault {
                    libc::raise(signal);
                }
            }
        }
        address if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: an address installed with SA_SIGINFO is a function of this signature.
            unsafe {
                let function = std::mem::transmute::<
                    usize,
                    extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void),
                >(address);
                function(signal, info, context);
            }
        }
        address => {
            // SAFETY: an address installed without SA_SIGINFO is a function of one int.
            unsafe { std::mem::transmute::<usize, extern "C" fn(libc::c_int)>(address)(signal) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::Barrier;

    use super::*;

    extern "C" fn theirs(_: libc::c_int) {}

    /// Puts a handler there, and gives back the one that was there before.
    fn put(handler: usize) -> usize {
        // SAFETY: zero bytes are a valid action; the handlers are functions, or `SIG_DFL`.
        unsafe {
            let (mut action, mut before): (libc::sigaction, libc::sigaction) = (std::mem::zeroed(), std::mem::zeroed());
            action.sa_sigaction = handler;
            libc::sigaction(libc::SIGBUS, &raw const action, &raw mut before);
            before.sa_sigaction
        }
    }

    #[test]
    fn a_handler_that_comes_at_the_same_time_is_not_lost() {
        // In a process of its own: whose signals these are is nobody else's affair.
        const ALONE: &str = "ZCIO_TEST_ALONE";
        if std::env::var_os(ALONE).is_none() {
            let name = "sys::signal::tests::a_handler_that_comes_at_the_same_time_is_not_lost";
            let program = std::env::current_exe().unwrap();
            let done = Command::new(program).args([name, "--exact"]).env(ALONE, "").output().unwrap();
            let said = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        let (both, theirs) = (Barrier::new(2), theirs as *const () as usize);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let mut found = Vec::new();
                for _ in 0..20_000 {
                    both.wait();
                    found.push(put(theirs));
                    both.wait();
                }
                found
            });
            let mut kept = Vec::new();
            for _ in 0..20_000 {
                put(libc::SIG_DFL);
                both.wait();
                chain_sigbus(|_| false).unwrap();
                both.wait();
                // SAFETY: set just now, and never freed.
                kept.push(unsafe { (*PREVIOUS.load(Ordering::SeqCst)).sa_sigaction });
            }
            let lost = other.join().unwrap().into_iter().zip(kept);
            let lost = lost.filter(|&(found, kept)| found == libc::SIG_DFL && kept != theirs).count();
            assert_eq!(lost, 0, "handlers that came first and are not handed on to");
        });
    }
}
