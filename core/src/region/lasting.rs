//! Addresses that outlive every view, for languages in which an object is asked for its memory and the answer is kept.
//!
//! `numpy.ndarray(buffer=region)` takes a view, remembers the address, gives the view back, and keeps the object. So no view
//! exists, and yet somebody reads there for as long as the object lives. Addresses that were shown in this way
//! ([`Region::lasting_view`]) are given back only when the [`Region`] is dropped. What would give them back or take rights
//! from them (a close, a resize that moves or shrinks, sealing against writing, protecting) moves the region away from them
//! first and leaves zeroes, as a close with views does.

use std::ops::RangeBounds;
use std::sync::Arc;

use super::mapping::Mapping;
use super::refusal::busy;
use super::{Region, View};
use crate::error::Result;

impl Region {
    /// As [`Region::view`], and its addresses stay mapped, as zeroes if need be, until the region itself is dropped, also if
    /// the view is dropped long before.
    ///
    /// Only views that exist keep the region from being resized or closed strictly. Where it has to leave such addresses and
    /// cannot (hugetlb pages, Linux before 5.13), that operation is EBUSY instead.
    pub fn lasting_view(&self, range: impl RangeBounds<u64>) -> Result<View> {
        self.with(|state| {
            let view = View::of(state, &range)?;
            state.mapping.show();
            Ok(view)
        })
    }

    /// Moves away from addresses that somebody may show. Refused, as what it is for, while views exist.
    pub(super) fn step_aside(&self, mapping: &mut Arc<Mapping>) -> Result<()> {
        if !mapping.is_shown() {
            return Ok(());
        }
        if Arc::strong_count(mapping) > 1 {
            return Err(busy("its addresses cannot be left"));
        }
        self.leave(mapping).map_err(|error| match error.errno() {
            Some(libc::EINVAL) => busy("its addresses, which have been shown, cannot be left"),
            _ => error,
        })
    }

    /// Before a resize: a mapping whose addresses somebody may show becomes longer where it is, or leaves them.
    pub(super) fn fit(&self, mapping: &mut Arc<Mapping>, length: usize) -> Result<()> {
        let longer = length > mapping.len();
        if length == mapping.len()
            || (longer && mapping.is_shown() && Mapping::resize(mapping, length, false).is_ok_and(|done| done))
        {
            return Ok(());
        }
        self.step_aside(mapping)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::region::keeper;

    /// Who has an address and no view sends from there: the transfer finds the region at any moment, and holds it.
    #[test]
    fn a_shown_address_is_known_while_the_region_grows() {
        let page = crate::sys::memory::page_size() as u64;
        let region = Region::anonymous(1000 * page).unwrap();
        // So that there is room behind it, where it can grow without moving.
        region.resize(1).unwrap();
        let address = region.lasting_view(..).unwrap().as_ptr();
        let (over, shown) = (AtomicBool::new(false), address as usize);
        std::thread::scope(|scope| {
            let looking = scope.spawn(|| {
                let mut missed = 0;
                while !over.load(Ordering::Relaxed) {
                    missed += u64::from(keeper(shown as *const u8).is_none());
                }
                missed
            });
            for length in (1..1000 * page).step_by(500) {
                // Somebody who has just found it may have it for a moment.
                while region.resize(length).is_err() {}
            }
            over.store(true, Ordering::Relaxed);
            assert_eq!(looking.join().unwrap(), 0, "times it was not found");
        });
    }
}
