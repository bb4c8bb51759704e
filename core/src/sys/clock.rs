//! The time, for who looks at it so often that the look itself must cost nothing.

use std::time::Duration;

/// Since some point in the past: a clock that only moves on when the kernel's timer does, every few milliseconds. A quarter of
/// the time that a look at the exact one takes.
pub(crate) fn coarse() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local of the right type. This clock is always there, and has no negative times.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
