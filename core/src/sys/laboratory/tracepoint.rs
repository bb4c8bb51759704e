//! The kernel's own count of system calls: a perf event on the tracepoint `raw_syscalls:sys_enter`.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

use crate::sys::Sys;

/// Counts the system calls of the thread that makes it, between [`start`](Self::start) and
/// [`stop`](Self::stop).
pub(crate) struct SystemCalls(OwnedFd);

/// `struct perf_event_attr` as of its first version (`PERF_ATTR_SIZE_VER0`).
#[repr(C)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    breakpoint_type: u32,
    breakpoint_address: u64,
}
const _: () = assert!(size_of::<Attributes>() == 64);

impl SystemCalls {
    /// A counter for the tracepoint of that number (`events/raw_syscalls/sys_enter/id` in tracefs). EACCES or EPERM
    /// without `CAP_PERFMON`.
    pub fn of(tracepoint: u64) -> Sys<Self> {
        const PERF_TYPE_TRACEPOINT: u32 = 2;
        // Bit 0: starts switched off.
        const DISABLED: u64 = 1;
        const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;
        let attributes = Attributes {
            kind: PERF_TYPE_TRACEPOINT,
            size: size_of::<Attributes>() as u32,
            config: tracepoint,
            sample_period: 0,
            sample_type: 0,
            read_format: 0,
            flags: DISABLED,
            wakeup: 0,
            breakpoint_type: 0,
            breakpoint_address: 0,
        };
        // SAFETY: the attributes have the layout of the version that their size says; this thread, any processor, no group.
        let fd =
            unsafe { libc::syscall(libc::SYS_perf_event_open, &raw const attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC) };
        let fd = Errno::result(fd)?;
        // SAFETY: a new descriptor that nobody else has.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) }))
    }

    /// From now on. Gives the count so far, for [`Self::stop`].
    pub fn start(&self) -> Sys<u64> {
        const ENABLE: libc::c_ulong = 0x2400;
        let before = self.count()?;
        // SAFETY: takes no argument.
        Errno::result(unsafe { libc::ioctl(self.0.as_raw_fd(), ENABLE as _, 0) })?;
        Ok(before)
    }

    /// Until now: the calls since the start, without the one that stops.
    pub fn stop(&self, before: u64) -> Sys<u64> {
        const DISABLE: libc::c_ulong = 0x2401;
        // SAFETY: takes no argument.
        Errno::result(unsafe { libc::ioctl(self.0.as_raw_fd(), DISABLE as _, 0) })?;
        Ok((self.count()? - before).saturating_sub(1))
    }

    fn count(&self) -> Sys<u64> {
        let mut count = [0; 8];
        nix::unistd::read(&self.0, &mut count)?;
        Ok(u64::from_ne_bytes(count))
    }
}
