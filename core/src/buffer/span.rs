//! Memory that is the source of a transfer: an address and a length, never a slice.
//!
//! Another thread of the program that lent it, or another process, may write to it while it is being sent (a Python
//! bytearray, a direct buffer of Java). The kernel does not mind; a `&[u8]` would. So the address only goes into system
//! calls, or is copied from through the raw pointer.
#![allow(unsafe_code)]

use std::marker::PhantomData;

use crate::endpoint::Endpoint;
use crate::region::{View, checked_copy, owner_of};
use crate::sys::Sys;

/// Readable memory that outlives `'a`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span<'a> {
    start: *const u8,
    length: usize,
    lent: PhantomData<&'a [u8]>,
}

// SAFETY: the address is read by the kernel and by `copy_to` only, and no thread is special to either.
unsafe impl Send for Span<'_> {}
// SAFETY: as above; nothing is changed through it.
unsafe impl Sync for Span<'_> {}

impl<'a> From<&'a [u8]> for Span<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { start: bytes.as_ptr(), length: bytes.len(), lent: PhantomData }
    }
}

impl<'a> From<&'a View> for Span<'a> {
    fn from(view: &'a View) -> Self {
        Self { start: view.as_ptr(), length: view.len(), lent: PhantomData }
    }
}

impl Span<'_> {
    pub fn len(self) -> usize {
        self.length
    }

    pub fn as_ptr(self) -> *const u8 {
        self.start
    }

    /// From this byte on, at most `most` bytes; empty behind the end.
    pub fn part(self, at: u64, most: u64) -> Self {
        let skipped = usize::try_from(at).unwrap_or(usize::MAX).min(self.length);
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(self.length - skipped);
        // The sum stays inside the memory, or one past its end.
        Self { start: self.start.wrapping_add(skipped), length, lent: PhantomData }
    }

    /// Copies the beginning of it; gives back how many bytes. EFAULT where there is no page any more: a region of a file that was
    /// cut short.
    pub fn copy_to(self, space: &mut [u8]) -> Sys<usize> {
        let count = self.length.min(space.len());
        if count == 0 {
            return Ok(0);
        }
        // SAFETY: `count` bytes are mapped here (a promise made when this was made) and writable there; memory that is being
        // filled is not also lent.
        unsafe { checked_copy(self.start, space.as_mut_ptr(), count) }
    }
}

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
        let end = Self::of_span(Span { start, length, lent: PhantomData });
        match owner_of(start) {
            Some(owner) => end.of_file(owner.file).held(owner.hold),
            None => end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stay_inside() {
        let span = Span::from(&b"0123456789"[..]);
        for (at, most, expected) in
            [(0, u64::MAX, "0123456789"), (3, 4, "3456"), (8, 4, "89"), (10, 1, ""), (u64::MAX, u64::MAX, "")]
        {
            let mut space = [0; 20];
            let part = span.part(at, most);
            let count = part.copy_to(&mut space).unwrap();
            assert_eq!((&space[..count], part.len()), (expected.as_bytes(), expected.len()));
        }
    }
}
