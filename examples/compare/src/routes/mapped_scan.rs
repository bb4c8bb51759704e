//! Every byte of a cached file looked at by the lane: through a mapping, or read.

use anyhow::Result;

use super::{Bench, Route, digested, job};
use crate::lane::{Lane, Sample};
use crate::peer::Check;
use crate::places::Place;

/// A checksum over the whole file, the same function in every language, so that only the way to the bytes differs.
pub struct MappedScan;

impl Route for MappedScan {
    fn name(&self) -> &'static str {
        super::MAPPED_SCAN
    }

    fn title(&self) -> &'static str {
        "mapped scan"
    }

    fn about(&self) -> &'static str {
        "The CRC-32 of a cached file, mapped or read, from opening it to closing it; each language's own CRC-32."
    }

    fn run(&self, bench: &Bench<'_>, lane: &mut Lane, point: u64, _: Check) -> Result<Sample> {
        let subject = bench.subjects.get(Place::Here, point)?;
        let times = bench.times(subject.bytes);
        lane.prepare(&job(self, subject.text()?, "digest")?.with("times", times)?)?;
        digested(lane.go()?, subject.bytes * times, subject.crc32()?.into())
    }
}
