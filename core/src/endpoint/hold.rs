//! An end and its [`Hold`], if it has one.

use std::sync::Arc;

use super::Endpoint;
use crate::error::{Error, Result};
use crate::hold::Hold;
use crate::sys::SyscallCounter;
use crate::sys::apart::held::identity;

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
        Entered::of(self.hold.as_ref()).map_err(|error| error.at(self.path()))
    }

    /// Whether there is something to [`Self::check`].
    #[inline]
    pub(crate) fn is_kept(&self) -> bool {
        self.hold.is_some() || self.path.is_some()
    }

    /// Asks for the last time whether the end is still what it was. What was opened by its path is nobody else's, but a program
    /// that closes every descriptor it does not know, and opens others, has given the number another meaning.
    pub(crate) fn check(&self, calls: &mut SyscallCounter) -> Result<()> {
        let held = self.hold.as_deref().map_or(Ok(()), Hold::check);
        let opened = self.path.as_ref().and_then(|_| self.descriptor());
        calls.made += u64::from(opened.is_some());
        let lost = opened.is_some_and(|fd| identity(fd) != Ok(self.facts.identity));
        let whole = if lost { Err(Error::closed("somebody else has closed its descriptor")) } else { Ok(()) };
        held.and(whole).map_err(|error| error.at(self.path()))
    }
}

/// An end that was entered; dropped, it is left.
#[must_use]
pub(crate) struct Entered(Option<Arc<dyn Hold>>);

impl Entered {
    /// Enters a hold, if there is one.
    pub fn of(hold: Option<&Arc<dyn Hold>>) -> Result<Self> {
        hold.map_or(Ok(()), |hold| hold.enter())?;
        Ok(Self(hold.cloned()))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(hold) = &self.0 {
            hold.leave();
        }
    }
}
