//! What the operations of a region refuse, and with which words.

use nix::errno::Errno;

use crate::error::{Error, ErrorKind};
use crate::sys::release;

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the region is closed").during("region")
}

pub(super) fn busy(what: &str) -> Error {
    refused_for_now(format!("{what} while views of the region exist"))
}

pub(super) fn in_use(what: &str) -> Error {
    refused_for_now(format!("{what} while bytes are being moved out of the region or into it"))
}

fn refused_for_now(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message).during("region").with_errno(Errno::EBUSY)
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message).during("region").with_errno(Errno::EINVAL)
}

/// An EINVAL with its reason, if the kernel is before the release that brought what it was asked for.
pub(super) fn of_age(error: Error, since: (u32, u32)) -> Error {
    let is_refusal = error.errno() == Some(libc::EINVAL);
    match release::too_old(release::of_kernel(), since) {
        Some(reason) if is_refusal => {
            Error::new(error.kind(), reason).during(error.operation()).with_errno(Errno::EINVAL)
        }
        _ => error,
    }
}

/// What mremap(2) says: a file's mapping leaves nothing behind (`MREMAP_DONTUNMAP`) before Linux 5.13.
pub(super) fn not_moved(errno: Errno) -> Error {
    of_age(Error::os("mremap", errno), (5, 13))
}

pub(super) fn untrusted(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Untrusted, message).during("receive")
}
