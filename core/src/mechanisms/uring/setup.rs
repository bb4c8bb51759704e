//! A ring is made, or it is found out why not.

use io_uring::IoUring;
use io_uring::types::CancelBuilder;
use nix::errno::Errno;

use crate::sys::probe::io_uring_setup;

/// The operations that a ring is made by, as errors name them.
pub(super) const MMAP: &str = "mmap";
/// See [`MMAP`].
pub(super) const REGISTER: &str = "io_uring_register";
const SETUP: &str = "io_uring_setup";

pub(super) fn set_up(builder: &io_uring::Builder, entries: usize) -> Result<IoUring, (&'static str, Errno)> {
    let entries = entries.next_power_of_two() as u32;
    let uring = builder.build(entries).map_err(|error| match errno(&error) {
        // The library makes a ring and maps its queues, and does not say which of the two there was no room for.
        Errno::ENOMEM if io_uring_setup(entries).is_ok() => (MMAP, Errno::ENOMEM),
        errno => (SETUP, errno),
    })?;
    // Asked with nothing in flight only to know whether it can be asked later (Linux 6.0).
    match uring.submitter().register_sync_cancel(None, CancelBuilder::any()) {
        Err(error) if errno(&error) != Errno::ENOENT => Err(register(error)),
        _ => Ok(uring),
    }
}

#[allow(clippy::needless_pass_by_value)] // A function for map_err.
pub(super) fn register(error: std::io::Error) -> (&'static str, Errno) {
    (REGISTER, errno(&error))
}

pub(super) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
