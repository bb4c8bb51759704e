//! A whole file from path to path: cloned where the file system can, holes kept as holes, and on request with mode and
//! times, durable, and in place of another file in one moment.
//!
//! The bytes go by [`Transfer`](crate::Transfer)s, one for each range of data; what is added here is what makes a copy of
//! a file more than its bytes. Nothing that exists is touched before the source has been opened, and whatever fails,
//! no half of a file is left that was not there before. The measure is cp(1): what it is careful about, a copy is too.

mod data;
mod destination;
mod zeroes;

use std::fmt;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode, fchmod, futimens};
use nix::sys::time::TimeSpec;
use nix::unistd::fsync;

use crate::endpoint::Endpoint;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::mechanism::Mechanism;
use crate::opening::open_regular;
use crate::report::Attempt;
use data::Data;
use destination::Destination;

/// Whether the copy may share the blocks of its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reflink {
    /// No: every byte of data gets a block of its own, for whoever wants the room to be taken or the blocks to be apart.
    Never,
    /// Where the file system can; the bytes are copied where not.
    #[default]
    Auto,
    /// Yes, or the copy fails with the file system's reason ([`ErrorKind::Refused`]).
    Always,
}

/// A copy of a file, to be described with the builder methods and then run. See the module's introduction.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, b"a few bytes")?;
/// let report = zcio::copy::Copy::new(&from, &to).atomic(true).preserve_times(true).run()?;
/// assert_eq!((report.bytes, report.holes), (11, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Five independent requests, not a state machine.
pub struct Copy {
    source: PathBuf,
    destination: PathBuf,
    reflink: Reflink,
    mode: bool,
    times: bool,
    create_new: bool,
    atomic: bool,
    durable: bool,
}

/// What a copy did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyReport {
    /// Bytes of data that were moved or shared. The file's size is this and `holes` together.
    pub bytes: u64,
    /// Bytes that are a hole in the copy as in the source, and were neither read nor written. 0 for a clone, where holes
    /// are kept as well and not counted.
    pub holes: u64,
    /// Whether the copy shares the blocks of its source.
    pub cloned: bool,
    /// The mechanism that moved the last bytes; `None` for a file without data.
    pub mechanism: Option<Mechanism>,
    /// Mechanisms that refused, in order; each one once.
    pub attempts: Vec<Attempt>,
    /// Time from the start to the end.
    pub elapsed: Duration,
}

/// A watcher of the bytes moved so far.
type Watch<'a> = &'a mut dyn FnMut(u64) -> ControlFlow<()>;

impl Copy {
    /// A copy of the file at `source` as `destination`: its bytes and its holes.
    ///
    /// A new file has the source's permission bits (read, write and execute for owner, group and others), less the umask,
    /// and gets its name when it is complete. An existing file is overwritten and keeps its mode, owner and other links. A
    /// symbolic link at either end is followed, so that the file it points to is the one that is read or written, atomically
    /// or not; one that points to nothing is an error.
    ///
    /// What is no regular file is refused before it is opened. A file that another process has a lease on (`F_SETLEASE`,
    /// fcntl(2)) is waited for.
    pub fn new(source: impl AsRef<Path>, destination: impl AsRef<Path>) -> Self {
        Self {
            source: source.as_ref().to_path_buf(),
            destination: destination.as_ref().to_path_buf(),
            reflink: Reflink::default(),
            mode: false,
            times: false,
            create_new: false,
            atomic: false,
            durable: false,
        }
    }

    /// Whether the copy may share the blocks of its source; [`Reflink::Auto`] unless said otherwise.
    #[must_use]
    pub fn reflink(mut self, reflink: Reflink) -> Self {
        self.reflink = reflink;
        self
    }

    /// Gives the copy the source's read, write and execute bits for owner, group and others, whatever the umask is and even if
    /// it was there before. The set-user-ID, set-group-ID and sticky bits stay behind, because the owner does.
    #[must_use]
    pub fn preserve_mode(mut self, preserve: bool) -> Self {
        self.mode = preserve;
        self
    }

    /// Gives the copy the source's times of last access and last change, to the nanosecond.
    #[must_use]
    pub fn preserve_times(mut self, preserve: bool) -> Self {
        self.times = preserve;
        self
    }

    /// The destination must not exist, not even as a symbolic link to nothing: [`ErrorKind::AlreadyExists`] otherwise,
    /// also if somebody else makes it while the bytes are copied.
    #[must_use]
    pub fn create_new(mut self, create_new: bool) -> Self {
        self.create_new = create_new;
        self
    }

    /// Makes the copy beside its destination and puts it in place in one moment (rename(2)): whoever opens the path finds
    /// the old file or the whole new one, and after an error the old one. The destination becomes a new file: of what it
    /// was it keeps the permission bits, but not owner, other links, access lists and extended attributes. It takes the
    /// permission to write to the folder, not to the old file, which may even be a program that is running.
    ///
    /// As every new file it has no name until it is complete, where the file system can do that, so that a process that is
    /// killed leaves nothing, but for the moment before the last call; elsewhere it leaves a file whose name begins with
    /// `.zcio-`.
    #[must_use]
    pub fn atomic(mut self, atomic: bool) -> Self {
        self.atomic = atomic;
        self
    }

    /// Returns only when the copy is on its disk (fsync(2)), and its name as well: with [`Copy::atomic`] a crash leaves
    /// the old file or the new one.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Runs to the end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::SameFile`]; [`ErrorKind::SpecialFile`] and [`ErrorKind::IsDirectory`] for what is no regular file at
    /// either end; [`ErrorKind::NotFound`]; [`ErrorKind::AlreadyExists`] (see [`Copy::create_new`]);
    /// [`ErrorKind::Refused`] (see [`Reflink::Always`]); and what a transfer may meet, with [`Error::moved`] bytes of data
    /// moved so far. A new file is not there then; an existing one that was being overwritten in place keeps what has been
    /// written to it.
    pub fn run(&self) -> Result<CopyReport> {
        self.run_watched(|_| ControlFlow::Continue(()))
    }

    /// Runs to the end and calls `watch` with the bytes of data moved so far, at least every 100 ms or 64 MiB while they
    /// move or a lease is waited for. [`ControlFlow::Break`] stops the copy with [`ErrorKind::Cancelled`].
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
        let mut destination = Destination::open(self, &stat, &mut || watch(0))?;
        let ends = [Endpoint::new(source.as_fd())?, Endpoint::new(destination.as_fd())?];
        let mut data = Data::new(&ends, &stat, self.reflink, watch);
        // Asked before anything is emptied: a clone that is refused must not cost the old content.
        let clone = data.is_to_be_cloned().map_err(|error| self.locate(error))?;
        destination.empty()?;
        data.copy(clone).map_err(|error| self.locate(error))?;
        let report = data.report();
        self.finish(&stat, &destination)?;
        Ok(destination.publish(self.durable)?.then_some(report))
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

impl fmt::Debug for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copy")
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("reflink", &self.reflink)
            .field("mode", &self.mode)
            .field("times", &self.times)
            .field("create_new", &self.create_new)
            .field("atomic", &self.atomic)
            .field("durable", &self.durable)
            .finish()
    }
}
