//! Every word of a cached file looked at through a mapping, by the language's own way of reading one.

use std::fs::File;
use std::io::{BufReader, Read};

use anyhow::Result;

use super::{Bench, Route, digested, job};
use crate::lane::{Lane, Sample};
use crate::peer::Check;
use crate::places::Place;

/// Bytes of a word.
const WORD: usize = 8;

/// The sum of a file's 64-bit words: what a get or an array costs, where a checksum in native code sees only a pointer.
pub struct MappedSum;

impl Route for MappedSum {
    fn name(&self) -> &'static str {
        super::MAPPED_SUM
    }

    fn title(&self) -> &'static str {
        "mapped sum"
    }

    fn about(&self) -> &'static str {
        "The 64-bit words of a cached, mapped file are added up, from opening it to closing it: by a loop, in Java of \
         getLong, in Python by numpy."
    }

    fn run(&self, bench: &Bench<'_>, lane: &mut Lane, point: u64, _: Check) -> Result<Sample> {
        let subject = bench.subjects.get(Place::Here, point)?;
        let times = bench.times(subject.bytes);
        lane.prepare(&job(self, subject.text()?, "digest")?.with("times", times)?)?;
        let sample = lane.go()?;
        digested(sample, subject.bytes * times, sum_of(File::open(&subject.path)?)?)
    }
}

/// The sum of the little-endian words, modulo 2⁶⁴; what is left over after the last whole one is not in it.
pub fn sum(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<WORD>();
    words.iter().fold(0, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)))
}

fn sum_of(file: File) -> Result<u64> {
    const BLOCK: u64 = 1 << 20;
    let mut file = BufReader::new(file);
    let (mut total, mut block) = (0_u64, Vec::new());
    loop {
        block.clear();
        if file.by_ref().take(BLOCK).read_to_end(&mut block)? == 0 {
            return Ok(total);
        }
        total = total.wrapping_add(sum(&block));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_little_endian_and_the_rest_does_not_count() {
        assert_eq!(sum(&[1, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9]), 0x202);
        assert_eq!(sum(&[0xff; 16]), u64::MAX - 1);
    }
}
