//! Memory that is lent by its address, as the buffers of other languages are.

use std::os::fd::BorrowedFd;

use crate::endpoint::Endpoint;
use crate::reads::{ReadAt, Reads};
use crate::region::{View, keeper};
use crate::sys::{Span, SpanMut, SyscallCounter};

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
        Self::of_span(unsafe { Span::new(start, length) }).kept(keeper(start))
    }

    /// A sink that is memory which others may look at meanwhile. Otherwise as [`Endpoint::bytes_mut`]; memory of a region is
    /// known as by [`Endpoint::lent`], and of a [region that receives](crate::Region::receiving) it is a part of that.
    ///
    /// # Safety
    ///
    /// `length` bytes from `start` on stay writable, or a part of that region, for as long as the endpoint, and the transfer it is
    /// given to, lives, and Rust has no reference to them while a step is made.
    pub unsafe fn lent_mut(start: *mut u8, length: usize) -> Self {
        if let Some(view) = View::receiving_at(start, length) {
            return Endpoint::view(view);
        }
        // SAFETY: the caller's promise.
        Self::of_span_mut(unsafe { SpanMut::new(start, length) }).kept(keeper(start))
    }
}

impl<'a> ReadAt<'a> {
    /// Into memory that is given by its address, and that others may look at meanwhile. Memory of a [`Region`](crate::Region) is known
    /// by its address: the region is held as by [`ReadAt::view`].
    ///
    /// # Safety
    ///
    /// `length` bytes from `start` on stay writable until the call that makes the read has returned, and Rust has no reference to
    /// them meanwhile.
    pub unsafe fn lent(file: &'a Endpoint<'a>, offset: u64, start: *mut u8, length: usize) -> Self {
        // SAFETY: the caller's promise.
        let into = unsafe { SpanMut::new(start, length) };
        Self::of_span(file, offset, into, keeper(start).map(|(hold, _)| hold))
    }
}

impl Reads {
    /// Makes one read by one system call, where more would be seen in the time it takes; whether it was whole. One that was not,
    /// for whatever reason, is for [`Reads::run`], which says why; so is one into memory of a [`Region`](crate::Region). The
    /// caller keeps the file what it is, and knows that bytes can be asked for by their offset.
    ///
    /// # Safety
    ///
    /// `length` bytes from `start` on stay writable until this has returned, and Rust has no reference to them meanwhile.
    pub unsafe fn attempt(file: BorrowedFd<'_>, offset: u64, start: *mut u8, length: usize) -> bool {
        // SAFETY: the caller's promise.
        let into = unsafe { SpanMut::new(start, length) };
        keeper(start).is_none() && SyscallCounter::default().read_span(file, Some(offset), into) == Ok(length)
    }
}
