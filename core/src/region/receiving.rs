//! Regions that receive: pages of a TCP socket's queue are put in the place of their own (`zerocopy_receive`).
//!
//! The kernel maps such pages only into a mapping of the socket, and a load from a page of that mapping which has not come yet
//! is SIGBUS. So they are mapped into a [`Window`] that nobody reads, and moved from there into the region (mremap(2)) once they
//! have come: in the region there are zeroes, or what has arrived, and never a hole. The pages are the kernel's, taken out of its
//! queue, and may be read only; so may the region, which is what keeps them from being anybody's memory to write.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::addresses::Addresses;
use super::mapping::{Mapping, Parts};
use super::{Access, Region, View};
use crate::error::{Error, Result};
use crate::sys::{SpanMut, Sys, memory};

impl Region {
    /// Memory to receive into from a TCP socket by [`Mechanism::ZerocopyReceive`](crate::Mechanism::ZerocopyReceive), which
    /// puts pages of the socket's queue in the place of its own. For reading, and filled by nothing else; zeroes at first, and
    /// again behind the byte where a transfer begins to fill it.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Os`] (ENOMEM) if there is no room.
    pub fn receiving(length: u64) -> Result<Self> {
        let length = usize::try_from(length).ok().filter(|&length| length <= isize::MAX as usize / 2);
        let length = length.ok_or_else(|| super::refusal::invalid("longer than the address space"))?;
        let page = memory::page_size();
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let addresses = Addresses::map(None, length.max(1).next_multiple_of(page), rights, libc::MAP_PRIVATE);
        let addresses = addresses.map_err(|errno| Error::os("mmap", errno))?;
        let mapping = Mapping::new(Parts { addresses, skipped: 0, length, page, file: None, receives: true });
        Ok(Self::new(Arc::clone(&mapping), Access::ReadOnly, None, 0))
    }
}

/// A mapping of a socket, for pages that have been received and not moved yet.
#[derive(Debug)]
pub(crate) struct Window(Addresses);

impl Window {
    pub fn map(socket: BorrowedFd<'_>, length: usize) -> Sys<Self> {
        Addresses::map(Some((socket, 0)), length, libc::PROT_READ, libc::MAP_SHARED).map(Self)
    }

    /// What may be mapped into it; nobody else has its address.
    pub fn span(&self) -> SpanMut<'_> {
        // SAFETY: mapped, and only the kernel puts anything there, as `map_received` asks it to.
        unsafe { SpanMut::new(self.0.start(), self.0.len()) }
    }
}

impl View {
    /// Whether it is of a region that receives.
    pub(crate) fn receives(&self) -> bool {
        self.mapping.receives
    }

    /// The memory of a region that receives, for the one who fills it.
    pub(crate) fn receiving_span(&self) -> Option<SpanMut<'_>> {
        // SAFETY: the view keeps its addresses mapped, and no reference is ever made to what is behind them.
        self.receives().then(|| unsafe { SpanMut::new(self.start, self.length) })
    }

    /// Makes all whole pages behind that byte, to the end of the view, memory of our own again: zeroes.
    pub(crate) fn make_own(&self, from: usize) -> Sys<()> {
        let page = self.mapping.page();
        let (start, end) = ((self.start as usize + from).next_multiple_of(page), self.start as usize + self.length);
        let whole = if self.length == self.mapping.len() { end.next_multiple_of(page) } else { end / page * page };
        if !self.receives() || start >= whole {
            return Ok(());
        }
        // SAFETY: pages of this view's, to be filled by the caller, who has entered the mapping.
        unsafe { memory::replace_by_zeroes(start as *mut u8, whole - start, libc::PROT_READ | libc::PROT_WRITE) }
    }

    /// Moves the first `mapped` bytes of a window, whole pages, to that byte of the view, the beginning of a page.
    pub(crate) fn put(&self, at: usize, mut window: Window, mapped: usize) -> Sys<()> {
        let page = self.mapping.page();
        let target = self.start.wrapping_add(at);
        assert!(self.receives() && at + mapped <= self.length && mapped <= window.0.length, "inside both");
        assert!((target as usize).is_multiple_of(page) && mapped.is_multiple_of(page), "whole pages");
        // SAFETY: both are the caller's: the window nobody else knows, and of the view he has entered the mapping.
        unsafe { memory::grow_to(window.0.start, mapped, target, mapped) }?;
        // What is left of the window goes with it.
        window.0.start = window.0.start.wrapping_add(mapped);
        window.0.length -= mapped;
        Ok(())
    }
}
