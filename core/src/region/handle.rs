//! A region as its owner has it: one mapping until it is closed, from whichever thread. What can be done with one is in the
//! files beside, each of which adds methods of its own.

use std::sync::Arc;

use nix::errno::Errno;

use super::fault::refused_of;
use super::kept::Kept;
use super::mapping::Mapping;
use super::refusal::{busy, closed};
use super::rights::{Access, Protection};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::fork::{ForkSafe, Process};

/// A mapped range of memory. See [the module](super).
///
/// Every method takes `&self` and can be called from any thread; closing waits for the operations that are under way, but not
/// for transfers that send from the region ([`Endpoint::region`](crate::Endpoint::region)). In a child of fork(2) a region
/// is as it was, and closed if another thread was just changing it.
///
/// ```
/// use zcio::Region;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("file");
/// # std::fs::write(&path, b"a few bytes")?;
/// let region = Region::open(&path)?;
/// let mut word = [0; 3];
/// region.read_at(2, &mut word)?;
/// assert_eq!(&word, b"few");
/// region.close()?; // The memory is given back now.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Region {
    /// `None` once closed.
    state: ForkSafe<Option<State>>,
    /// Addresses that it has given up and keeps reserved until it is dropped: see `lasting`.
    left: ForkSafe<Vec<Arc<Mapping>>>,
}

#[derive(Debug)]
pub(super) struct State {
    /// Shared with the views, which keep the addresses reserved.
    pub mapping: Arc<Mapping>,
    pub access: Access,
    /// The file, if the region was given it to keep: for resizing it, and for starting to write it back.
    pub file: Option<Kept>,
    /// Where in the file the region begins.
    pub offset: u64,
    /// The least right that some page of the region has.
    pub protection: Protection,
    /// Who has mapped it: in a child of fork(2) parts may be missing (`MADV_DONTFORK`).
    process: Process,
}

impl State {
    /// See [`Region::check`].
    fn check(&self) -> Result<()> {
        let last = self.mapping.len().saturating_sub(1);
        self.mapping.check().map_err(|error| match error.kind() {
            ErrorKind::Faulted => self.refused(error.operation(), Errno::EFAULT, last),
            _ => error,
        })
    }

    /// Whether every page of it that is not gone can be used so.
    pub fn allows(&self, wanted: Protection) -> bool {
        self.protection >= wanted && self.process.is_this()
    }

    /// What the kernel said to an operation on the page of that byte; the last one, where it could be any of several.
    pub fn refused(&self, operation: &'static str, errno: Errno, byte: usize) -> Error {
        let page = self.mapping.page() as u64;
        let start = (self.offset + byte as u64) / page * page;
        refused_of(operation, errno, self.file.as_ref().map(Kept::get), start)
    }
}

impl Region {
    pub(super) fn new(mapping: Arc<Mapping>, access: Access, file: Option<Kept>, offset: u64) -> Self {
        let protection = if access == Access::ReadOnly { Protection::Read } else { Protection::ReadWrite };
        let state = State { mapping, access, file, offset, protection, process: Process::this() };
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

    /// An error of kind [`ErrorKind::Closed`] once closed, of kind [`ErrorKind::Faulted`] once the [`guard`](super::guard) had to put
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

    /// Keeps the addresses of a mapping that is given up, if somebody may show them.
    pub(super) fn keep(&self, left: &Arc<Mapping>) {
        if left.is_shown() {
            self.left.write().push(Arc::clone(left));
        }
    }

    /// Runs an operation on the open, unharmed region.
    pub(super) fn with<T>(&self, operation: impl FnOnce(&State) -> Result<T>) -> Result<T> {
        let slot = self.state.read();
        let state = slot.as_ref().ok_or_else(closed)?;
        state.check()?;
        operation(state)
    }

    /// Runs an operation that changes where or how the region is mapped.
    pub(super) fn with_mut<T>(&self, operation: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut slot = self.state.write();
        let state = slot.as_mut().ok_or_else(closed)?;
        state.check()?;
        operation(state)
    }
}
