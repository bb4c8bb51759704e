//! Mappings that other languages can live on: of a file, of nothing, of memory shared between processes.
//!
//! A mapping is the one kind of memory that somebody else can pull away. A file cut short by another process turns a load
//! into SIGBUS; an unmapped range that another language's buffer still points to turns it into a crash, or into somebody
//! else's data. A [`Region`] is made so that neither happens:
//!
//! * **Checked copies.** [`Region::read_at`] and [`Region::write_at`] let the kernel do the copy (`process_vm_readv(2)` on
//!   this very process): where the file lost its pages they return an error of kind [`ErrorKind::Faulted`]. No signal, no
//!   handler, nothing to install.
//! * **Views.** A [`View`] is a raw pointer with a claim on the addresses behind it. [`Region::close`] releases the file and
//!   the memory at once, also while views exist: their addresses then read as zeroes until the last view is gone.
//! * **The guard.** Who reads through raw pointers can install the [`guard`] (a runtime that has a handler of its own needs
//!   none), which turns a page that is gone into zeroes and marks the region, so that its next operation reports it.
//!
//! What this module must never do: make a `&[u8]` of pages that another process can change, or unmap, shrink or take
//! rights from a range that a view still covers. Operations that would do so are refused with EBUSY.
//!
//! Ranges are in bytes, relative to the region's start; `..` means all of it. Whatever works on whole pages rounds
//! outwards, except where that would destroy bytes outside the range (see [`Advice::is_destructive`]).
#![allow(unsafe_code)]

mod addresses;
mod advice;
mod copy;
mod fault;
pub mod guard;
mod handover;
mod kept;
mod lasting;
mod mapping;
mod moving;
mod operations;
mod options;
mod pieces;
mod probe;
mod range;
mod residency;
mod room;
mod seals;
mod shared;
mod usage;
mod view;

use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;

use crate::error::{Error, ErrorKind, Result};
use crate::sys::fork::ForkSafe;
use fault::refused;
use mapping::Mapping;

pub use advice::Advice;
pub(crate) use copy::copy_from;
pub use handover::{Credentials, Peer};
pub use kept::Kept;
pub use operations::{Populate, Protection};
pub use options::{Access, RegionOptions};
pub use residency::Residency;
pub use seals::Seals;
pub use shared::SharedRegion;
pub use view::View;
pub(crate) use view::keeper;

/// A mapped range of memory. See the module's introduction.
///
/// Every method takes `&self` and can be called from any thread; closing waits for the operations that are under way, but not
/// for transfers that send from the region ([`Endpoint::region`](crate::Endpoint::region)). In a child of fork(2) a region
/// is as it was, and closed if another thread was just changing it.
#[derive(Debug)]
pub struct Region {
    /// `None` once closed.
    state: ForkSafe<Option<State>>,
    /// Addresses that it has given up and keeps reserved until it is dropped: see `lasting`.
    left: ForkSafe<Vec<Arc<Mapping>>>,
}

#[derive(Debug)]
struct State {
    /// Shared with the views, which keep the addresses reserved.
    mapping: Arc<Mapping>,
    access: Access,
    /// The file, if the region was given it to keep: for resizing it, and for starting to write it back.
    file: Option<Kept>,
    /// Where in the file the region begins.
    offset: u64,
    /// The least right that some page of the region has.
    protection: Protection,
}

impl Region {
    /// Maps a whole file for reading (the defaults of [`RegionOptions`]).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        RegionOptions::new().open(path)
    }

    /// Maps part of an open file, or all of it, as the options say; the descriptor is only borrowed for the call.
    pub fn map(file: BorrowedFd<'_>, options: &RegionOptions) -> Result<Self> {
        options.map(file)
    }

    /// Private memory of no file: zeroes, readable and writable.
    pub fn anonymous(length: u64) -> Result<Self> {
        RegionOptions::new().length(length).anonymous()
    }

    fn new(mapping: Arc<Mapping>, access: Access, file: Option<Kept>, offset: u64) -> Self {
        let protection = if access == Access::ReadOnly { Protection::Read } else { Protection::ReadWrite };
        let state = State { mapping, access, file, offset, protection };
        Self { state: ForkSafe::new(Some(state)), left: ForkSafe::new(Vec::new()) }
    }

    /// How it is mapped.
    pub fn access(&self) -> Result<Access> {
        self.with(|state| Ok(state.access))
    }

    /// Length in bytes; 0 once closed.
    pub fn len(&self) -> u64 {
        self.state.read().as_ref().map_or(0, |state| state.mapping.len() as u64)
    }

    /// Whether there is not a byte in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether [`Region::close`] has been called.
    pub fn is_closed(&self) -> bool {
        self.state.read().is_none()
    }

    /// An error of kind [`ErrorKind::Closed`] once closed, of kind [`ErrorKind::Faulted`] once the [`guard`] had to put
    /// zeroes in the place of a page. The second does not go away: what views read since may be zeroes, and what they
    /// wrote may be lost.
    pub fn check(&self) -> Result<()> {
        self.with(|_| Ok(()))
    }

    /// Releases the file and the memory now; later operations fail with [`ErrorKind::Closed`]. Closing again does nothing.
    ///
    /// Without views the range is unmapped. With views it is kept as private zero pages, which take no memory until they
    /// are written, and is unmapped with the last view (or with the region, after [`Region::lasting_view`]). The error,
    /// ENOMEM for want of mappings, leaves the region open.
    ///
    /// A transfer that sends from the region ends with [`ErrorKind::Closed`]. Closing does not wait for it: while it is in a
    /// system call the pages stay as they are, and what the receiver gets are bytes of the region and nothing else.
    pub fn close(&self) -> Result<()> {
        self.give_up(&mut self.state.write())
    }

    /// As [`Region::close`], but refused (EBUSY), and the region stays open, while views exist.
    pub fn close_unviewed(&self) -> Result<()> {
        let mut slot = self.state.write();
        if slot.as_ref().is_some_and(|state| Arc::strong_count(&state.mapping) > 1) {
            return Err(busy("the region cannot be closed"));
        }
        self.give_up(&mut slot)
    }

    fn give_up(&self, slot: &mut Option<State>) -> Result<()> {
        if let Some(state) = &*slot {
            // Nobody can take the first view now: that needs the lock, or another view.
            if Arc::strong_count(&state.mapping) > 1 || state.mapping.is_shown() {
                state.mapping.retire()?;
                self.keep(&state.mapping);
            }
            *slot = None;
        }
        Ok(())
    }

    /// Runs an operation on the open, unharmed region.
    fn with<T>(&self, operation: impl FnOnce(&State) -> Result<T>) -> Result<T> {
        let slot = self.state.read();
        let state = slot.as_ref().ok_or_else(closed)?;
        state.check()?;
        operation(state)
    }

    /// Runs an operation that changes where or how the region is mapped.
    fn with_mut<T>(&self, operation: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut slot = self.state.write();
        let state = slot.as_mut().ok_or_else(closed)?;
        state.check()?;
        operation(state)
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the region is closed").during("region")
}

fn busy(what: &str) -> Error {
    refused_for_now(format!("{what} while views of the region exist"))
}

fn being_sent(what: &str) -> Error {
    refused_for_now(format!("{what} while the region is being sent"))
}

fn refused_for_now(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message).during("region").with_errno(Errno::EBUSY)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message).during("region").with_errno(Errno::EINVAL)
}
