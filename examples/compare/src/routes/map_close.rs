//! What a mapping costs from beginning to end.

use std::fs;

use anyhow::Result;

use super::{Axis, Bench, Route, digested, job};
use crate::lane::{Lane, Sample};
use crate::peer::Check;
use crate::places::Place;

/// Bytes of each mapping.
const EACH: usize = 64 << 10;
/// Where the lane looks: once in each page.
const PAGE: usize = 4096;

/// Many short-lived mappings.
pub struct MapClose;

impl Route for MapClose {
    fn name(&self) -> &'static str {
        super::MAP_CLOSE
    }

    fn title(&self) -> &'static str {
        "map and close"
    }

    fn about(&self) -> &'static str {
        "64 KiB of an open, cached file are mapped, one byte of each page is looked at, and the mapping is closed: 2,000 times."
    }

    fn axis(&self) -> Axis {
        Axis::Fixed
    }

    fn only_point(&self) -> u64 {
        2000
    }

    fn file_bytes(&self, _: u64) -> u64 {
        EACH as u64
    }

    fn run(&self, bench: &Bench<'_>, lane: &mut Lane, point: u64, _: Check) -> Result<Sample> {
        let subject = bench.subjects.get(Place::Here, EACH as u64)?;
        let firsts: u64 = fs::read(&subject.path)?.iter().step_by(PAGE).map(|&byte| u64::from(byte)).sum();
        lane.prepare(&job(self, subject.text()?, "digest")?.with("times", point)?)?;
        digested(lane.go()?, subject.bytes * point, firsts * point)
    }
}
