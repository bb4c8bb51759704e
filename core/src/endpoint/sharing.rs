//! Which file systems share blocks between files, remembered by their device numbers: a file system keeps its own for as long as
//! it is mounted. One that got another's number later costs one refused clone, or a copy that shares by itself. Those of loop
//! devices, which are handed out again at once, are not remembered.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::stat::major;

use crate::sys::files::may_share_blocks;

/// Each the device number and, in the highest bit, whether it shares. Device numbers have 32 bits on disk and in this kernel.
static KNOWN: [AtomicU64; 16] = [const { AtomicU64::new(u64::MAX) }; 16];
const SHARES: u64 = 1 << 63;

/// The major number of loop devices.
const LOOP: u64 = 7;

pub(super) fn may_share(device: u64, fd: BorrowedFd<'_>) -> bool {
    if major(device) == LOOP {
        return may_share_blocks(fd);
    }
    let place = &KNOWN[device as usize % KNOWN.len()];
    let known = place.load(Ordering::Relaxed);
    if known != u64::MAX && known & !SHARES == device {
        return known & SHARES != 0;
    }
    let shares = may_share_blocks(fd);
    place.store(device & !SHARES | if shares { SHARES } else { 0 }, Ordering::Relaxed);
    shares
}

/// The file system with this number has said that it does not.
pub(crate) fn forget(device: u64) {
    let place = &KNOWN[device as usize % KNOWN.len()];
    let shares = device & !SHARES | SHARES;
    // Another one's place stays what it is.
    let _ = place.compare_exchange(shares, device & !SHARES, Ordering::Relaxed, Ordering::Relaxed);
}
