//! Which pages of a file were in memory before a transfer came to them: somebody else's, which dropping behind spares.
//!
//! They are asked for a window at a time, far enough ahead of the position that the transfer's own reading, and what the
//! kernel reads ahead of it, has not filled them yet. Where the kernel keeps the answer to itself (another user's file that is not
//! open for writing) nothing is spared.

use std::ops::Range;
use std::os::fd::BorrowedFd;

use crate::residency::residency;
use crate::sys::memory::page_size;

/// How much is asked for at once, which is one call if all of it is in memory, or nothing.
const WINDOW: u64 = 64 << 20;

/// What the kernel may read ahead of a position by itself; the largest setting of a disk that was seen is 8 MiB.
const MARGIN: u64 = 16 << 20;

/// See the module's introduction.
#[derive(Debug)]
pub(super) struct Hot {
    /// Before this all is known, as far as it can be.
    known: u64,
    /// How long the file was: behind that it has no pages.
    size: u64,
    /// In ascending order, whole pages, none next to another.
    ranges: Vec<Range<u64>>,
}

impl Hot {
    pub fn from(start: u64, size: u64) -> Self {
        let page = page_size() as u64;
        Self { known: start - start % page, size, ranges: Vec::new() }
    }

    /// Before pages up to `end` are touched.
    pub fn look(&mut self, fd: BorrowedFd<'_>, end: u64) {
        while self.known < self.size && self.known < end.saturating_add(MARGIN) {
            let window = self.known..self.known.saturating_add(WINDOW).min(self.size);
            self.known = window.end;
            if self.note(fd, window).is_none() {
                self.known = u64::MAX;
            }
        }
    }

    /// Halves what is neither in memory as a whole nor absent as a whole.
    fn note(&mut self, fd: BorrowedFd<'_>, part: Range<u64>) -> Option<()> {
        let found = residency(fd, part.start, part.end - part.start).ok()?;
        if found.present == 0 {
            return Some(());
        }
        if found.is_complete() {
            match self.ranges.last_mut() {
                Some(last) if last.end == part.start => last.end = part.end,
                _ => self.ranges.push(part),
            }
            return Some(());
        }
        let middle = part.start + found.total / 2 * page_size() as u64;
        self.note(fd, part.start..middle)?;
        self.note(fd, middle..part.end)
    }

    /// What of a range was not in memory.
    pub fn cold(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let first = self.ranges.partition_point(|hot| hot.end <= range.start);
        let hot = self.ranges[first..].iter().take_while(move |hot| hot.start < range.end);
        let starts = std::iter::once(range.start).chain(hot.clone().map(|hot| hot.end));
        let ends = hot.map(|hot| hot.start).chain(std::iter::once(range.end));
        starts.zip(ends).map(|(start, end)| start..end).filter(|cold| cold.start < cold.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_is_cold() {
        let mut hot = Hot::from(0, 100);
        let cold = |hot: &Hot, range| hot.cold(range).map(|cold| (cold.start, cold.end)).collect::<Vec<_>>();
        assert_eq!(cold(&hot, 3..20), [(3, 20)]);
        hot.ranges = vec![0..4, 8..12, 20..24];
        assert_eq!(cold(&hot, 0..24), [(4, 8), (12, 20)]);
        assert_eq!(cold(&hot, 2..6), [(4, 6)]);
        assert_eq!(cold(&hot, 9..11), []);
        assert_eq!(cold(&hot, 10..30), [(12, 20), (24, 30)]);
        assert_eq!(cold(&hot, 13..19), [(13, 19)]);
        assert_eq!(cold(&hot, 24..24), []);
    }
}
