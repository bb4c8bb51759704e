//! What the kernel tells about a process's memory by system call: fault counts, and the scan of page tables.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;

use super::Sys;

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

/// The number of the calling thread.
pub(crate) fn thread() -> i32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::gettid() }
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

/// A run of pages of the same categories, as `PAGEMAP_SCAN` writes it (`struct page_region`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PageRun {
    pub start: u64,
    pub end: u64,
    pub categories: u64,
}

/// `struct pm_scan_arg` of linux/fs.h.
#[repr(C)]
#[derive(Default)]
struct ScanArgument {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: libc::c_ulong = 0xC060_6610;
const _: () = assert!(size_of::<ScanArgument>() == 0x60);

/// `PAGEMAP_SCAN` (Linux 6.7, ioctl on /proc/pid/pagemap): runs of pages that have any of the categories. Gives back how
/// many runs were written and where the walk ended. ENOTTY where the kernel has no such call.
pub(crate) fn scan_pages(
    pagemap: BorrowedFd<'_>,
    range: std::ops::Range<u64>,
    categories: u64,
    runs: &mut [PageRun],
) -> Sys<(usize, u64)> {
    let mut argument = ScanArgument {
        size: size_of::<ScanArgument>() as u64,
        start: range.start,
        end: range.end,
        vec: runs.as_mut_ptr() as u64,
        vec_len: runs.len() as u64,
        category_anyof_mask: categories,
        return_mask: categories,
        ..ScanArgument::default()
    };
    // SAFETY: the argument has the layout and says the size that the kernel expects; `vec` is a live slice.
    let found = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN as _, &raw mut argument) };
    Errno::result(found).map(|found| (found as usize, argument.walk_end))
}

/// Whether two descriptors, both of this thread's table, are of one open file description: its flags are the same for both;
/// and fcntl(2) (`F_DUPFD_QUERY`, Linux 6.10) knows, or kcmp(2) (`KCMP_FILE`). `None` where neither may be asked: older kernels,
/// in most containers.
pub(crate) fn same_description(one: RawFd, other: RawFd) -> Option<bool> {
    const KCMP_FILE: libc::c_int = 0;
    const F_DUPFD_QUERY: libc::c_int = 1027;
    if one == other {
        return Some(true);
    }
    // SAFETY: only asks, with numbers.
    let [flags, others] = [one, other].map(|fd| unsafe { libc::fcntl(fd, libc::F_GETFL) });
    if flags != others {
        return Some(false);
    }
    // SAFETY: as above.
    let same = unsafe { libc::fcntl(one, F_DUPFD_QUERY, other) };
    if same >= 0 {
        return Some(same == 1);
    }
    let thread = thread();
    // SAFETY: takes numbers.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, thread, thread, KCMP_FILE, one, other) };
    (order >= 0).then_some(order == 0)
}
