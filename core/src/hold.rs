//! What keeps an end what it is while bytes move.
//!
//! An [`Endpoint`](crate::Endpoint) borrows a descriptor or memory, and Rust's borrow keeps both as they are. Where a borrow
//! cannot do that (a channel or a file object of another language, a region that another thread may close), the endpoint
//! carries a [`Hold`]: the engine enters it before the system calls of each step and leaves it afterwards, and asks it once
//! more before it reports success. So every kind of end needs one small implementation of its own, and the engine knows none
//! of them.

use std::fmt;

use crate::error::Result;

/// What keeps an end what it is while bytes move; see [`Endpoint::held`](crate::Endpoint::held).
///
/// A step may enter from any thread, and several may be inside at once: of two transfers, or of the two directions of a
/// relay. Nobody is inside while a transfer waits for its other end, or while a watcher is called.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use zcio::{Error, Hold};
///
/// /// An end that its owner can take away at any time.
/// #[derive(Debug, Default)]
/// struct Owned(AtomicBool);
///
/// impl Hold for Owned {
///     fn enter(&self) -> zcio::error::Result<()> {
///         if self.0.load(Ordering::Acquire) { Err(Error::closed("its owner has closed it")) } else { Ok(()) }
///     }
///
///     fn leave(&self) {}
/// }
///
/// assert!(Owned::default().check().is_ok());
/// ```
pub trait Hold: fmt::Debug + Send + Sync {
    /// Called before system calls: until [`Hold::leave`] the descriptor, or the memory, stays what it is.
    ///
    /// # Errors
    ///
    /// The end is lost, now and from now on: [`Error::closed`](crate::Error::closed). It ends the transfer, with the bytes
    /// delivered before.
    fn enter(&self) -> Result<()>;

    /// Called after them, by the same thread, once for each [`Hold::enter`] that succeeded. What was asked of the end
    /// meanwhile (to be closed) can be done now.
    fn leave(&self);

    /// Called once when all is delivered, by nobody who is inside: an end that was lost meanwhile is an error, not a success.
    ///
    /// # Errors
    ///
    /// As [`Hold::enter`].
    fn check(&self) -> Result<()> {
        self.enter()?;
        self.leave();
        Ok(())
    }
}
