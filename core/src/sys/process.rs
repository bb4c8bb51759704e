//! What the kernel tells about this process's threads and descriptors.

use std::os::fd::RawFd;

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
    let thread = super::by_number::thread();
    // SAFETY: takes numbers.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, thread, thread, KCMP_FILE, one, other) };
    (order >= 0).then_some(order == 0)
}
