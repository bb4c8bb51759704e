//! Which pages of a region are in memory (mincore(2)), as a count and as a bitmap of one bit a page.

use std::ops::RangeBounds;

use super::fault::refused;
use super::{Region, range};
use crate::error::{Error, Result};
use crate::sys::{Sys, heap, memory};

/// Pages asked about in one call: one byte each.
const BATCH: usize = 1 << 16;

/// Which pages of a range are in memory.
///
/// For a file: in the page cache, whoever brought them there. For private memory: mapped here. The kernel says "present"
/// of every page of a file that this process neither owns nor may write (mincore(2)).
///
/// ```
/// let region = zcio::Region::anonymous(8192)?;
/// region.write_at(4096, b"touched")?;
/// let residency = region.residency(..)?;
/// assert!(residency.is_present(4096 / residency.page_size as u64));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residency {
    /// The size of one page in bytes.
    pub page_size: usize,
    /// Pages in the range; the first and the last may lie in it only in part.
    pub total: u64,
    /// How many of them are in memory.
    pub present: u64,
    bitmap: Vec<u64>,
}

impl Residency {
    /// One bit a page, the lowest bit of the first word for the first page. Bits behind the last page are 0.
    pub fn bitmap(&self) -> &[u64] {
        &self.bitmap
    }

    /// Whether a page (counted from the range's first) is in memory; false behind the last.
    pub fn is_present(&self, page: u64) -> bool {
        self.bitmap.get((page / 64) as usize).is_some_and(|word| word >> (page % 64) & 1 == 1)
    }

    fn of(pages: usize, page_size: usize) -> Sys<Self> {
        let mut bitmap = Vec::new();
        heap::resize(&mut bitmap, pages.div_ceil(64))?;
        Ok(Self { page_size, total: pages as u64, present: 0, bitmap })
    }

    /// Notes the answers of mincore for the pages from `first` on.
    fn note(&mut self, first: usize, answers: &[u8]) {
        for (page, answer) in (first..).zip(answers) {
            let bit = u64::from(answer & 1);
            self.bitmap[page / 64] |= bit << (page % 64);
            self.present += bit;
        }
    }
}

impl Region {
    /// Which pages of a range are in memory.
    pub fn residency(&self, range: impl RangeBounds<u64>) -> Result<Residency> {
        self.with(|state| {
            let (start, length) = state.mapping.outward(range::resolve(&range, state.mapping.len())?);
            // Base pages, also for huge ones: that is what mincore answers for.
            let size = memory::page_size();
            let pages = length / size;
            let no_room = |errno| Error::os("malloc", errno);
            let mut residency = Residency::of(pages, size).map_err(no_room)?;
            let mut answers = heap::zeroes(pages.min(BATCH)).map_err(no_room)?;
            for first in (0..pages).step_by(BATCH) {
                let answers = &mut answers[..(pages - first).min(BATCH)];
                // SAFETY: whole pages of this mapping.
                unsafe { memory::resident(start.wrapping_add(first * size), answers) }
                    .map_err(|errno| refused("mincore", errno))?;
                residency.note(first, answers);
            }
            Ok(residency)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_noted_where_they_belong() {
        let mut residency = Residency::of(130, 4096).unwrap();
        residency.note(0, &[1, 0, 3, 0xfe]);
        residency.note(63, &[1, 1]);
        residency.note(129, &[1]);
        assert_eq!((residency.present, residency.bitmap()), (5, &[1 | 4 | 1 << 63, 1, 2][..]));
        assert!(residency.is_present(2) && residency.is_present(129));
        assert!(!residency.is_present(3) && !residency.is_present(130) && !residency.is_present(u64::MAX));
    }
}
