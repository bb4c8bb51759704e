//! Memory that is lent by its address, as the buffers of other languages are.

use crate::endpoint::Endpoint;
use crate::region::keeper;
use crate::sys::Span;

impl Endpoint<'_> {
    /// A source that is memory which others may write to meanwhile: what they write may or may not be sent. Otherwise as
    /// [`Endpoint::bytes`].
    ///
    /// Memory of a [`Region`](crate::Region) is known by its address: the region is held as by [`Endpoint::region`].
    ///
    /// # Safety
    ///
    /// `length` bytes from `start` on stay readable for as long as the endpoint, and the transfer it is given to, lives.
    pub unsafe fn lent(start: *const u8, length: usize) -> Self {
        // SAFETY: the caller's promise.
        let end = Self::of_span(unsafe { Span::new(start, length) });
        match keeper(start) {
            Some((hold, file)) => end.of_file(file).held(hold),
            None => end,
        }
    }
}
