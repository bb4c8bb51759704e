//! Page faults and processor time, of a thread and of the whole process.

use std::time::Duration;

use nix::errno::Errno;

use crate::sys::Sys;

/// Page faults of the calling thread so far, minor and major (getrusage(2), `RUSAGE_THREAD`).
pub(crate) fn thread_faults() -> (u64, u64) {
    faults(libc::RUSAGE_THREAD)
}

fn faults(who: libc::c_int) -> (u64, u64) {
    // SAFETY: zero bytes are a valid rusage, and the kernel fills in a local of the right type.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(who, &raw mut usage);
        usage
    };
    (usage.ru_minflt as u64, usage.ru_majflt as u64)
}

/// Processor time of the whole process so far, its threads that have ended included.
pub(crate) fn process_time() -> Sys<Duration> {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Processor time of one thread of this process so far.
pub(crate) fn thread_time(thread: i32) -> Sys<Duration> {
    // How the kernel names a thread's clock (`pthread_getcpuclockid` makes the same number): CPUCLOCK_PERTHREAD and
    // CPUCLOCK_SCHED.
    clock((!thread << 3) | 6)
}

fn clock(clock: libc::clockid_t) -> Sys<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills in a local of the right type.
    Errno::result(unsafe { libc::clock_gettime(clock, &raw mut time) })?;
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Page faults of the whole process so far, minor and major (getrusage(2), `RUSAGE_SELF`).
pub(crate) fn process_faults() -> (u64, u64) {
    faults(libc::RUSAGE_SELF)
}
