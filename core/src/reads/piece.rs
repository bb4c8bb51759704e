//! What one system call of a read asks for, and what its answer means.

use crate::sys::SpanMut;

/// The most one call is asked for: less than the kernel's limit, and a multiple of every block.
const LARGEST: usize = 1 << 30;
/// The size of a buffer for direct reads that are not aligned.
pub(super) const BOUNCE: usize = 64 << 10;

/// The next part of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where in the file.
    pub at: u64,
    /// How many bytes are asked for.
    pub length: usize,
    /// Whether they go to a buffer, because direct I/O cannot put them where they are wanted.
    pub bounced: bool,
    /// How many of them nobody wants, at the beginning.
    skipped: usize,
    /// How many are wanted.
    wanted: usize,
}

/// What a piece has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gain {
    /// Bytes that were wanted.
    pub bytes: usize,
    /// Whether there is nothing behind them.
    pub ended: bool,
}

impl Piece {
    /// Of a read from `offset` on into `into`, of which `done` bytes are there. `block` is what direct I/O has multiples of, a power of
    /// two, or 1.
    pub fn next(offset: u64, into: SpanMut<'_>, done: usize, block: usize) -> Self {
        let (at, rest) = (offset + done as u64, into.len() - done);
        // A block is a power of two, and this is done for every read: no division.
        let within = block - 1;
        let skipped = at as usize & within;
        let address = into.as_mut_ptr() as usize + done;
        let whole = rest.min(LARGEST) & !within;
        if (skipped | address & within) == 0 && whole > 0 {
            return Self { at, length: whole, bounced: false, skipped, wanted: whole };
        }
        let length = (skipped + rest).next_multiple_of(block).min(BOUNCE);
        Self { at: at - skipped as u64, length, bounced: true, skipped, wanted: rest.min(length - skipped) }
    }

    /// What an answer of `count` bytes means.
    pub fn gain(&self, count: usize, block: usize) -> Gain {
        // One that ends inside a block has met the end of the file.
        let ended = count == 0 || (count < self.length && count & (block - 1) != 0);
        Gain { bytes: count.saturating_sub(self.skipped).min(self.wanted), ended }
    }

    /// The bytes that were wanted, in the buffer.
    pub fn wanted<'m>(&self, buffer: SpanMut<'m>, gain: Gain) -> SpanMut<'m> {
        buffer.part(self.skipped as u64, gain.bytes as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligned_parts_go_straight_and_the_rest_through_a_buffer() {
        let mut memory = crate::AlignedBuffer::new(1 << 20).unwrap();
        let whole = SpanMut::from(&mut memory[..]);
        let piece = |at, length, bounced, skipped, wanted| Piece { at, length, bounced, skipped, wanted };
        for (offset, (from, length), done, expected) in [
            (0, (0, 8192), 0, piece(0, 8192, false, 0, 8192)),
            (512, (512, 2000), 0, piece(512, 1536, false, 0, 1536)),
            (512, (512, 2000), 1536, piece(2048, 512, true, 0, 464)),
            (700, (0, 100), 0, piece(512, 512, true, 188, 100)),
            (1000, (0, 100), 0, piece(512, 1024, true, 488, 100)),
            (0, (1, 1 << 19), 0, piece(0, BOUNCE, true, 0, BOUNCE)),
            (100, (0, 1 << 19), 0, piece(0, BOUNCE, true, 100, BOUNCE - 100)),
        ] {
            assert_eq!(Piece::next(offset, whole.part(from, length), done, 512), expected);
            // Of a file that is not read directly everything goes straight.
            let straight = Piece::next(offset, whole.part(from, length), done, 1);
            assert_eq!((straight.bounced, straight.length as u64), (false, length - done as u64));
        }
    }

    #[test]
    fn the_end_is_a_block_that_is_not_whole() {
        let mut memory = crate::AlignedBuffer::new(1 << 16).unwrap();
        let piece = Piece::next(700, SpanMut::from(&mut memory[..5000]), 0, 512);
        for (count, bytes, ended) in
            [(0, 0, true), (100, 0, true), (188, 0, true), (300, 112, true), (512, 324, false), (1024, 836, false)]
        {
            assert_eq!(piece.gain(count, 512), Gain { bytes, ended }, "{count}");
        }
        assert_eq!(piece.gain(piece.length, 512), Gain { bytes: 5000, ended: false });
        let piece = Piece::next(0, SpanMut::from(&mut memory[..5000]), 0, 1);
        assert_eq!([piece.gain(0, 1), piece.gain(7, 1)].map(|gain| (gain.bytes, gain.ended)), [(0, true), (7, false)]);
    }
}
