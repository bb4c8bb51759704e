//! From a TCP sender to a new file: until the last byte is in the page cache, or on the disk.

use std::fs::{self, File};
use std::path::Path;

use anyhow::Result;

use super::{Bench, Route, claimed, job};
use crate::lane::{Lane, Sample};
use crate::peer::{self, Check};
use crate::places::Place;
use crate::subject::{self, Content, Subject};

/// Both kinds.
pub struct TcpToFile {
    durable: bool,
}

/// Not synced.
pub static CACHED: TcpToFile = TcpToFile { durable: false };
/// Synced before the clock stops.
pub static DURABLE: TcpToFile = TcpToFile { durable: true };

impl Route for TcpToFile {
    fn name(&self) -> &'static str {
        if self.durable { super::TCP_TO_FILE_DURABLE } else { super::TCP_TO_FILE }
    }

    fn title(&self) -> &'static str {
        if self.durable { "TCP → file, durable" } else { "TCP → file" }
    }

    fn about(&self) -> &'static str {
        if self.durable {
            "What a TCP sender sends is written to a new file, until the disk has it: fsync(2) or fdatasync(2) included."
        } else {
            "What a TCP sender sends is written to a new file, until the last byte is in the page cache; not synced."
        }
    }

    fn run(&self, bench: &Bench<'_>, lane: &mut Lane, point: u64, check: Check) -> Result<Sample> {
        let subject = bench.subjects.get(Place::Here, point)?;
        // A disk that must be waited for each time takes long enough.
        let times = if self.durable { 1 } else { bench.times(subject.bytes) };
        let sink = bench.new_file(Place::Here, "received")?;
        let request = |source: std::net::SocketAddr| {
            job(self, &source.to_string(), subject::path_text(&sink)?)?
                .with("bytes", subject.bytes)?
                .with("times", times)?
                .with("durable", u8::from(self.durable))
        };
        let send = |stream: &std::net::TcpStream| peer::send(stream, &subject, times, check);
        let (sample, ()) = peer::beside_one(lane, bench.pin, request, send)?;
        take_away(&sink, &subject, check)?;
        claimed(sample, subject.bytes * times)
    }
}

/// Checks a file that a lane has made, and removes it.
pub fn take_away(made: &Path, subject: &Subject, check: Check) -> Result<()> {
    let arrived = match check {
        Check::Content => subject::hash(File::open(made)?)?,
        Check::Count => Content::counted(fs::metadata(made)?.len()),
    };
    fs::remove_file(made)?;
    arrived.expect(&subject.content(1)?)
}
