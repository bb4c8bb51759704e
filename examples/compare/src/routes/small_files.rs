//! A thousand small files to one TCP receiver.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::{Axis, Bench, Route, claimed, job};
use crate::lane::{Lane, Sample};
use crate::peer::{self, Check};
use crate::places::Place;
use crate::subject::{Content, path_text};

/// Bytes of each file.
const EACH: u64 = 4096;

/// What a server of static files does all day.
pub struct SmallFiles;

impl Route for SmallFiles {
    fn name(&self) -> &'static str {
        super::SMALL_FILES
    }

    fn title(&self) -> &'static str {
        "small files → TCP"
    }

    fn about(&self) -> &'static str {
        "1,000 cached files of 4 KiB are opened, sent over one loopback connection and closed, one after the other."
    }

    fn axis(&self) -> Axis {
        Axis::Fixed
    }

    fn only_point(&self) -> u64 {
        1000
    }

    fn file_bytes(&self, point: u64) -> u64 {
        point * EACH
    }

    fn run(&self, bench: &Bench<'_>, lane: &mut Lane, point: u64, check: Check) -> Result<Sample> {
        let whole = bench.subjects.get(Place::Here, point * EACH)?;
        let folder = pieces(bench, &fs::read(&whole.path)?)?;
        let request = |sink: std::net::SocketAddr| {
            job(self, path_text(&folder)?, &sink.to_string())?.with("files", point)?.with("bytes", EACH)
        };
        let (sample, arrived) = peer::beside_one(lane, bench.pin, request, |stream| peer::receive(stream, check))?;
        arrived.expect(&match check {
            Check::Content => whole.content(1)?,
            Check::Count => Content::counted(whole.bytes),
        })?;
        claimed(sample, whole.bytes)
    }
}

/// The files, made once: the whole of them in order is the subject.
fn pieces(bench: &Bench<'_>, whole: &[u8]) -> Result<PathBuf> {
    let folder = bench.new_file(Place::Here, "small-files")?;
    if !folder.exists() {
        fs::create_dir(&folder)?;
        let mut name = String::new();
        for (index, piece) in whole.chunks(EACH as usize).enumerate() {
            name.clear();
            // A String takes everything.
            let _ = write!(name, "{index:05}");
            fs::write(folder.join(&name), piece)?;
        }
    }
    Ok(folder)
}
