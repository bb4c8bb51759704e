//! Leaving the views of a region behind, for languages that cannot say when their last view is gone.
//!
//! [`Region::resize`](super::Region::resize), sealing against writing and taking rights away are refused while views exist. A
//! garbage-collected language has views whose end nobody knows. So the pages move to other addresses (mremap(2) with
//! `MREMAP_DONTUNMAP`, Linux 5.13; no byte is copied, changed private pages come along), and the old addresses are kept for
//! the views, as zeroes, exactly as after a close. At no moment is there a hole where the old addresses were.

use std::os::fd::AsRawFd;
use std::sync::Arc;

use memmap2::{MmapOptions, MmapRaw};

use super::mapping::{Mapping, errno_of};
use super::shared::create_memfd;
use super::{Access, Region};
use crate::error::{Error, Result};
use crate::sys::memory;

impl Region {
    /// Moves the region away from under its views: they read as zeroes from now on, and what they write goes nowhere; the
    /// region keeps its content and has no view. Does nothing if it had none.
    ///
    /// EINVAL on Linux before 5.13 and for hugetlb pages; then nothing has changed.
    pub fn leave_views(&self) -> Result<()> {
        self.with_mut(|state| {
            if Arc::strong_count(&state.mapping) == 1 {
                return Ok(());
            }
            self.leave(&mut state.mapping, state.access)
        })
    }

    /// Moves to other addresses and leaves zeroes at the old ones.
    pub(super) fn leave(&self, mapping: &mut Arc<Mapping>, access: Access) -> Result<()> {
        let moved = moved(mapping)?;
        let left = std::mem::replace(mapping, Arc::new(moved));
        self.keep(&left);
        left.retire(access != Access::ReadOnly)
    }
}

/// A mapping that has taken the pages of another one over.
fn moved(from: &Mapping) -> Result<Mapping> {
    let (start, length) = from.outward(0..from.len().max(1));
    let into = placeholder(from.start() as usize - start as usize, from.len())?;
    let target = into.as_mut_ptr().wrapping_sub(from.start() as usize - start as usize);
    // SAFETY: whole pages of `from`, whose owner gives their content up, onto those of a mapping that nobody knows yet and
    // that has as many.
    unsafe { memory::move_pages(start, length, target) }.map_err(|errno| Error::os("mremap", errno))?;
    Ok(Mapping::new(into, from.page(), from.is_watched()))
}

/// Addresses to move to, with the same distance to the page's start. Of an empty memfd, because only the mapping of a file
/// can begin inside a page; none of its pages is ever touched.
fn placeholder(distance: usize, length: usize) -> Result<MmapRaw> {
    let file = create_memfd()?;
    let map = MmapOptions::new().offset(distance as u64).len(length).map_raw_read_only(file.as_raw_fd());
    map.map_err(|error| Error::os("mmap", errno_of(&error)))
}
