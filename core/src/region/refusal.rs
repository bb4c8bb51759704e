//! What the operations of a region refuse, and with which words.

use nix::errno::Errno;

use crate::error::{Error, ErrorKind};

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

pub(super) fn untrusted(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Untrusted, message).during("receive")
}
