//! A copy at work: the ends, the bytes between them, and what makes it more than its bytes.

use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode, fchmod, futimens};
use nix::sys::time::TimeSpec;
use nix::unistd::fsync;

use super::data::{Data, Watch};
use super::report::CopyReport;
use super::request::Copy;
use crate::destination::{self, Destination, Wanted};
use crate::endpoint::Endpoint;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::opening::open_regular;

impl Copy {
    /// Runs to the end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::SameFile`]; [`ErrorKind::SpecialFile`] and [`ErrorKind::IsDirectory`] for what is no regular file at
    /// either end; [`ErrorKind::NotFound`]; [`ErrorKind::AlreadyExists`] (see [`Copy::create_new`]);
    /// [`ErrorKind::Refused`] (see [`Reflink::Always`](super::Reflink::Always)); and what a
    /// transfer may meet, with [`Error::moved`] bytes of data
    /// moved so far. A new file is not there then; an existing one that was being overwritten in place keeps what has been
    /// written to it.
    pub fn run(&self) -> Result<CopyReport> {
        self.run_watched(|_| ControlFlow::Continue(()))
    }

    /// Runs to the end and calls `watch` with the bytes of data moved so far, at least every 100 ms or 64 MiB while they
    /// move or a lease is waited for, and with all of them before a new file gets its name. [`ControlFlow::Break`] stops the
    /// copy with [`ErrorKind::Cancelled`].
    ///
    /// # Errors
    ///
    /// As [`Copy::run`].
    pub fn run_watched(&self, mut watch: impl FnMut(u64) -> ControlFlow<()>) -> Result<CopyReport> {
        let started = Instant::now();
        loop {
            match self.copy(&mut watch)? {
                Some(report) => return Ok(CopyReport { elapsed: started.elapsed(), ..report }),
                None if self.create_new => {
                    return Err(destination::exists(&self.destination, "made by somebody else meanwhile"));
                }
                // There is a file to be overwritten now.
                None => {}
            }
        }
    }

    /// One copy, from the start; `None` if somebody else was quicker with a new file of that name.
    fn copy(&self, watch: Watch<'_>) -> Result<Option<CopyReport>> {
        let (source, stat) = open_regular(&self.source, OFlag::O_RDONLY, &mut || watch(0))?;
        let mut destination = Destination::open(self.wanted(&stat), &mut || watch(0))?;
        let ends = [Endpoint::new(source.as_fd())?, Endpoint::new(destination.as_fd())?];
        let mut data = Data::new(&ends, &stat, self.reflink, watch);
        // Asked before anything is emptied: a clone that is refused must not cost the old content.
        let clone = data.is_to_be_cloned().map_err(|error| self.locate(error))?;
        destination.empty()?;
        data.copy(clone).map_err(|error| self.locate(error))?;
        self.finish(&stat, &destination)?;
        // The last word comes before the name: a watcher that stops the copy now leaves what it would have left before.
        data.tell_all()?;
        let report = data.report();
        Ok(destination.publish()?.then_some(report))
    }

    fn wanted<'a>(&'a self, source: &'a FileStat) -> Wanted<'a> {
        Wanted {
            path: &self.destination,
            create_new: self.create_new,
            atomic: self.atomic,
            durable: self.durable,
            // Nobody else's until it gets its final mode.
            mode: Mode::from_bits_truncate(if self.mode { 0o600 } else { source.st_mode & 0o777 }),
            source: Some(source),
        }
    }

    /// Adds the path that most likely had the error.
    fn locate(&self, error: Error) -> Error {
        let about_source = matches!(error.operation(), "read" | "mmap" | "fstat");
        error.at(Some(if about_source { &self.source } else { &self.destination }))
    }

    /// What is more than bytes, after the last of them: a write would change the times again.
    fn finish(&self, stat: &FileStat, destination: &Destination<'_>) -> Result<()> {
        let at = |operation| move |errno: Errno| Error::os(operation, errno).at(Some(&self.destination));
        if self.mode {
            let mode = Mode::from_bits_truncate(stat.st_mode & 0o777);
            fchmod(destination.as_fd(), mode).map_err(at("fchmod"))?;
        } else {
            destination.keep_mode()?;
        }
        if self.times {
            let accessed = TimeSpec::new(stat.st_atime, stat.st_atime_nsec);
            let modified = TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec);
            futimens(destination.as_fd(), &accessed, &modified).map_err(at("futimens"))?;
        }
        if self.durable {
            fsync(destination.as_fd()).map_err(at("fsync"))?;
        }
        Ok(())
    }
}
