//! A range of addresses that belongs to one mapping: mapped, moved, made longer or shorter, given back.
//!
//! Every change is all or nothing. To the kernel a range may be several mappings: advice, a lock or rights on a part of it
//! divide it, and mremap(2) moves only one at a time.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;

use super::pieces::WayBack;
use super::room;
use crate::sys::{Sys, memory};

/// Whole pages, mapped; given back when dropped.
#[derive(Debug)]
pub(super) struct Addresses {
    start: *mut u8,
    length: usize,
}

// SAFETY: the address is only handed out, and given back by whoever drops it; no thread is special to it.
unsafe impl Send for Addresses {}
// SAFETY: as above; nothing is changed through `&self`.
unsafe impl Sync for Addresses {}

impl Addresses {
    /// Maps part of a file, from a whole page on, or zeroes.
    pub fn map(
        file: Option<(BorrowedFd<'_>, u64)>,
        length: usize,
        rights: libc::c_int,
        flags: libc::c_int,
    ) -> Sys<Self> {
        room::for_one_more()?;
        Ok(Self { start: memory::map(file, length, rights, flags)?, length })
    }

    /// Addresses alone: what is mapped there can be neither read nor written, and takes no memory.
    pub fn reserve(length: usize) -> Sys<Self> {
        Self::map(None, length, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_NORESERVE)
    }

    pub fn start(&self) -> *mut u8 {
        self.start
    }

    pub fn len(&self) -> usize {
        self.length
    }

    /// Moves the pages to other addresses, which are as many; here stay a file's pages again, or zeroes. With what it gives
    /// they can be moved back.
    ///
    /// # Safety
    /// Nobody relies on the content here.
    pub unsafe fn move_to(&self, target: &Self) -> Sys<WayBack> {
        // SAFETY: as the caller promised; both ranges are ours.
        unsafe { WayBack::keep()?.there(self.start, self.length, target.start, memory::page_size()) }
    }

    /// Moves the pages back from where [`Addresses::move_to`] has brought them.
    ///
    /// # Safety
    /// Nobody relies on the content here, or at the target.
    pub unsafe fn move_back(&self, target: &Self, way: WayBack) -> Sys<()> {
        // SAFETY: as the caller promised; both ranges are ours.
        unsafe { way.back(target.start, self.length, self.start, memory::page_size()) }
    }

    /// Makes the range longer; it may move, if it may.
    ///
    /// # Safety
    /// Nobody has an address in it.
    pub unsafe fn grow(&mut self, length: usize, page: usize, may_move: bool) -> Sys<()> {
        // SAFETY: as the caller promised.
        match unsafe { memory::grow(self.start, self.length, length, may_move) } {
            Err(Errno::EFAULT) if may_move && self.length > page => {}
            moved => {
                (self.start, self.length) = (moved?, length);
                return Ok(());
            }
        }
        // Several mappings: they move one by one, and the last page alone becomes longer.
        let mut target = Self::reserve(length)?;
        let most = self.length - page;
        // SAFETY: as the caller promised; the target is ours, and as long at least.
        unsafe {
            let way = WayBack::keep()?.there(self.start, most, target.start, page)?;
            let (last, its_target) = (self.start.add(most), target.start.add(most));
            if let Err(errno) = memory::grow_to(last, page, its_target, length - most) {
                // The kernel may have made room there before it found what it lacks; who has it now is not known.
                target.length = most;
                way.back(target.start, most, self.start, page)?;
                return Err(errno);
            }
        }
        // The last page is not mapped here any more.
        self.length = most;
        std::mem::swap(self, &mut target);
        Ok(())
    }

    /// Lets the memory go and keeps the addresses for ever, where giving them back would cost a mapping that is not to be had.
    pub fn abandon(&mut self) {
        // SAFETY: ours, and nobody uses it any more.
        let _ = unsafe { memory::advise(self.start, self.length, libc::MADV_DONTNEED) };
        self.length = 0;
    }

    /// Makes the range shorter. What cannot be given back now is given back with the rest.
    ///
    /// # Safety
    /// Nobody has an address in what is cut off.
    pub unsafe fn shrink(&mut self, length: usize) {
        let surplus = self.length.saturating_sub(length);
        // SAFETY: as the caller promised.
        if surplus > 0 && unsafe { memory::unmap(self.start.wrapping_add(length), surplus) }.is_ok() {
            self.length = length;
        }
    }
}

impl Drop for Addresses {
    fn drop(&mut self) {
        if self.length > 0 {
            // In the middle of others it can fail for want of mappings: then these addresses are never used again.
            // SAFETY: ours, and nobody uses them any more.
            let _ = unsafe { memory::unmap(self.start, self.length) };
        }
    }
}
