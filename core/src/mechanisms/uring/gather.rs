//! The scatter-gather list of one write: the structures that the kernel is pointed at, on the heap, where they stay.
#![allow(unsafe_code)]

use std::ops::Range;

/// A list of pieces of memory to be written in order, and the message header that sendmsg(2) wants around it.
pub(super) struct Gather {
    pieces: Box<[libc::iovec]>,
    message: Box<libc::msghdr>,
    slots: Box<[usize]>,
}

impl Gather {
    /// The pieces are given as slot, address and length.
    pub fn new(pieces: impl Iterator<Item = (usize, *mut u8, Range<usize>)>) -> Self {
        let (slots, pieces): (Vec<_>, Vec<_>) = pieces
            .map(|(slot, start, range)| (slot, libc::iovec { iov_base: start.cast(), iov_len: range.len() }))
            .unzip();
        let mut pieces = pieces.into_boxed_slice();
        // SAFETY: a message header of zeroes is one without address, pieces and control data.
        let mut message: Box<libc::msghdr> = Box::new(unsafe { std::mem::zeroed() });
        message.msg_iov = pieces.as_mut_ptr();
        message.msg_iovlen = pieces.len();
        Self { pieces, message, slots: slots.into_boxed_slice() }
    }

    /// The slots that the pieces are in.
    pub fn slots(&self) -> &[usize] {
        &self.slots
    }

    /// The list, for writev(2).
    pub fn pieces(&self) -> (*const libc::iovec, u32) {
        (self.pieces.as_ptr(), self.pieces.len() as u32)
    }

    /// The header, for sendmsg(2).
    pub fn message(&self) -> *const libc::msghdr {
        &raw const *self.message
    }
}
