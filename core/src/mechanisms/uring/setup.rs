//! A ring is made, or it is found out why not.

use io_uring::IoUring;
use io_uring::types::CancelBuilder;
use nix::errno::Errno;

pub(super) fn set_up(builder: &io_uring::Builder, entries: usize) -> Result<IoUring, (&'static str, Errno)> {
    let uring = builder.build(entries.next_power_of_two() as u32);
    let uring = uring.map_err(|error| ("io_uring_setup", errno(&error)))?;
    // Asked with nothing in flight only to know whether it can be asked later (Linux 6.0).
    match uring.submitter().register_sync_cancel(None, CancelBuilder::any()) {
        Err(error) if errno(&error) != Errno::ENOENT => Err(register(error)),
        _ => Ok(uring),
    }
}

#[allow(clippy::needless_pass_by_value)] // A function for map_err.
pub(super) fn register(error: std::io::Error) -> (&'static str, Errno) {
    ("io_uring_register", errno(&error))
}

pub(super) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
