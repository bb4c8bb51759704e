//! Blocks of 4 KiB from places all over a file: out of the page cache, or past it with `O_DIRECT`; one at a time, or many.

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::Result;

use super::{Axis, Bench, Route, digested, job};
use crate::lane::{Lane, Sample};
use crate::peer::Check;
use crate::places::Place;

/// Bytes of a block.
pub const BLOCK: u64 = 4096;
/// Bytes of the file.
const FILE: u64 = 64 << 20;
/// Blocks of a run.
const CACHED_BLOCKS: u64 = 32 << 10;
const DIRECT_BLOCKS: u64 = 2 << 10;

/// A database's reads.
pub struct RandomRead {
    direct: bool,
}

/// Out of the page cache.
pub static CACHED: RandomRead = RandomRead { direct: false };
/// From the device.
pub static DIRECT: RandomRead = RandomRead { direct: true };

/// The blocks of a run in order: the sequence of Knuth's MMIX, so that every language computes the same one.
pub fn blocks(count: u64, in_file: u64) -> impl Iterator<Item = u64> {
    let mut state = 1_u64;
    (0..count).map(move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % in_file
    })
}

/// What a lane adds up over its blocks: their CRC-32, or only their first eight bytes where time counts.
pub fn digest(block: &[u8], check: &str) -> u64 {
    if check == Check::Content.name() {
        return crc32fast::hash(block).into();
    }
    let mut word = [0; 8];
    word.copy_from_slice(&block[..8]);
    u64::from_le_bytes(word)
}

impl Route for RandomRead {
    fn name(&self) -> &'static str {
        if self.direct { super::RANDOM_READ_DIRECT } else { super::RANDOM_READ }
    }

    fn title(&self) -> &'static str {
        if self.direct { "random reads, O_DIRECT" } else { "random reads, cached" }
    }

    fn about(&self) -> &'static str {
        if self.direct {
            "2,048 blocks of 4 KiB at random places of a 64 MiB file, past the page cache, so many at a time."
        } else {
            "32,768 blocks of 4 KiB at random places of a cached 64 MiB file, so many at a time."
        }
    }

    fn axis(&self) -> Axis {
        Axis::Depth
    }

    fn file_bytes(&self, _: u64) -> u64 {
        FILE
    }

    fn run(&self, bench: &Bench<'_>, lane: &mut Lane, point: u64, check: Check) -> Result<Sample> {
        let subject = bench.subjects.get(Place::Here, FILE)?;
        let count = if self.direct { DIRECT_BLOCKS } else { CACHED_BLOCKS };
        let request = job(self, subject.text()?, "digest")?
            .with("blocks", count)?
            .with("depth", point)?
            .with("check", check.name())?;
        lane.prepare(&request)?;
        let sample = lane.go()?;
        let file = File::open(&subject.path)?;
        let mut block = [0; BLOCK as usize];
        let mut wanted = 0_u64;
        for index in blocks(count, FILE / BLOCK) {
            file.read_exact_at(&mut block, index * BLOCK)?;
            wanted = wanted.wrapping_add(digest(&block, check.name()));
        }
        digested(sample, count * BLOCK, wanted)
    }
}
