//! Who lends a descriptor: the standard library's types, and those of tokio, nix and others that say which one they have.

use std::any::TypeId;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use super::Kind;

/// What lends its descriptor to an [`Endpoint`](super::Endpoint): a [`BorrowedFd`], or a reference to anything that has one.
///
/// ```
/// use zcio::endpoint::{Endpoint, LendFd};
///
/// fn is_file<'fd>(lender: impl LendFd<'fd>) -> bool {
///     Endpoint::new(lender).is_ok_and(|end| end.facts().kind.is_seekable())
/// }
///
/// assert!(is_file(&tempfile::tempfile()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait LendFd<'fd> {
    /// The descriptor, for as long as the borrow lasts.
    fn lend(self) -> BorrowedFd<'fd>;

    /// What it is by its type, where that says it: then nobody has to ask.
    #[doc(hidden)]
    fn kind(&self) -> Option<Kind> {
        None
    }
}

impl<'fd> LendFd<'fd> for BorrowedFd<'fd> {
    fn lend(self) -> BorrowedFd<'fd> {
        self
    }
}

impl<'fd, T: AsFd + ?Sized> LendFd<'fd> for &'fd T {
    fn lend(self) -> BorrowedFd<'fd> {
        self.as_fd()
    }

    fn kind(&self) -> Option<Kind> {
        let own = typeid::of::<T>();
        match () {
            () if own == TypeId::of::<TcpStream>() => Some(Kind::Tcp),
            () if own == TypeId::of::<UnixStream>() => Some(Kind::UnixStream),
            () => None,
        }
    }
}
