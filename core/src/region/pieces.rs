//! Moving a range of addresses, and making it longer: all of it, or it goes back to where it was.
//!
//! To the kernel a range may be several mappings: advice, a lock or rights on a part of it divide it, and mremap(2) moves only
//! one at a time.
//!
//! Each mapping that moves leaves one behind (`MREMAP_DONTUNMAP`), so a range of many may bring the process to the number of
//! mappings that it may have, and the kernel then moves none in either direction. The way back needs no more mappings than
//! there are, only a few of those that are free: they are kept until it is certain that nobody has to take it.

use nix::errno::Errno;

use super::addresses::Addresses;
use crate::sys::{Sys, memory};

/// More than mremap(2) wants to be free before it moves anything; the rest is for what other threads map meanwhile.
const SPARE: usize = 32;

/// How often the way back is tried where other threads have taken even those.
const TRIES: usize = 1000;

/// Mappings that nobody uses, and pages that go where they came from once those are given back.
#[derive(Debug)]
pub(super) struct WayBack {
    spare: Addresses,
}

impl WayBack {
    /// ENOMEM if there are not so many mappings to be had: before anything has moved.
    pub fn keep() -> Sys<Self> {
        let page = memory::page_size();
        let spare = Addresses::reserve(SPARE * page)?;
        for number in (1..SPARE).step_by(2) {
            // Other rights than its neighbours: a mapping of its own.
            // SAFETY: a page of the reservation, which nobody has the address of.
            unsafe { memory::protect(spare.start().add(number * page), page, libc::PROT_READ)? };
        }
        Ok(Self { spare })
    }

    /// Moves every page to the target, or none.
    ///
    /// # Safety
    /// As [`memory::move_pages`].
    pub unsafe fn there(self, start: *mut u8, length: usize, target: *mut u8, page: usize) -> Sys<Self> {
        let mut moved = 0;
        // SAFETY: as the caller promised; what has moved goes to where it came from, which is still mapped.
        unsafe {
            match move_pieces(start, length, target, page, &mut moved) {
                Ok(()) => Ok(self),
                Err(errno) => {
                    self.back(target, moved, start, page)?;
                    Err(errno)
                }
            }
        }
    }

    /// Moves pages back to where they came from.
    ///
    /// # Safety
    /// As [`memory::move_pages`].
    pub unsafe fn back(self, start: *mut u8, length: usize, target: *mut u8, page: usize) -> Sys<()> {
        drop(self.spare);
        let (mut moved, mut tries) = (0, 0);
        // SAFETY: as the caller promised.
        while let Err(errno) = unsafe { move_pieces(start, length, target, page, &mut moved) } {
            tries += 1;
            if tries == TRIES {
                return Err(errno);
            }
            std::thread::yield_now();
        }
        Ok(())
    }
}

impl Addresses {
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
}

/// Moves what of a range has not moved yet, one mapping or a part of one at a time: of several the kernel refuses all (EFAULT),
/// or since Linux 6.17 moves some before it fails, and does not say which.
///
/// # Safety
/// As [`memory::move_pages`].
unsafe fn move_pieces(start: *mut u8, length: usize, target: *mut u8, page: usize, moved: &mut usize) -> Sys<()> {
    while *moved < length {
        // SAFETY: parts of the two ranges.
        unsafe {
            let from = start.add(*moved);
            // The last page by itself, see below.
            let mut piece = (length - *moved - page).max(page);
            while piece > page && !is_one_mapping(from, piece, page) {
                piece = (piece / page / 2) * page;
            }
            memory::move_pages(from, piece, target.add(*moved))?;
            *moved += piece;
        }
    }
    Ok(())
}

/// Whether these pages are one mapping to the kernel, or a part of one. It is asked to make them longer where they are, which it
/// cannot, but before it says so it says EFAULT if they are more.
///
/// # Safety
/// As [`memory::grow`]; the page after them is mapped.
unsafe fn is_one_mapping(start: *mut u8, length: usize, page: usize) -> bool {
    // SAFETY: as the caller promised.
    let longer = unsafe { memory::grow(start, length, length + page, false) };
    longer != Err(Errno::EFAULT)
}
