//! The routes bytes can take, one file each: what is measured, what stands at the lane's other end, how it is checked.
//!
//! A route knows nothing of languages; how one serves it is its family's business ([`crate::families`]). A new route is one file here, one line in [`ALL`], and a label in the families' tables.
//! Timed or not, a run succeeds only if the receiving end has what it should; what the lane claims has to agree, and is
//! never enough.

mod file_to_file;
mod file_to_pipe;
mod file_to_tcp;
pub mod hand_over;
mod map_close;
mod mapped_scan;
pub mod mapped_sum;
pub mod random_read;
mod relay;
mod small_files;
mod small_ranges;
mod tcp_to_file;

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::lane::{Lane, Sample};
use crate::peer::Check;
use crate::pin::Pin;
use crate::places::{Place, Places};
use crate::protocol::Message;
use crate::subject::Subjects;

/// The names, for the families' tables.
pub const FILE_TO_TCP: &str = "file_to_tcp";
/// Many connections at once.
pub const FILE_TO_TCP_CONNECTIONS: &str = "file_to_tcp_connections";
/// Into the page cache.
pub const TCP_TO_FILE: &str = "tcp_to_file";
/// Onto the disk.
pub const TCP_TO_FILE_DURABLE: &str = "tcp_to_file_durable";
/// TCP to TCP.
pub const RELAY: &str = "relay";
/// On the file system of the working folder.
pub const FILE_TO_FILE: &str = "file_to_file";
/// On XFS.
pub const FILE_TO_FILE_XFS: &str = "file_to_file_xfs";
/// On tmpfs.
pub const FILE_TO_FILE_TMPFS: &str = "file_to_file_tmpfs";
/// Into a pipe.
pub const FILE_TO_PIPE: &str = "file_to_pipe";
/// Open, send, close.
pub const SMALL_FILES: &str = "small_files";
/// 4 KiB at a time out of one open file.
pub const SMALL_RANGES: &str = "small_ranges";
/// A checksum over a mapping.
pub const MAPPED_SCAN: &str = "mapped_scan";
/// A sum over a mapping, read word by word.
pub const MAPPED_SUM: &str = "mapped_sum";
/// Map, touch, unmap.
pub const MAP_CLOSE: &str = "map_close";
/// 4 KiB reads from the page cache.
pub const RANDOM_READ: &str = "random_read";
/// 4 KiB reads from the device.
pub const RANDOM_READ_DIRECT: &str = "random_read_direct";
/// Memory from one process to another.
pub const HAND_OVER: &str = "hand_over";

/// All of them.
pub const EVERY: &[&str] = &[
    FILE_TO_TCP,
    FILE_TO_TCP_CONNECTIONS,
    TCP_TO_FILE,
    TCP_TO_FILE_DURABLE,
    RELAY,
    FILE_TO_FILE,
    FILE_TO_FILE_XFS,
    FILE_TO_FILE_TMPFS,
    FILE_TO_PIPE,
    SMALL_FILES,
    SMALL_RANGES,
    MAPPED_SCAN,
    MAPPED_SUM,
    MAP_CLOSE,
    RANDOM_READ,
    RANDOM_READ_DIRECT,
    HAND_OVER,
];

/// Every route, in the order in which they are measured and printed.
pub static ALL: [&dyn Route; 17] = [
    &file_to_tcp::One,
    &file_to_tcp::Many,
    &tcp_to_file::CACHED,
    &tcp_to_file::DURABLE,
    &relay::Relay,
    &file_to_file::HERE,
    &file_to_file::XFS,
    &file_to_file::TMPFS,
    &file_to_pipe::FileToPipe,
    &small_files::SmallFiles,
    &small_ranges::SmallRanges,
    &mapped_scan::MappedScan,
    &mapped_sum::MappedSum,
    &map_close::MapClose,
    &random_read::CACHED,
    &random_read::DIRECT,
    &hand_over::HandOver,
];

/// The routes of `make demo`.
pub const DEMO: [&str; 3] = [FILE_TO_TCP, TCP_TO_FILE, FILE_TO_FILE];

/// What is varied along a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// Bytes of a file.
    Size,
    /// Connections at a time.
    Connections,
    /// Reads at a time.
    Depth,
    /// Nothing: the route has one point.
    Fixed,
}

/// A way for bytes to go.
pub trait Route: Sync {
    /// On the command line, in the protocol and in JSON.
    fn name(&self) -> &'static str;
    /// Above a table.
    fn title(&self) -> &'static str;
    /// In one sentence, what a run does and when it is over.
    fn about(&self) -> &'static str;
    /// What is varied.
    fn axis(&self) -> Axis {
        Axis::Size
    }
    /// The point of a route that has one.
    fn only_point(&self) -> u64 {
        0
    }
    /// The file system it needs.
    fn place(&self) -> Place {
        Place::Here
    }
    /// Bytes of the largest file at that point of the axis.
    fn file_bytes(&self, point: u64) -> u64 {
        point
    }
    /// The memory that a point needs free: the cached file and what is made of it, unless a route needs more.
    fn memory(&self, point: u64) -> u64 {
        self.file_bytes(point) * 2
    }
    /// One run by that lane; `Lane::prepare` before the clock starts, `Lane::go` after.
    fn run(&self, bench: &Bench<'_>, lane: &mut Lane, point: u64, check: Check) -> Result<Sample>;
}

impl fmt::Debug for dyn Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Everything a run needs besides its lane.
pub struct Bench<'a> {
    /// The files that are moved.
    pub subjects: &'a Subjects<'a>,
    /// Where new ones go.
    pub places: &'a Places,
    /// Where the peer runs.
    pub pin: Pin,
}

impl Bench<'_> {
    /// One run. The error names the lane and the route.
    pub fn run(&self, route: &dyn Route, lane: &mut Lane, point: u64, check: Check) -> Result<Sample> {
        route.run(self, lane, point, check).with_context(|| format!("{}, {}", lane.title(route), route.title()))
    }

    /// How often a file of that size is moved in one run. A small one takes microseconds, which no clock of a busy machine
    /// measures well; a file that was named is moved once, as it is.
    pub fn times(&self, bytes: u64) -> u64 {
        const ENOUGH: u64 = 16 << 20;
        if self.subjects.given().is_some() { 1 } else { (ENOUGH / bytes.max(1)).clamp(1, 512) }
    }

    /// A path for a new file.
    pub fn new_file(&self, place: Place, name: &str) -> Result<PathBuf> {
        Ok(self.places.folder(place)?.join(name))
    }
}

impl Axis {
    /// A point of it, in words.
    pub fn label(self, point: u64) -> String {
        match self {
            Self::Size => size(point),
            Self::Connections if point == 1 => "1 connection".to_string(),
            Self::Connections => format!("{point} connections"),
            Self::Depth => format!("depth {point}"),
            Self::Fixed => String::new(),
        }
    }
}

/// `64 KiB`; to one decimal where it is no whole number.
pub fn size(bytes: u64) -> String {
    let (unit, shift) = match bytes {
        0..1024 => return format!("{bytes} B"),
        1024..1_048_576 => ("KiB", 10),
        1_048_576..1_073_741_824 => ("MiB", 20),
        _ => ("GiB", 30),
    };
    let whole = bytes >> shift;
    if whole << shift == bytes {
        format!("{whole} {unit}")
    } else {
        format!("{:.1} {unit}", bytes as f64 / (1_u64 << shift) as f64)
    }
}

/// The route of that name.
#[cfg(test)]
pub fn named(name: &str) -> Option<&'static dyn Route> {
    ALL.into_iter().find(|route| route.name() == name)
}

/// A job for a lane.
fn job(route: &dyn Route, source: &str, sink: &str) -> Result<Message> {
    Message::new("job").with("route", route.name())?.with("source", source)?.with("sink", sink)
}

/// What the lane says must agree with what was seen.
fn claimed(sample: Sample, bytes: u64) -> Result<Sample> {
    ensure!(sample.bytes == bytes, "it says it moved {} bytes instead of {bytes}", sample.bytes);
    Ok(sample)
}

/// What the lane says of the bytes it looked at, where only it sees them.
fn digested(sample: Sample, bytes: u64, wanted: u64) -> Result<Sample> {
    let found = sample.digest.context("no digest of the bytes it looked at")?;
    ensure!(found == wanted, "it saw other bytes: their digest is {found:#x} instead of {wanted:#x}");
    claimed(sample, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lead_back() {
        for route in ALL {
            assert_eq!(named(route.name()).unwrap().title(), route.title());
            assert!(EVERY.contains(&route.name()) && EVERY.len() == ALL.len());
            assert!(ALL.iter().filter(|other| other.name() == route.name()).count() == 1);
            assert!(!route.about().is_empty());
        }
        assert!(DEMO.iter().all(|name| named(name).is_some()));
    }
}
