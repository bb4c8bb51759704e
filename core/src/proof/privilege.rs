//! What only root may do, in a thread that it ends with.

use std::io;

use nix::errno::Errno;

/// In a thread of its own, which takes what it changes about itself with it.
pub(super) fn in_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        scope.spawn(work).join().unwrap_or_else(|_| Err(io::Error::other("the thread of a namespace panicked")))
    })
}

/// The error of something that only root may do.
pub(super) fn without_root(errno: Errno) -> io::Error {
    match errno {
        Errno::EPERM | Errno::EACCES => {
            io::Error::new(io::ErrorKind::PermissionDenied, "needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN)")
        }
        _ => errno.into(),
    }
}
