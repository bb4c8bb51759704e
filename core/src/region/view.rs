//! A raw pointer into a region, with a claim on the addresses behind it.
//!
//! This is what a buffer of another language holds on to. It never becomes a slice here: the pages may be changed by
//! another process while they are read, and the region may be closed.

use std::ops::RangeBounds;
use std::sync::Arc;

use super::handle::State;
use super::mapping::{Behind, Mapping};
use super::refusal::invalid;
use super::{Protection, Region, range};
use crate::error::Result;
use crate::hold::Hold;
use crate::sys::{Span, SpanMut};

/// Addresses of a [`Region`] that stay mapped while this lives.
///
/// After [`Region::close`] they read as zeroes, and writes to a writable view go nowhere. While the region is open, a load
/// or store where the file has been cut short is SIGBUS unless the [guard](super::guard) is installed;
/// [`Region::read_at`] and [`Region::write_at`] need none.
///
/// ```
/// let region = zcio::Region::anonymous(8192)?;
/// let view = region.view(4096..)?;
/// assert_eq!(view.len(), 4096);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct View {
    pub(super) mapping: Arc<Mapping>,
    pub(super) start: *mut u8,
    pub(super) length: usize,
    pub(super) writable: bool,
}

// SAFETY: the pointer is only handed out, never followed here, and what is behind it outlives the view on any thread.
unsafe impl Send for View {}
// SAFETY: as above; every method takes `&self` and changes nothing.
unsafe impl Sync for View {}

impl Region {
    /// A view of a range (`..` for all of it).
    ///
    /// Refused while a part of the region may not even be read ([`Region::protect`]).
    pub fn view(&self, range: impl RangeBounds<u64>) -> Result<View> {
        self.with(|state| View::of(state, &range))
    }
}

impl View {
    pub(super) fn of(state: &State, range: &impl RangeBounds<u64>) -> Result<Self> {
        let bytes = range::resolve(range, state.mapping.len())?;
        if state.protection == Protection::None {
            return Err(invalid("a part of the region is protected against reading: allow reading all of it first"));
        }
        Ok(Self {
            start: state.mapping.start().wrapping_add(bytes.start),
            length: bytes.len(),
            writable: state.protection == Protection::ReadWrite,
            mapping: Arc::clone(&state.mapping),
        })
    }

    /// Where it begins. Valid for [`View::len`] bytes while this view, or a clone of it, lives.
    ///
    /// Other processes may change what is there between two loads: read each byte once, and copy before trusting it.
    pub fn as_ptr(&self) -> *const u8 {
        self.start
    }

    /// As [`View::as_ptr`]; storing through it is allowed only if [`View::is_writable`].
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.start
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is not a byte in it.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether stores are allowed. Also true of private regions: they change this process's copy only.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// What a transfer from here or to here holds, and what file is behind it.
    pub(crate) fn keeper(&self) -> Keeper {
        (Arc::clone(&self.mapping) as Arc<dyn Hold>, self.mapping.behind(self.start))
    }

    /// The memory to be written; none if it is for reading.
    pub(crate) fn span_mut(&self) -> Option<SpanMut<'_>> {
        // SAFETY: the view keeps its addresses mapped, and no reference is ever made to what is behind them.
        self.writable.then(|| unsafe { SpanMut::new(self.start, self.length) })
    }

    /// As [`Region::check`]: an error once the region is closed or a page of it has been lost.
    pub fn check(&self) -> Result<()> {
        self.mapping.check()
    }
}

impl<'a> From<&'a View> for Span<'a> {
    fn from(view: &'a View) -> Self {
        // SAFETY: the view keeps its addresses mapped for as long as it is lent.
        unsafe { Self::new(view.as_ptr(), view.len()) }
    }
}

/// What holds a region's memory, and the file behind it, if one is.
pub(crate) type Keeper = (Arc<dyn Hold>, Option<Behind>);

/// The keeper of memory from this address on, if a region has it.
pub(crate) fn keeper(address: *const u8) -> Option<Keeper> {
    let mapping = Mapping::at(address as usize)?;
    let behind = mapping.behind(address);
    Some((mapping, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strict_close_is_refused_while_a_view_exists() {
        let region = Region::anonymous(10).unwrap();
        let view = region.view(2..4).unwrap();
        let error = region.close_unviewed().unwrap_err();
        assert_eq!(error.errno(), Some(libc::EBUSY));
        assert!(!region.is_closed() && view.check().is_ok());
        drop(view);
        region.close_unviewed().unwrap();
        assert!(region.is_closed());
        region.close_unviewed().unwrap();
    }
}
