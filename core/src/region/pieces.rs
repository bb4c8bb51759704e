//! Moving a range of addresses that may be several mappings to the kernel, and moving it back if not all of it can be moved.
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
