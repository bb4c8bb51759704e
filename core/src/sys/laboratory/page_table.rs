//! The scan of a process's page tables.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use crate::sys::Sys;

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
