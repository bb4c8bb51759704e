//! A transfer from one endpoint to another: a state machine that moves what it can and says what it waits for.
//!
//! [`Transfer::step`] never waits for an end that is non-blocking, so that every event loop can drive it;
//! [`Transfer::run`] is such a loop over poll(2), and the bindings have theirs. When a mechanism that was chosen
//! automatically refuses, the transfer goes on with the next one at the byte it had reached, and notes it in the
//! [`Report`]. Bytes that were taken out of a stream and not delivered yet are never dropped: they go first into the sink,
//! or stay for the next step, or come back through [`Transfer::take_undelivered`].
//!
//! A write to a socket or pipe whose reader is gone raises SIGPIPE in a process that has not ignored it. Most languages'
//! runtimes, Rust's among them, ignore it.

#[cfg(feature = "tokio")]
mod awake;
mod engine;
mod first;
mod pace;
mod run;
mod running;
mod small;

use std::fmt;
use std::os::fd::BorrowedFd;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::cache::CachePolicy;
use crate::checks;
use crate::endpoint::{Endpoint, Kind};
use crate::error::Result;
use crate::mechanism::Mechanism;
use crate::plan;
use crate::report::Report;
use crate::request::Request;
use crate::step::{Side, Step, Visibility};
use engine::Engine;
#[doc(hidden)]
pub use first::{Origin, Place, Stream, Unfinished, Waits};
use running::Running;
pub use small::{Attempted, Begun};

/// A transfer, to be described with the builder methods and then run or stepped. See the module's introduction.
///
/// ```
/// use zcio::{Endpoint, Transfer};
///
/// let (mut reader, writer) = std::io::pipe()?;
/// let report = Transfer::new(Endpoint::bytes(b"a few bytes"), Endpoint::new(&writer)?).offset(2).count(3).run()?;
/// assert_eq!(report.bytes, 3);
/// # drop(writer);
/// # let mut bytes = Vec::new();
/// # std::io::Read::read_to_end(&mut reader, &mut bytes)?;
/// # assert_eq!(bytes, b"few");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Transfer<'fd> {
    source: Endpoint<'fd>,
    sink: Endpoint<'fd>,
    request: Request,
    engine: Option<Engine>,
    /// What the caller gave and the engine has not taken: all of it before the first step, then what is more than the count.
    taken_before: Vec<u8>,
    begun: Begun,
}

/// It is between two steps whenever somebody else's code runs, a watcher's or a hold's, and may be stepped after a panic of it.
impl UnwindSafe for Transfer<'_> {}
impl RefUnwindSafe for Transfer<'_> {}

impl<'fd> Transfer<'fd> {
    /// Everything from `source`, from its position to its end, to `sink`, by the best mechanism that works.
    pub fn new(source: Endpoint<'fd>, sink: Endpoint<'fd>) -> Self {
        Self {
            source,
            sink,
            request: Request::default(),
            engine: None,
            taken_before: Vec::new(),
            begun: Begun::default(),
        }
    }

    /// Starts at this byte of the source file and leaves the file's own position alone. Without it the transfer starts at
    /// the position and advances it by the bytes delivered.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> Self {
        self.request.offset = Some(offset);
        self
    }

    /// Writes from this byte of the sink on, a file or memory, and leaves a file's own position alone. Without it bytes go to
    /// the position, or to the end of a file opened to append, or to the beginning of memory.
    #[must_use]
    pub fn sink_offset(mut self, offset: u64) -> Self {
        self.request.sink_offset = Some(offset);
        self
    }

    /// Moves at most this many bytes, and no more than a sink has room for that is memory. A source that ends before is no error:
    /// see [`Report::is_short`].
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.request.count = Some(count);
        self
    }

    /// Uses this mechanism and no other: it works, or the transfer fails with the reason.
    #[must_use]
    pub fn mechanism(mut self, mechanism: Mechanism) -> Self {
        self.request.mechanism = Some(mechanism);
        self
    }

    /// Whether later changes to the source may show in flight; [`Visibility::Aliased`] unless said otherwise.
    #[must_use]
    pub fn visibility(mut self, visibility: Visibility) -> Self {
        self.request.visibility = visibility;
        self
    }

    /// What becomes of the page cache meanwhile; nothing unless said otherwise.
    #[must_use]
    pub fn cache(mut self, policy: CachePolicy) -> Self {
        self.request.cache = policy;
        self
    }

    /// Bytes of a stream source that somebody (a parser, a buffered reader) has taken out of it already: they are delivered
    /// first, and counted. What is more than the count stays undelivered ([`Transfer::take_undelivered`]). Without meaning
    /// for a source that has offsets.
    #[must_use]
    pub fn taken_before(mut self, bytes: Vec<u8>) -> Self {
        if !self.source.known().kind.has_offsets() {
            self.taken_before = bytes;
        }
        self
    }

    /// Moves at most this many bytes in one step (a clone, which takes the same time for any length, excepted): for an
    /// event loop with others to serve. Without it a step stops after 16 MiB where an end is a stream, 64 MiB between files.
    #[must_use]
    pub fn step_size(mut self, bytes: u64) -> Self {
        self.request.piece = Some(bytes.clamp(1, running::FILE_STEP));
        self
    }

    /// Tries to send `count` bytes ([`Attempted::MOST`] at most) of a file from `offset`, or its position, on to a TCP socket in a few
    /// system calls (two for a few pages): what a transfer without a named mechanism would do, if nothing has to be waited for and the file does
    /// not end.
    ///
    /// # Errors
    ///
    /// As [`Transfer::step`], for a connection that is gone; a socket tells that once.
    pub fn attempt(source: BorrowedFd<'_>, sink: BorrowedFd<'_>, offset: Option<u64>, count: u64) -> Result<Attempted> {
        small::attempt(source, sink, offset, count)
    }

    /// As [`Transfer::attempt`], for who keeps the sink and knows what it is: one system call for what is counted, and one more to
    /// find the end of a file. Up to [`Attempted::MOST`] bytes.
    ///
    /// # Errors
    ///
    /// As [`Transfer::attempt`], and if memory is lost.
    #[doc(hidden)] // For the bindings.
    pub fn first(
        source: Origin<'_>,
        sink: Stream<'_>,
        offset: Option<u64>,
        count: Option<u64>,
    ) -> std::result::Result<Attempted, Unfinished> {
        first::first(source, sink, offset, count)
    }

    /// As [`Transfer::first`] from a file or a pipe into another: neither is looked at if the kernel's answer says what it is, and no
    /// call waits. Up to [`Attempted::MOST`] bytes. What is refused a transfer meets again, and tells.
    #[doc(hidden)] // For the bindings.
    pub fn first_into(source: BorrowedFd<'_>, sink: Place<'_>, offset: Option<u64>, count: u64) -> Attempted {
        first::first_into(source, sink, offset, count)
    }

    /// As [`Transfer::first_into`] from a stream socket of that kind into a file: what is there now, up to what is copied
    /// ([`crate::plan`]).
    ///
    /// # Errors
    ///
    /// As [`Transfer::attempt`].
    #[doc(hidden)] // For the bindings.
    pub fn first_from(source: BorrowedFd<'_>, kind: Kind, sink: Place<'_>, count: u64) -> Result<Attempted> {
        first::first_from((source, kind), sink, count)
    }

    /// Goes on where an attempt with the same ends, offset and count has stopped: its bytes and calls count.
    #[must_use]
    pub fn begun(mut self, mut begun: Begun) -> Self {
        if !begun.carried.is_empty() {
            self.taken_before = std::mem::take(&mut begun.carried);
        }
        self.begun = begun;
        self
    }

    /// Moves what can be moved now. The first call checks the request; nothing is written before every check has passed.
    ///
    /// Waits only for an end that is in blocking mode; [`Step`] shows the loop around it. After an error the transfer may be stepped again, once the reason
    /// is gone (a full disk): it goes on at the byte it had reached.
    ///
    /// # Errors
    ///
    /// Any [`ErrorKind`](crate::ErrorKind), with [`Error::moved`](crate::Error::moved) bytes delivered so far.
    pub fn step(&mut self) -> Result<Step> {
        checks::steppable(&self.source, &self.request)?;
        self.begin()?.step()
    }

    /// What has happened so far; `None` before the first step has begun to move.
    pub fn report(&self) -> Option<Report> {
        self.engine.as_ref().map(|engine| engine.report(&self.source, &self.sink, &self.request))
    }

    /// Bytes that were taken out of a stream source and could not be delivered: hands them over and forgets them.
    ///
    /// Empty for files, which still have their bytes. Call it after an error if the transfer will not be stepped again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Os`](crate::ErrorKind::Os) if the pipe they are in cannot be read.
    pub fn take_undelivered(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if self.engine.is_some() {
            let mut running = self.begin()?;
            running.pause()?;
            bytes = running.engine.take_pending()?;
        }
        bytes.append(&mut self.taken_before);
        Ok(bytes)
    }

    /// Checks the request and gets ready to move, once.
    fn begin(&mut self) -> Result<Running<'_, 'fd>> {
        if let Some(engine) = &self.engine {
            engine.process.check()?;
        } else {
            let ready = self.make_ready();
            if let Err(error) = ready {
                self.engine = None;
                return Err(error.after(self.begun.moved));
            }
        }
        let engine = self.engine.as_mut().expect("made above");
        Ok(Running { source: &self.source, sink: &mut self.sink, request: &self.request, engine })
    }

    /// Makes the engine where it is kept: for a few kilobytes it matters how often it is moved.
    #[inline]
    fn make_ready(&mut self) -> Result<()> {
        let is_held = self.source.is_held() || self.sink.is_held();
        let _held = if is_held { running::enter(&self.source, &self.sink)? } else { None };
        checks::check(&self.source, &self.sink, &self.request)?;
        if self.request.mechanism.is_none() && plan::would_share(self.source.known(), self.sink.known()) {
            self.sink.learn_to_share();
        }
        self.sink.can_be_emptied()?;
        let engine = self.engine.insert(Engine::new(&self.source, &self.sink, &self.request, is_held)?);
        // Nothing refuses it, and it may have to wait for its first byte inside a call.
        if self.request.mechanism.is_none() && self.sink.is_without_name() && self.source.sleeps() {
            self.sink.settle(0..0)?;
        }
        engine.progress.is_unsettled = self.sink.will_be_emptied();
        engine.resume(&self.begun);
        if !self.taken_before.is_empty() {
            engine.carry(&mut self.taken_before);
        }
        Ok(())
    }

    fn moved(&self) -> u64 {
        self.engine.as_ref().map_or(0, Engine::moved)
    }

    /// The descriptor of an end that a step was [`Step::Blocked`] on, to wait for it in an event loop.
    ///
    /// # Panics
    ///
    /// If that end is memory, which never blocks.
    pub fn descriptor(&self, side: Side) -> BorrowedFd<'_> {
        self.end(side).fd()
    }

    fn end(&self, side: Side) -> &Endpoint<'fd> {
        match side {
            Side::Source => &self.source,
            Side::Sink => &self.sink,
        }
    }
}

impl fmt::Debug for Transfer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer")
            .field("source", &self.source)
            .field("sink", &self.sink)
            .field("request", &self.request)
            .field("moved", &self.moved())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
