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
