//! From a file to a new file on the same file system: the working folder's, XFS, tmpfs.

use anyhow::Result;

use super::tcp_to_file::take_away;
use super::{Bench, Route, claimed, job};
use crate::lane::{Lane, Sample};
use crate::peer::Check;
use crate::places::Place;
use crate::subject::path_text;

/// On one of the places.
pub struct FileToFile {
    place: Place,
}

/// The working folder's own.
pub static HERE: FileToFile = FileToFile { place: Place::Here };
/// A file system that can clone.
pub static XFS: FileToFile = FileToFile { place: Place::Xfs };
/// Memory.
pub static TMPFS: FileToFile = FileToFile { place: Place::Tmpfs };

impl Route for FileToFile {
    fn name(&self) -> &'static str {
        match self.place {
            Place::Here => super::FILE_TO_FILE,
            Place::Xfs => super::FILE_TO_FILE_XFS,
            Place::Tmpfs => super::FILE_TO_FILE_TMPFS,
        }
    }

    fn title(&self) -> &'static str {
        match self.place {
            Place::Here => "file → file",
            Place::Xfs => "file → file on XFS",
            Place::Tmpfs => "file → file on tmpfs",
        }
    }

    fn about(&self) -> &'static str {
        match self.place {
            Place::Here => {
                "A cached file is copied into a new one beside it, until the page cache has the last byte; not synced."
            }
            Place::Xfs => {
                "The same on XFS by loop device, where a copy can share its blocks with the original (reflink)."
            }
            Place::Tmpfs => "The same on tmpfs, where file systems end and memory begins.",
        }
    }

    fn place(&self) -> Place {
        self.place
    }

    fn run(&self, bench: &Bench<'_>, lane: &mut Lane, point: u64, check: Check) -> Result<Sample> {
        let subject = bench.subjects.get(self.place, point)?;
        let times = bench.times(subject.bytes);
        let sink = bench.new_file(self.place, "copied")?;
        lane.prepare(&job(self, subject.text()?, path_text(&sink)?)?.with("times", times)?)?;
        let sample = lane.go()?;
        take_away(&sink, &subject, check)?;
        claimed(sample, subject.bytes * times)
    }
}
