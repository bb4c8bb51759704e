//! Regions that receive: pages of a TCP socket's queue are put in the place of their own (`zerocopy_receive`).
//!
//! The kernel maps such pages only into a mapping of the socket, and a load from a page of that mapping which has not come yet
//! is SIGBUS. So they are mapped into a [`Window`] that nobody reads, and moved from there into the region (mremap(2)) once they
//! have come: in the region there are zeroes, or what has arrived, and never a hole. The pages are the kernel's, taken out of its
//! queue, and may be read only; so may the region, which is what keeps them from being anybody's memory to write.

use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::addresses::Addresses;
use super::checked::copy_between;
use super::mapping::{Mapping, Parts};
use super::{Access, Region, View};
use crate::error::{Error, Result};
use crate::sys::{Span, SpanMut, Sys, memory};

impl Region {
    /// Memory to receive into from a TCP socket by [`Mechanism::ZerocopyReceive`](crate::Mechanism::ZerocopyReceive), which
    /// puts pages of the socket's queue in the place of its own. For reading, and filled by nothing else; zeroes at first, and
    /// again where a transfer begins to fill it, as far as its count goes. Several may fill it at the same time, each a range of its own.
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
    /// Whether it is of a region that [receives](Region::receiving).
    pub fn receives(&self) -> bool {
        self.mapping.receives
    }

    /// A view of memory that is given by its address, if a region that receives has it.
    pub(crate) fn receiving_at(start: *mut u8, length: usize) -> Option<Self> {
        let mapping = Mapping::at(start as usize).filter(|mapping| mapping.receives)?;
        let end = mapping.start() as usize + mapping.len();
        (length <= end.saturating_sub(start as usize)).then(|| Self { start, length, writable: false, mapping })
    }

    /// The memory of a region that receives, for the one who fills it.
    pub(crate) fn receiving_span(&self) -> Option<SpanMut<'_>> {
        // SAFETY: the view keeps its addresses mapped, and no reference is ever made to what is behind them.
        self.receives().then(|| unsafe { SpanMut::new(self.start, self.length) })
    }

    /// Makes all pages that have these bytes of the view memory of our own again: whole ones zeroes, the first and the last with the
    /// bytes that belong to others.
    pub(crate) fn make_own(&self, bytes: Range<usize>) -> Sys<()> {
        let bytes = bytes.start..bytes.end.min(self.length);
        if !self.receives() || bytes.is_empty() {
            return Ok(());
        }
        let page = self.mapping.page();
        let (first, end) = (self.start as usize + bytes.start, self.start as usize + bytes.end);
        let start = first.next_multiple_of(page);
        let is_last = end == self.mapping.start() as usize + self.mapping.len();
        let whole = if is_last { end.next_multiple_of(page) } else { end / page * page };
        if start > first {
            self.copy_page(bytes.start)?;
        }
        // It may be the first one.
        if whole < end && whole >= start {
            self.copy_page(bytes.end - 1)?;
        }
        if start >= whole {
            return Ok(());
        }
        // SAFETY: pages of this view's, to be filled by the caller, who has entered the mapping.
        unsafe { memory::replace_by_zeroes(start as *mut u8, whole - start, libc::PROT_READ | libc::PROT_WRITE) }
    }

    /// Lets the kernel store into the view. Meanwhile no page is exchanged that others store to as well.
    pub(crate) fn while_stored_to<T>(&self, store: impl FnOnce() -> T) -> T {
        let _stored_to = self.mapping.exchanged.read();
        store()
    }

    /// Puts a page of our own, with the same bytes, in the place of the one that has that byte of the view, which may be a queue's.
    fn copy_page(&self, at: usize) -> Sys<()> {
        let page = self.mapping.page();
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let mut own = Addresses::map(None, page, rights, libc::MAP_PRIVATE)?;
        let target = ((self.start as usize + at) / page * page) as *mut u8;
        assert!(self.receives() && at < self.length, "a page of a region that receives");
        // What another transfer stores there just now would not be in the new one.
        let _exchanged = self.mapping.exchanged.write();
        // SAFETY: both are mapped, a page each; the new one is nobody else's.
        unsafe {
            copy_between(Span::new(target, page), SpanMut::new(own.start, page))?;
            memory::grow_to(own.start, page, target, page)?;
        }
        own.length = 0;
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::{Endpoint, ErrorKind, Mechanism, Transfer};

    #[test]
    fn a_transfer_begins_and_ends_inside_pages_of_an_earlier_one() {
        let page = memory::page_size();
        let region = Region::receiving(4 * page as u64).unwrap();
        let view = region.view(..).unwrap();
        // As a transfer leaves them: they may not be written.
        for at in [0, page, 2 * page] {
            let queue = Addresses::map(None, page, libc::PROT_READ, libc::MAP_PRIVATE).unwrap();
            view.put(at, Window(queue), page).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let near = listener.accept().unwrap().0;
        far.write_all(&vec![7; 2 * page]).unwrap();
        let sink = Endpoint::region(&region, 5..(2 * page + 5) as u64).unwrap();
        let mut transfer = Transfer::new(Endpoint::new(&near).unwrap(), sink).mechanism(Mechanism::ZerocopyReceive);
        assert_eq!(transfer.run().unwrap().bytes, 2 * page as u64);
        let mut found = vec![0; 4 * page];
        region.read_at(0, &mut found).unwrap();
        let expected: Vec<_> = (0..4 * page).map(|at| if (5..2 * page + 5).contains(&at) { 7 } else { 0 }).collect();
        assert!(found == expected);
    }

    #[test]
    fn pages_that_would_not_come_again_cannot_be_thrown_away() {
        let region = Region::receiving(10).unwrap();
        for advice in crate::Advice::ALL.iter().filter(|advice| advice.is_destructive()) {
            assert_eq!(region.advise(.., *advice).unwrap_err().kind(), ErrorKind::InvalidInput, "{advice}");
        }
        region.advise(.., crate::Advice::WillNeed).unwrap();
    }
}
