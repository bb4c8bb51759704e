//! One source to many sinks: every sink gets exactly the same bytes.
//!
//! splice(2) takes a window of bytes from the source into a pipe of ours; tee(2) puts the window into one more pipe for
//! each sink, where only the references to the pages are doubled, and splice(2) delivers from there. Where one of these
//! calls is refused the window is a buffer and the sinks are written from it.
//!
//! A sink that is slow holds the others back, by a window at most, and never disturbs what they get. A sink that fails is
//! reported with its error and its count and dropped, and the rest go on; when none is left the fan-out fails.
//!
//! One thread serves all ends, so it must never sleep in one of them: sinks that are sockets in blocking mode are switched to
//! `O_NONBLOCK` at the first step and restored when the fan-out is dropped (see [`crate::relay`]). Files are not waited
//! for by poll(2) and take as long as they take.

mod branch;
mod report;
mod settling;
mod sharing;
mod state;
mod window;

use std::fmt;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollTimeout};

use crate::checks;
use crate::drive::{Stepped, Steps, drive};
use crate::endpoint::{Endpoint, Entered, Kind};
use crate::error::{Error, ErrorKind, Result};
use crate::request::Request;
use crate::step::{Readiness, Visibility};
use crate::waiting::{Waited, events, wait_for_any};
use branch::Sink;
pub use report::{FanOutReport, FanOutStep, SinkReport};
use state::State;

/// From one source to many sinks, to be described with the builder methods and then run or stepped. See the module's
/// introduction.
///
/// ```
/// use zcio::{Endpoint, FanOut};
///
/// # let dir = tempfile::tempdir()?;
/// # let (from, one, two) = (dir.path().join("from"), dir.path().join("one"), dir.path().join("two"));
/// # std::fs::write(&from, b"the same")?;
/// let report = FanOut::new(Endpoint::open(&from)?)
///     .sink(Endpoint::create(&one)?)
///     .sink(Endpoint::create(&two)?)
///     .run()?;
/// assert_eq!(report.bytes, 8);
/// # assert_eq!((std::fs::read(&one)?, std::fs::read(&two)?), (b"the same".to_vec(), b"the same".to_vec()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FanOut<'fd> {
    source: Endpoint<'fd>,
    sinks: Vec<Sink<'fd>>,
    offset: Option<u64>,
    count: Option<u64>,
    visibility: Visibility,
    before: Vec<u8>,
    state: Option<State>,
}

impl<'fd> FanOut<'fd> {
    /// Everything from `source`, from its position to its end.
    pub fn new(source: Endpoint<'fd>) -> Self {
        let visibility = Visibility::default();
        Self { source, sinks: Vec::new(), offset: None, count: None, visibility, before: Vec::new(), state: None }
    }

    /// One more sink; a file is written at its own position, or at its end if it was opened to append. What a path
    /// ([`Endpoint::create`]) has is kept until its first byte.
    #[must_use]
    pub fn sink(mut self, end: Endpoint<'fd>) -> Self {
        self.sinks.push(Sink { end, offset: None });
        self
    }

    /// One more sink, a file that is written from this byte on and keeps its own position.
    #[must_use]
    pub fn sink_at(mut self, end: Endpoint<'fd>, offset: u64) -> Self {
        self.sinks.push(Sink { end, offset: Some(offset) });
        self
    }

    /// Starts at this byte of the source file and leaves the file's own position alone. Without it the fan-out starts at
    /// the position and advances it by [`FanOutReport::bytes`].
    #[must_use]
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Moves at most this many bytes to each sink.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Whether later changes to the source may show in flight; [`Visibility::Aliased`] unless said otherwise. A snapshot is
    /// read once and written to each sink, unless all sinks are files.
    #[must_use]
    pub fn visibility(mut self, visibility: Visibility) -> Self {
        self.visibility = visibility;
        self
    }

    /// Bytes of a stream source that somebody (a parser, a buffered reader) has taken out of it already: every sink gets them
    /// first, and they are counted. What is more than the count stays undelivered; without meaning for a source that has
    /// offsets.
    #[must_use]
    pub fn taken_before(mut self, bytes: Vec<u8>) -> Self {
        self.before = bytes;
        self
    }

    /// Moves what can be moved now. The first call checks the request; nothing is written before every check has passed.
    ///
    /// It never waits for a socket or a pipe.
    ///
    /// # Errors
    ///
    /// What is wrong with the request; the source's failure, after what it gave has been delivered; the last sink's
    /// failure when none is left. [`Error::moved`] is [`FanOutReport::bytes`].
    pub fn step(&mut self) -> Result<FanOutStep> {
        self.begin()?;
        let state = self.state.as_mut().expect("begun above");
        state.step(&self.source, &mut self.sinks)
    }

    /// Runs to the end, waiting for its ends as needed.
    ///
    /// # Errors
    ///
    /// As [`FanOut::step`]. That some of the sinks failed is no error: see [`FanOutReport::sinks`].
    pub fn run(&mut self) -> Result<FanOutReport> {
        drive(self, None)?;
        Ok(self.report().expect("a fan-out that is over has begun"))
    }

    /// Runs to the end and calls `watch` with the bytes that every sink has so far: at least every 100 ms or 64 MiB, and
    /// whenever a signal interrupted a wait. [`ControlFlow::Break`] stops it with [`ErrorKind::Cancelled`].
    ///
    /// # Errors
    ///
    /// As [`FanOut::step`].
    pub fn run_watched(&mut self, mut watch: impl FnMut(u64) -> ControlFlow<()>) -> Result<FanOutReport> {
        drive(self, Some(&mut |fan_out| watch(fan_out.moved())))?;
        Ok(self.report().expect("a fan-out that is over has begun"))
    }

    /// What has happened so far; `None` before the first step has begun to move.
    pub fn report(&self) -> Option<FanOutReport> {
        self.state.as_ref().map(|state| state.report(self.count))
    }

    /// What an event loop must wait for now: each descriptor with what it must become, any of them is enough.
    pub fn interests(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Readiness)> {
        let source = self.state.as_ref().is_some_and(State::wants_source);
        let source = source.then(|| (self.source.fd(), Readiness::Readable));
        let branches = self.state.iter().flat_map(State::wanting);
        source.into_iter().chain(branches.map(|index| (self.sinks[index].end.fd(), Readiness::Writable)))
    }

    /// Enters the ends of [`Self::interests`].
    fn enter_interests(&self) -> Result<Vec<Entered>> {
        let source = self.state.as_ref().is_some_and(State::wants_source).then_some(&self.source);
        let sinks = self.state.iter().flat_map(State::wanting).map(|index| &self.sinks[index].end);
        source.into_iter().chain(sinks).map(Endpoint::enter).collect()
    }

    /// Bytes that were taken out of the source and that this sink (by its order, from 0) has not got: a copy of them, after
    /// which the sink counts as dropped. For a fan-out that will not go on.
    ///
    /// Empty for a sink that failed while others went on: they took its bytes with them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if there is no such sink; [`ErrorKind::Os`] if the pipe they are in cannot be read.
    pub fn take_undelivered(&mut self, sink: usize) -> Result<Vec<u8>> {
        if sink >= self.sinks.len() {
            return Err(Error::new(ErrorKind::InvalidInput, format!("there is no sink {sink}")));
        }
        match &mut self.state {
            Some(state) => state.take_undelivered(sink),
            // Nobody has had any of them.
            None => Ok(self.before.clone()),
        }
    }

    /// Checks the request and gets ready to move, once.
    fn begin(&mut self) -> Result<()> {
        if self.state.is_some() {
            return Ok(());
        }
        let _source = self.source.enter()?;
        let _sinks = self.sinks.iter().map(|sink| sink.end.enter()).collect::<Result<Vec<_>>>()?;
        self.check()?;
        let shares =
            self.visibility == Visibility::Aliased || self.sinks.iter().all(|sink| sink.end.facts().kind.is_seekable());
        let mut state = State::new(&self.source, self.offset, self.count, &self.sinks, shares)?;
        if !self.source.facts().kind.has_offsets() {
            state.carry(std::mem::take(&mut self.before));
        }
        // From here on Drop restores what was switched, also when switching fails half-way.
        self.state.insert(state).unblock(&mut self.sinks)
    }

    fn check(&self) -> Result<()> {
        if self.source.sleeps() {
            checks::connected(&self.source)?;
        }
        if self.sinks.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "a fan-out needs at least one sink"));
        }
        if self.source.facts().kind == Kind::Memory {
            let message = "a fan-out's source is a file, a pipe or a socket; memory can be sent to each sink by itself";
            return Err(Error::new(ErrorKind::Impossible, message));
        }
        for (index, sink) in self.sinks.iter().enumerate() {
            let request =
                Request { offset: self.offset, sink_offset: sink.offset, count: self.count, ..Request::default() };
            checks::check(&self.source, &sink.end, &request)?;
            sink.end.can_be_emptied()?;
            if sink.end.facts().kind == Kind::Memory {
                let message =
                    "a fan-out's sinks are files, pipes and sockets; memory is filled by a transfer of its own";
                return Err(Error::new(ErrorKind::Impossible, message));
            }
            let others = self.sinks[..index].iter().map(|other| &other.end).chain([&self.source]);
            // /dev/null may be named as often as one likes.
            let mut others = others.filter(|other| other.facts().kind != Kind::CharDevice);
            if others.any(|other| other.is_same(&sink.end)) {
                let message = "a fan-out's ends must all be different, and one was given twice";
                let error = Error::new(ErrorKind::InvalidInput, message).with_errno(Errno::EINVAL);
                return Err(error.at(sink.end.path()));
            }
        }
        Ok(())
    }
}

impl Steps for FanOut<'_> {
    /// No stream of a fan-out puts its thread to sleep, watched or not.
    fn advance(&mut self, _watched: bool) -> Result<Stepped> {
        Ok(match self.step()? {
            FanOutStep::Done => Stepped::Done,
            FanOutStep::Moved(_) => Stepped::Moved,
            FanOutStep::Blocked => Stepped::Blocked,
        })
    }

    /// Waits in poll(2) until one of the ends is ready.
    fn wait(&mut self, timeout: PollTimeout) -> Result<Waited> {
        // One that is lost is met by the next step.
        let Ok(_held) = self.enter_interests() else { return Ok(Waited::Nothing) };
        let mut polled: Vec<_> = self.interests().map(|(fd, readiness)| PollFd::new(fd, events(readiness))).collect();
        let waited = wait_for_any(&mut polled, timeout, &mut crate::sys::SyscallCounter::default());
        let state = self.state.as_mut().expect("only a fan-out that has begun waits");
        state.waited();
        waited.map_err(|errno| Error::os("poll", errno).after(state.bytes()))
    }

    fn moved(&self) -> u64 {
        self.state.as_ref().map_or(0, State::bytes)
    }
}

impl Drop for FanOut<'_> {
    /// Sockets that were in blocking mode are again.
    fn drop(&mut self) {
        if let Some(state) = &mut self.state {
            state.restore(&mut self.sinks);
        }
    }
}

impl fmt::Debug for FanOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanOut")
            .field("source", &self.source)
            .field("sinks", &self.sinks)
            .field("report", &self.report())
            .finish_non_exhaustive()
    }
}
