//! What tests of this crate ask before they begin.

use nix::errno::Errno;

/// Says why a test, or a part of it, is not run here: a filter denies this system call. Where nothing may be skipped
/// (`ZCIO_REQUIRE`) that is a failure.
pub(crate) fn skip_without(system_call: &str, errno: Errno) {
    assert!(std::env::var_os("ZCIO_REQUIRE").is_none(), "{system_call} must be allowed here: {errno}");
    eprintln!("SKIPPED: {system_call} is denied: {errno}");
}

/// Whether `io_uring` is allowed here, as it is not in most containers. Otherwise says so.
pub(crate) fn has_uring() -> bool {
    match io_uring::IoUring::new(2) {
        Ok(_) => true,
        Err(error) => {
            skip_without("io_uring_setup", Errno::from_raw(error.raw_os_error().unwrap_or(0)));
            false
        }
    }
}

/// A new file on a disk, which the system's folder for temporary files need not be; there, where only that one is writable.
pub(crate) fn file_on_disk() -> std::fs::File {
    tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).or_else(|_| tempfile::tempfile()).unwrap()
}
