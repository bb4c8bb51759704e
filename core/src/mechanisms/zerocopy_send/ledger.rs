//! Which sends the kernel has let go of, by their numbers.
//!
//! A socket numbers its zero-copy sends from 0 on, modulo 2³². A notification names a range of them; ranges may be joined,
//! come in another order, or twice. What the first number of ours is, nothing tells: but ours are consecutive, and nobody
//! else's are on their way, so all are complete when as many different numbers have come as sends were made.

use std::ops::Range;

use crate::sys::zerocopy::Notice;

/// See the module's introduction.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sent: u64,
    /// The numbers that have come, none twice, as if they did not wrap.
    done: Vec<Range<i64>>,
    /// Whether the kernel copied any of them.
    pub copied: bool,
}

impl Ledger {
    /// One more send was accepted.
    pub fn sent(&mut self) {
        self.sent += 1;
    }

    /// Sends whose memory the kernel may still read.
    pub fn outstanding(&self) -> u64 {
        let done: u64 = self.done.iter().map(|range| range.end.abs_diff(range.start)).sum();
        self.sent.saturating_sub(done)
    }

    /// Nothing more is to be expected.
    pub fn forget(&mut self) {
        (self.sent, self.done) = (0, Vec::new());
    }

    /// A notification has come.
    pub fn note(&mut self, notice: Notice) {
        self.copied |= notice.copied;
        // Half of all numbers are behind the newest one, half before it.
        let newest = self.done.last().map_or(i64::from(notice.first), |range| range.end - 1);
        let extended = |number: u32| newest + i64::from(number.wrapping_sub(newest as u32).cast_signed());
        let mut joined =
            extended(notice.first)..extended(notice.first) + i64::from(notice.last.wrapping_sub(notice.first)) + 1;
        self.done.retain(|range| {
            let apart = range.end < joined.start || joined.end < range.start;
            if !apart {
                joined = joined.start.min(range.start)..joined.end.max(range.end);
            }
            apart
        });
        let place = self.done.partition_point(|range| range.end < joined.start);
        self.done.insert(place, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outstanding(sent: u64, notices: &[(u32, u32)]) -> u64 {
        let mut ledger = Ledger::default();
        (0..sent).for_each(|_| ledger.sent());
        for &(first, last) in notices {
            ledger.note(Notice { first, last, copied: false });
        }
        ledger.outstanding()
    }

    #[test]
    fn numbers_are_counted_once_in_any_order_and_across_the_wrap() {
        assert_eq!(outstanding(3, &[]), 3);
        assert_eq!(outstanding(5, &[(0, 2), (3, 3)]), 1);
        assert_eq!(outstanding(5, &[(0, 2), (0, 2), (1, 2)]), 2, "the same ones again");
        assert_eq!(outstanding(5, &[(7, 8), (3, 4), (5, 6)]), 0, "out of order: five numbers and one more");
        assert_eq!(outstanding(6, &[(9, 9), (4, 5), (7, 7), (6, 6)]), 1);
        assert_eq!(outstanding(6, &[(u32::MAX - 1, 1), (2, 3)]), 0);
        assert_eq!(outstanding(6, &[(2, 3), (u32::MAX - 1, 1)]), 0);
        assert_eq!(outstanding(4, &[(u32::MAX, u32::MAX), (u32::MAX, 0)]), 2);
    }
}
