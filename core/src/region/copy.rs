//! Checked copies: reading and writing a region so that a page which is gone is an error, and nothing else.
//!
//! The kernel copies ([`super::checked`]). Where the [`super::guard`] is installed this process's own instructions do it first, in
//! less than half the time for a few pages, and what those cannot copy the kernel is asked for, as it is without: its answer is the error,
//! with the exact count. They may only touch pages that would be SIGBUS if they were gone, so not those whose rights were
//! taken away, or in a child of fork(2).

use std::ops::Range;

use nix::errno::Errno;

use super::checked::{read, write};
use super::{Protection, Region};
use crate::error::{Error, Result};
use crate::sys::{Sys, signal};

impl Region {
    /// Copies bytes out of the region, from `offset` on; gives back how many: fewer than asked for only at the region's
    /// end, 0 behind it.
    ///
    /// [`crate::ErrorKind::Faulted`] where the file was cut short, with the count of bytes copied before in
    /// [`crate::Error::moved`]. The last page of a file that was cut reads as zeroes behind the cut, as the kernel fills it.
    ///
    /// Takes less than half the time for a few pages where the [guard](super::guard) is installed.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        // SAFETY: a slice that is ours alone.
        unsafe { self.read_to(offset, into.as_mut_ptr(), into.len()) }
    }

    /// As [`Region::read_at`], into memory that is given by its address: of which no Rust slice may be made, because
    /// somebody else may look at it or change it meanwhile.
    ///
    /// # Safety
    /// `into` stays writable for `length` bytes during the call, and Rust has no reference to them.
    pub unsafe fn read_to(&self, offset: u64, into: *mut u8, length: usize) -> Result<usize> {
        self.with(|state| {
            let (start, length) = part(state.mapping.start(), state.mapping.len(), offset, length);
            let fault = |errno, done| state.refused("process_vm_readv", errno, offset as usize + done);
            let guarded = if state.allows(Protection::Read) {
                // SAFETY: inside the mapping, which the state keeps, and readable; the other side as the caller promised.
                unsafe { signal::copy(into, start, length) }
            } else {
                0
            };
            in_full(guarded..length, fault, |done| {
                // SAFETY: inside the mapping, which the state keeps; the other side as the caller promised.
                unsafe { read(start.wrapping_add(done), into.wrapping_add(done), length - done) }
            })
        })
    }

    /// Copies bytes into the region, at `offset`; gives back how many, as [`Region::read_at`] does. A region never grows
    /// by being written to.
    ///
    /// [`crate::ErrorKind::Faulted`] also where the region is not writable.
    pub fn write_at(&self, offset: u64, from: &[u8]) -> Result<usize> {
        // SAFETY: a live slice.
        unsafe { self.write_from(offset, from.as_ptr(), from.len()) }
    }

    /// As [`Region::write_at`], out of memory that is given by its address; see [`Region::read_to`].
    ///
    /// # Safety
    /// `from` stays readable for `length` bytes during the call.
    pub unsafe fn write_from(&self, offset: u64, from: *const u8, length: usize) -> Result<usize> {
        self.with(|state| {
            let (start, length) = part(state.mapping.start(), state.mapping.len(), offset, length);
            let fault = |errno, done| state.refused("process_vm_writev", errno, offset as usize + done);
            let guarded = if state.allows(Protection::ReadWrite) {
                // SAFETY: inside the mapping, which the state keeps, and writable, and of which no reference exists; the
                // other side as the caller promised.
                unsafe { signal::copy(start, from, length) }
            } else {
                0
            };
            in_full(guarded..length, fault, |done| {
                // SAFETY: inside the mapping, which the state keeps, and of which no reference exists; the other side as
                // the caller promised.
                unsafe { write(start.wrapping_add(done), from.wrapping_add(done), length - done) }
            })
        })
    }
}

/// The part of `wanted` bytes from `offset` on that is inside the region.
fn part(start: *mut u8, length: usize, offset: u64, wanted: usize) -> (*mut u8, usize) {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(length);
    (start.wrapping_add(offset), wanted.min(length - offset))
}

/// Repeats a copy that may be short until it is whole or has failed. What is before the range is there.
fn in_full(
    Range { start, end: length }: Range<usize>,
    fault: impl Fn(Errno, usize) -> Error,
    mut copy: impl FnMut(usize) -> Sys<usize>,
) -> Result<usize> {
    let mut done = start;
    while done < length {
        match copy(done) {
            // The kernel says EFAULT when nothing could be copied; zero would be an endless loop.
            Ok(0) => return Err(fault(Errno::EFAULT, done).after(done as u64)),
            Ok(count) => done += count,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(fault(errno, done).after(done as u64)),
        }
    }
    Ok(length)
}
