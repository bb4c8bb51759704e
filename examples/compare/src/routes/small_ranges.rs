//! One open file, sent 4 KiB at a time: what a call costs.

use anyhow::Result;

use super::{Axis, Bench, Route, claimed, job};
use crate::lane::{Lane, Sample};
use crate::peer::{self, Check};
use crate::places::Place;
use crate::subject::Content;

/// Bytes of each transfer.
const EACH: u64 = 4096;

/// Ranges of a file, as a database's server or one of video sends them.
pub struct SmallRanges;

impl Route for SmallRanges {
    fn name(&self) -> &'static str {
        super::SMALL_RANGES
    }

    fn title(&self) -> &'static str {
        "4 KiB ranges → TCP"
    }

    fn about(&self) -> &'static str {
        "A cached file of 16 MiB, opened once, is sent over loopback in 4,096 transfers of 4 KiB."
    }

    fn axis(&self) -> Axis {
        Axis::Fixed
    }

    fn only_point(&self) -> u64 {
        4096
    }

    fn file_bytes(&self, point: u64) -> u64 {
        point * EACH
    }

    fn run(&self, bench: &Bench<'_>, lane: &mut Lane, point: u64, check: Check) -> Result<Sample> {
        let subject = bench.subjects.get(Place::Here, point * EACH)?;
        let request = |sink: std::net::SocketAddr| job(self, subject.text()?, &sink.to_string())?.with("bytes", EACH);
        let (sample, arrived) = peer::beside_one(lane, bench.pin, request, |stream| peer::receive(stream, check))?;
        arrived.expect(&match check {
            Check::Content => subject.content(1)?,
            Check::Count => Content::counted(subject.bytes),
        })?;
        claimed(sample, subject.bytes)
    }
}
