//! Ranges as callers write them, resolved to bytes of a region, and rounded to pages.

use std::ops::{Bound, Range, RangeBounds};

use super::refusal::invalid;
use crate::error::Result;

/// The bytes of a region of `length` bytes that a range means; refused if it does not lie inside.
pub(super) fn resolve(range: &impl RangeBounds<u64>, length: usize) -> Result<Range<usize>> {
    let whole = length as u64;
    let start = match range.start_bound() {
        Bound::Included(&start) => Some(start),
        Bound::Excluded(&start) => start.checked_add(1),
        Bound::Unbounded => Some(0),
    };
    let end = match range.end_bound() {
        Bound::Included(&end) => end.checked_add(1),
        Bound::Excluded(&end) => Some(end),
        Bound::Unbounded => Some(whole),
    };
    match (start, end) {
        (Some(start), Some(end)) if start <= end && end <= whole => Ok(start as usize..end as usize),
        _ => Err(invalid(format!("a range that is not inside the region's {length} bytes"))),
    }
}

/// Every page that has a byte of the range. Addresses, not offsets.
pub(super) fn outward(range: Range<usize>, page: usize) -> Range<usize> {
    if range.is_empty() {
        return range.start..range.start;
    }
    range.start / page * page..range.end.next_multiple_of(page)
}

/// The pages that lie wholly inside the range; empty if there is none. Addresses, not offsets.
pub(super) fn inward(range: &Range<usize>, page: usize) -> Range<usize> {
    let start = range.start.next_multiple_of(page);
    start..(range.end / page * page).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_resolve_to_bytes_inside_the_region_or_are_refused() {
        assert_eq!(resolve(&.., 10).unwrap(), 0..10);
        assert_eq!(resolve(&(3..), 10).unwrap(), 3..10);
        assert_eq!(resolve(&(..=3), 10).unwrap(), 0..4);
        assert_eq!(resolve(&(10..10), 10).unwrap(), 10..10);
        assert_eq!(resolve(&.., 0).unwrap(), 0..0);
        assert!(resolve(&(0..11), 10).is_err());
        assert!(resolve(&(11..), 10).is_err());
        assert!(resolve(&(..=u64::MAX), 10).is_err());
        #[allow(clippy::reversed_empty_ranges)] // As a caller's arithmetic might produce it.
        let reversed = 4..3;
        assert!(resolve(&reversed, 10).is_err());
    }

    #[test]
    fn outward_takes_every_page_touched_and_inward_only_whole_ones() {
        assert_eq!(outward(5000..5001, 4096), 4096..8192);
        assert_eq!(outward(4096..8192, 4096), 4096..8192);
        assert_eq!(outward(5000..5000, 4096), 5000..5000);
        assert_eq!(inward(&(4095..8193), 4096), 4096..8192);
        assert_eq!(inward(&(5000..8191), 4096), 8192..8192);
        assert!(inward(&(5000..6000), 4096).is_empty());
    }
}
