//! From one TCP connection to another, through the lane.

use anyhow::{Context, Result};

use super::{Bench, Route, claimed, job};
use crate::lane::{Lane, Sample};
use crate::peer::{self, Check, Peer};
use crate::places::Place;

/// A proxy's work, in one direction.
pub struct Relay;

impl Route for Relay {
    fn name(&self) -> &'static str {
        super::RELAY
    }

    fn title(&self) -> &'static str {
        "TCP → TCP relay"
    }

    fn about(&self) -> &'static str {
        "The lane stands between a sender and a receiver and hands on everything, until the receiver has the last byte."
    }

    fn run(&self, bench: &Bench<'_>, lane: &mut Lane, point: u64, check: Check) -> Result<Sample> {
        let subject = bench.subjects.get(Place::Here, point)?;
        let times = bench.times(subject.bytes);
        let (source, sink) = (Peer::listen()?, Peer::listen()?);
        lane.prepare(&job(self, &source.address()?.to_string(), &sink.address()?.to_string())?)?;
        let streams = vec![source.accept()?, sink.accept()?];
        let (sample, mut arrived) = peer::beside(lane, bench.pin, streams, |index, stream| match index {
            0 => {
                peer::send(stream, &subject, times, check)?;
                // A relay in both directions passes on the end of the other side, too.
                peer::receive(stream, Check::Count)
            }
            _ => peer::receive(stream, check),
        })?;
        arrived.pop().context("a relay has two ends")?.expect(&match check {
            Check::Content => subject.content(times)?,
            Check::Count => crate::subject::Content::counted(subject.bytes * times),
        })?;
        claimed(sample, subject.bytes * times)
    }
}
