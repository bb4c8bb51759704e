//! A range of addresses that belongs to one mapping: mapped, made shorter, given back. How it is moved is in [`super::pieces`].

use std::os::fd::BorrowedFd;

use super::room;
use crate::sys::{Sys, memory};

/// Whole pages, mapped; given back when dropped.
#[derive(Debug)]
pub(super) struct Addresses {
    pub(super) start: *mut u8,
    pub(super) length: usize,
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
