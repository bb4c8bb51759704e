//! What keeps an end what it is while bytes move.
//!
//! An [`Endpoint`] borrows a descriptor or memory, and Rust's borrow keeps both as they are. Where a borrow cannot do that (a
//! channel or a file object of another language, a region that another thread may close), the endpoint carries a [`Hold`]:
//! the engine enters it before the system calls of each step and leaves it afterwards, and asks it once more before it
//! reports success. So every kind of end needs one small implementation of its own, and the engine knows none of them.

use std::fmt;
use std::sync::Arc;

use super::Endpoint;
use crate::apart;
use crate::error::{Error, Result};
use crate::sys::Calls;

/// What keeps an end what it is while bytes move; see [`Endpoint::held`].
///
/// A step may enter from any thread, and several may be inside at once: of two transfers, or of the two directions of a
/// relay. Nobody is inside while a transfer waits for its other end, or while a watcher is called.
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

impl Endpoint<'_> {
    /// The same end, which is used only while it is held.
    #[must_use]
    pub fn held(mut self, hold: Arc<dyn Hold>) -> Self {
        self.hold = Some(hold);
        self
    }

    /// Whether it has a hold.
    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        self.hold.is_some()
    }

    /// Enters the end's hold, if it has one, until the guard is dropped.
    pub(crate) fn enter(&self) -> Result<Entered> {
        let Some(hold) = &self.hold else { return Ok(Entered(None)) };
        hold.enter().map_err(|error| error.at(self.path()))?;
        Ok(Entered(Some(Arc::clone(hold))))
    }

    /// Whether there is something to [`Self::check`].
    #[inline]
    pub(crate) fn is_kept(&self) -> bool {
        self.hold.is_some() || self.path.is_some()
    }

    /// Asks for the last time whether the end is still what it was. What was opened by its path is nobody else's, but a program
    /// that closes every descriptor it does not know, and opens others, has given the number another meaning.
    pub(crate) fn check(&self, calls: &mut Calls) -> Result<()> {
        let held = self.hold.as_deref().map_or(Ok(()), Hold::check);
        let opened = self.path.as_ref().and_then(|_| self.descriptor());
        calls.made += u64::from(opened.is_some());
        let lost = opened.is_some_and(|fd| apart::identity(fd) != Some(self.facts.identity));
        let whole = if lost { Err(Error::closed("somebody else has closed its descriptor")) } else { Ok(()) };
        held.and(whole).map_err(|error| error.at(self.path()))
    }
}

/// An end that was entered; dropped, it is left.
#[must_use]
pub(crate) struct Entered(Option<Arc<dyn Hold>>);

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(hold) = &self.0 {
            hold.leave();
        }
    }
}
