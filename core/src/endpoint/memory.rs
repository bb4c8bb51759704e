//! Ends that are memory: the caller's own, pages that nobody writes any more, a range of a region.
//!
//! Memory to be written is taken as a `&mut [u8]`, as a region, or by its address. The borrow lasts as long as the endpoint,
//! and what fills the memory has let go of it when a step returns: not even a transfer that is forgotten
//! ([`std::mem::forget`]) goes on writing there.

use std::ops::RangeBounds;

use super::{Endpoint, Facts, Handle};
use crate::buffer::Pages;
use crate::error::Result;
use crate::region::{Keeper, Region, View};
use crate::sys::{Span, SpanMut};

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

    /// A sink that is memory, an [`AlignedBuffer`](crate::AlignedBuffer) for one: it is filled from its first byte on, or from
    /// the sink offset. Its length bounds the count, and what the source has beyond that stays there: see
    /// [`Report::requested`](crate::Report::requested). (It may be a source as well.)
    ///
    /// ```
    /// use zcio::{Endpoint, Transfer};
    ///
    /// # let mut file = tempfile::tempfile()?;
    /// # std::io::Write::write_all(&mut file, b"head and body")?;
    /// let mut head = [0; 4];
    /// let report = Transfer::new(Endpoint::new(&file)?, Endpoint::bytes_mut(&mut head)).offset(0).run()?;
    /// assert!(!report.is_short());
    /// assert_eq!(&head, b"head");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bytes_mut(bytes: &'fd mut [u8]) -> Self {
        Self::of_span_mut(bytes.into())
    }

    pub(crate) fn of_span_mut(span: SpanMut<'fd>) -> Self {
        Self::with(Facts { writable: true, ..Facts::of_memory(span.len(), false) }, Handle::MemoryMut(span))
    }

    /// A source that is memory nobody can write any more, so that it may be sent by reference.
    pub fn pages(pages: Pages) -> Endpoint<'static> {
        Endpoint::with(Facts::of_memory(pages.len(), true), Handle::Pages(pages))
    }

    /// An end that is a range of a region (`..` for all of it): a source, and a sink if the region may be written, as
    /// [`Endpoint::bytes_mut`] is one.
    ///
    /// A region that is closed before all of it is moved ends the transfer with
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed): what the receiver got until then are bytes of the region, as
    /// [`Error::moved`](crate::Error::moved) counts them, and never zeroes in their place. Where a sink's file has been cut
    /// short, it ends with [`ErrorKind::Faulted`](crate::ErrorKind::Faulted).
    ///
    /// # Errors
    ///
    /// As [`Region::view`].
    pub fn region(region: &Region, range: impl RangeBounds<u64>) -> Result<Endpoint<'static>> {
        region.view(range).map(Endpoint::view)
    }

    /// An end that is a view of a region; see [`Endpoint::region`].
    pub fn view(view: View) -> Endpoint<'static> {
        let (writable, receives) = (view.is_writable(), view.receives());
        let facts = Facts { writable, receives, ..Facts::of_memory(view.len(), false) };
        let keeper = view.keeper();
        Endpoint::with(facts, Handle::View(Box::new(view))).kept(Some(keeper))
    }

    /// Memory that is a region's is held, and is part of its file.
    pub(crate) fn kept(mut self, keeper: Option<Keeper>) -> Self {
        let Some((hold, behind)) = keeper else { return self };
        self.facts.identity = behind.map_or(self.facts.identity, |file| file.identity);
        self.held(hold)
    }
}
