//! Leaving the views of a region behind, for languages that cannot say when their last view is gone.
//!
//! [`Region::resize`](super::Region::resize), sealing against writing and taking rights away are refused while views exist. A
//! garbage-collected language has views whose end nobody knows. So the pages move to other addresses (mremap(2) with
//! `MREMAP_DONTUNMAP`, Linux 5.13; no byte is copied, changed private pages come along), and the old addresses are kept for
//! the views, as zeroes, exactly as after a close. At no moment is there a hole where the old addresses were.

use std::sync::Arc;

use super::Region;
use super::mapping::Mapping;
use super::refusal::in_use;
use crate::error::Result;

impl Region {
    /// Moves the region away from under its views: they read as zeroes from now on, and what they write goes nowhere; the
    /// region keeps its content and has no view. Does nothing if it had none.
    ///
    /// EINVAL on Linux before 5.13 and for hugetlb pages, EBUSY while bytes are just being moved out of it or into it; then, as after any error,
    /// nothing has changed.
    pub fn leave_views(&self) -> Result<()> {
        self.with_mut(|state| {
            if Arc::strong_count(&state.mapping) == 1 {
                return Ok(());
            }
            self.leave(&mut state.mapping)
        })
    }

    /// Moves to other addresses and leaves zeroes at the old ones.
    pub(super) fn leave(&self, mapping: &mut Arc<Mapping>) -> Result<()> {
        let moved = mapping.moved_away()?.ok_or_else(|| in_use("the region cannot leave its views"))?;
        self.keep(&std::mem::replace(mapping, moved));
        Ok(())
    }
}
