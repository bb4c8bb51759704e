//! Who lends a descriptor: the standard library's types, and those of tokio, nix and others that say which one they have.

use std::os::fd::{AsFd, BorrowedFd};

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
}
