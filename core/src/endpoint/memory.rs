//! Ends that are memory: the caller's own, pages that nobody writes any more, a range of a region.

use std::ops::RangeBounds;

use super::{Endpoint, Facts, Handle};
use crate::buffer::Pages;
use crate::error::Result;
use crate::region::{Region, View};
use crate::sys::Span;

impl<'fd> Endpoint<'fd> {
    /// A source that is memory. It may be changed again as soon as the call returns that has moved it: it is copied at
    /// least once by then, or waited for.
    ///
    /// By `zerocopy_send`, which has to be waited for, it is sent in a blocking run only. A run that is stopped (an error,
    /// a cancel) gets the memory back before it returns: if the peer has not taken all of it within a second, the
    /// connection is reset, because there is no other way to keep the kernel from sending what the memory holds later.
    /// [`Endpoint::pages`] has no such limits.
    pub fn bytes(bytes: &'fd [u8]) -> Self {
        Self::of_span(bytes.into())
    }

    pub(crate) fn of_span(span: Span<'fd>) -> Self {
        Self::with(Facts::of_memory(span.len(), false), Handle::Memory(span))
    }

    /// A source that is memory nobody can write any more, so that it may be sent by reference.
    pub fn pages(pages: Pages) -> Endpoint<'static> {
        Endpoint::with(Facts::of_memory(pages.len(), true), Handle::Pages(pages))
    }

    /// A source that is a range of a region (`..` for all of it).
    ///
    /// A region that is closed before all of it is sent ends the transfer with
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed): what the receiver got until then are bytes of the region, as
    /// [`Error::moved`](crate::Error::moved) counts them, and never zeroes in their place.
    ///
    /// # Errors
    ///
    /// As [`Region::view`].
    pub fn region(region: &Region, range: impl RangeBounds<u64>) -> Result<Endpoint<'static>> {
        region.view(range).map(Endpoint::view)
    }

    /// A source that is a view of a region; see [`Endpoint::region`].
    pub fn view(view: View) -> Endpoint<'static> {
        let (hold, file) = (view.hold(), view.file());
        Endpoint::with(Facts::of_memory(view.len(), false), Handle::View(Box::new(view))).of_file(file).held(hold)
    }

    /// Memory that is part of this file: of a region.
    pub(crate) fn of_file(mut self, file: Option<(u64, u64)>) -> Self {
        self.facts.identity = file.unwrap_or(self.facts.identity);
        self
    }
}
