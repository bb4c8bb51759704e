//! From a file into a pipe, by a name in the file system (fifo(7)), so that every language can open it.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::thread;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::sys::stat::Mode;

use super::{Bench, Route, claimed, job};
use crate::lane::{Lane, Sample};
use crate::peer::Check;
use crate::pin::{Pinned, Side};
use crate::places::Place;
use crate::subject::{self, Content, path_text};

/// A pipe's buffer, for the peer's calls.
const MOST: usize = 1 << 20;

/// What `cat file |` does.
pub struct FileToPipe;

impl Route for FileToPipe {
    fn name(&self) -> &'static str {
        super::FILE_TO_PIPE
    }

    fn title(&self) -> &'static str {
        "file → pipe"
    }

    fn about(&self) -> &'static str {
        "A cached file is written into a pipe whose reader discards it, until the last byte is in the pipe."
    }

    fn run(&self, bench: &Bench<'_>, lane: &mut Lane, point: u64, check: Check) -> Result<Sample> {
        let subject = bench.subjects.get(Place::Here, point)?;
        let times = bench.times(subject.bytes);
        let path = bench.new_file(Place::Here, "pipe")?;
        nix::unistd::mkfifo(&path, Mode::S_IRWXU)?;
        // Without O_NONBLOCK it would wait for the lane, and the lane for it.
        let reader = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&path)?;
        let prepared = lane.prepare(&job(self, subject.text()?, path_text(&path)?)?.with("times", times)?);
        fs::remove_file(&path)?;
        prepared?;
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::empty()))?;
        let pin = bench.pin;
        let (sample, arrived) = thread::scope(|scope| {
            let receiver = scope.spawn(move || {
                let _pinned = Pinned::here(pin, Side::Peer)?;
                receive(reader, check)
            });
            let sample = lane.go();
            // A lane that fails ends, which closes the pipe.
            let arrived = receiver.join().expect("the receiver does not panic");
            anyhow::Ok((sample?, arrived?))
        })?;
        arrived.expect(&match check {
            Check::Content => subject.content(times)?,
            Check::Count => Content::counted(subject.bytes * times),
        })?;
        claimed(sample, subject.bytes * times)
    }
}

fn receive(mut pipe: File, check: Check) -> Result<Content> {
    if check == Check::Content {
        return subject::hash(pipe.by_ref());
    }
    // Into /dev/null, which drops the pages without looking at them.
    let nothing = OpenOptions::new().write(true).open("/dev/null")?;
    let mut bytes = 0;
    loop {
        match splice(&pipe, None, &nothing, None, MOST, SpliceFFlags::empty()) {
            Ok(0) => return Ok(Content::counted(bytes)),
            Ok(count) => bytes += count as u64,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("the receiver failed"),
        }
    }
}
