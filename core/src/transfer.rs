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
pub(crate) mod checks;
mod engine;
mod pace;
mod small;

use std::fmt;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFlags, PollTimeout};

use crate::cache::CachePolicy;
use crate::endpoint::{Endpoint, Kind};
use crate::error::{Error, ErrorKind, Result};
use crate::mechanism::Mechanism;
use crate::plan;
use crate::report::Report;
use crate::step::{Readiness, Side, Step, Visibility};
use crate::sys::Calls;
use crate::waiting::InVain;
use engine::{Engine, Running};
use pace::Pace;
pub use small::{Attempted, Begun};

/// How often a watcher is called while bytes move or an end is waited for. A wait of this length may begin just before a
/// call is due, and 100 ms are promised.
pub(crate) const WATCH_EVERY: Duration = Duration::from_millis(50);
/// … and the longest wait in poll(2) with a watcher.
pub(crate) const WATCH_WAIT: u8 = 50;
/// … and after how many bytes.
pub(crate) const WATCH_BYTES: u64 = 64 << 20;

type Watch<'a> = &'a mut dyn FnMut(u64) -> ControlFlow<()>;

/// A transfer, to be described with the builder methods and then run or stepped. See the module's introduction.
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

/// What the caller asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Request {
    pub offset: Option<u64>,
    pub sink_offset: Option<u64>,
    pub count: Option<u64>,
    pub mechanism: Option<Mechanism>,
    pub visibility: Visibility,
    pub cache: CachePolicy,
    /// The most that one step may move.
    pub piece: Option<u64>,
}

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

    /// Writes from this byte of the sink file on and leaves its own position alone. Without it bytes go to the position,
    /// or to the end of a file opened to append.
    #[must_use]
    pub fn sink_offset(mut self, offset: u64) -> Self {
        self.request.sink_offset = Some(offset);
        self
    }

    /// Moves at most this many bytes. A source that ends before is no error: see [`Report::is_short`].
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
        if !self.source.facts().kind.has_offsets() {
            self.taken_before = bytes;
        }
        self
    }

    /// Moves at most this many bytes in one step (a clone, which takes the same time for any length, excepted): for an
    /// event loop with others to serve. Without it a step stops after 16 MiB where an end is a stream, 64 MiB between files.
    #[must_use]
    pub fn step_size(mut self, bytes: u64) -> Self {
        self.request.piece = Some(bytes.clamp(1, engine::FILE_STEP));
        self
    }

    /// Moves what can be moved now. The first call checks the request; nothing is written before every check has passed.
    ///
    /// Waits only for an end that is in blocking mode; [`Step`] shows the loop around it. After an error the transfer may be stepped again, once the reason
    /// is gone (a full disk): it goes on at the byte it had reached.
    ///
    /// # Errors
    ///
    /// Any [`ErrorKind`], with [`Error::moved`] bytes delivered so far.
    pub fn step(&mut self) -> Result<Step> {
        checks::steppable(&self.source, &self.request)?;
        self.begin()?.step()
    }

    /// Runs to the end, waiting for its ends as needed, blocking or not.
    ///
    /// # Errors
    ///
    /// As [`Transfer::step`].
    pub fn run(&mut self) -> Result<Report> {
        self.drive(None)
    }

    /// Runs to the end and calls `watch` with the bytes delivered so far: at least every 100 ms or 64 MiB while it moves
    /// or waits, and whenever a signal interrupted it. [`ControlFlow::Break`] stops it with [`ErrorKind::Cancelled`].
    ///
    /// A system call that waits for an end in blocking mode returns only when that end moves or a signal comes.
    ///
    /// # Errors
    ///
    /// As [`Transfer::step`].
    pub fn run_watched(&mut self, mut watch: impl FnMut(u64) -> ControlFlow<()>) -> Result<Report> {
        self.drive(Some(&mut watch))
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
    /// [`ErrorKind::Os`] if the pipe they are in cannot be read.
    pub fn take_undelivered(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if self.engine.is_some() {
            let mut running = self.begin()?;
            running.pause()?;
            bytes = running.engine.surrender()?;
        }
        bytes.append(&mut self.taken_before);
        Ok(bytes)
    }

    /// Checks the request and gets ready to move, once.
    fn begin(&mut self) -> Result<Running<'_, 'fd>> {
        let engine = match &mut self.engine {
            Some(engine) => {
                engine.process.check()?;
                engine
            }
            none => {
                let is_held = self.source.is_held() || self.sink.is_held();
                let _held = if is_held { engine::enter(&self.source, &self.sink)? } else { None };
                checks::check(&self.source, &self.sink, &self.request)?;
                if self.request.mechanism.is_none() && plan::would_share(self.source.facts(), self.sink.facts()) {
                    self.sink.learn_to_share();
                }
                *none = Some(Engine::new(&self.source, &self.sink, &self.request, is_held)?);
                if let Err(error) = self.sink.empty() {
                    *none = None;
                    return Err(error);
                }
                let engine = none.as_mut().expect("made above");
                engine.resume(self.begun);
                if !self.taken_before.is_empty() {
                    engine.carry(&mut self.taken_before);
                }
                engine
            }
        };
        Ok(Running { source: &self.source, sink: &self.sink, request: &self.request, engine })
    }

    fn drive(&mut self, watch: Option<Watch<'_>>) -> Result<Report> {
        /// However the run ends, by a panic of the watcher too: nothing that was borrowed is still being read.
        struct Run<'a, 'fd>(&'a mut Transfer<'fd>);
        impl Drop for Run<'_, '_> {
            fn drop(&mut self) {
                if self.0.engine.is_some() {
                    // What could not be settled has been told, or will be by the next step.
                    let _ = self.0.begin().and_then(|mut running| running.pause());
                }
            }
        }
        let run = Run(self);
        let result = run.0.drive_to_the_end(watch);
        if result.is_ok() {
            // Over: nothing is outstanding.
            std::mem::forget(run);
        }
        result
    }

    fn drive_to_the_end(&mut self, mut watch: Option<Watch<'_>>) -> Result<Report> {
        // A clock is read for who watches only.
        let mut watched = (watch.is_some().then(Instant::now), 0);
        let (mut in_vain, mut before) = (InVain::default(), self.moved());
        if watch.is_some() && sleeps(&self.sink) {
            self.begin()?;
            let awake = self.sink.open_again_awake(&mut Calls::default());
            self.begin()?.engine.pace = if awake { Pace::watched() } else { Pace::one_byte() };
        }
        loop {
            if let Some(watch) = &mut watch {
                self.wait_where_a_step_could_sleep(watch)?;
            }
            let began = watch.is_some().then(Instant::now);
            let mut running = self.begin()?;
            let mut step = running.step()?;
            while watch.is_none() && matches!(step, Step::Moved(1..)) {
                step = running.step()?;
            }
            if step == Step::Done {
                return Ok(running.report());
            }
            if let (Some(began), true) = (began, sleeps(&self.sink)) {
                self.begin()?.engine.pace.learn(began.elapsed());
            }
            let moved = self.moved();
            match step {
                Step::Blocked(side) => self.wait(side, watch.as_mut())?,
                Step::Completing => self.wait_for(Side::Sink, PollFlags::empty(), watch.as_mut())?,
                Step::Moved(_) | Step::Done => {}
            }
            // Blocked after steps that moved something is not in vain.
            in_vain.note(matches!(step, Step::Moved(_)) || moved > before);
            before = moved;
            let Some(watch) = &mut watch else { continue };
            // A count cut short by a blocking end is how most signals show themselves.
            let signal = self.begin()?.engine.cut_short();
            let late = watched.0.is_some_and(|at| at.elapsed() >= WATCH_EVERY);
            if signal || moved - watched.1 >= WATCH_BYTES || late {
                if watch(moved).is_break() {
                    return Err(self.cancelled());
                }
                watched = (Some(Instant::now()), moved);
            }
        }
    }

    /// With a watcher, waits for an end in blocking mode here, in poll(2), rather than in the step, where no watcher can
    /// be called.
    fn wait_where_a_step_could_sleep(&mut self, watch: &mut Watch<'_>) -> Result<()> {
        let needs = self.begin()?.needs();
        match needs {
            Some(Side::Source) if sleeps(&self.source) => self.wait(Side::Source, Some(watch)),
            Some(Side::Sink) if sleeps(&self.sink) => self.wait(Side::Sink, Some(watch)),
            _ => Ok(()),
        }
    }

    /// Waits in poll(2) until that end is ready.
    fn wait(&mut self, side: Side, watch: Option<&mut Watch<'_>>) -> Result<()> {
        let events = match side.readiness() {
            Readiness::Readable => PollFlags::POLLIN,
            Readiness::Writable => PollFlags::POLLOUT,
        };
        self.wait_for(side, events, watch)
    }

    fn wait_for(&mut self, side: Side, events: PollFlags, mut watch: Option<&mut Watch<'_>>) -> Result<()> {
        let timeout = if watch.is_some() { PollTimeout::from(WATCH_WAIT) } else { PollTimeout::NONE };
        loop {
            let end = if side == Side::Source { &self.source } else { &self.sink };
            // Only the end that is waited for: the other one may be closed meanwhile, and nothing has to wait for the wait.
            let held = match end.enter() {
                Ok(held) => held,
                Err(lost) => return Err(self.stopped(lost)),
            };
            let engine = self.engine.as_mut().expect("only a transfer that has begun waits");
            let waited = engine.wait(descriptor(end), events, timeout);
            let listens = waited == Ok(false) && engine.is_listening(end);
            drop(held);
            match waited {
                Ok(true) => return Ok(()),
                Ok(false) if listens => {
                    let error = Error::new(ErrorKind::NotConnected, "the socket listens: accept a connection first");
                    return Err(error.during("poll").with_errno(Errno::ENOTCONN));
                }
                Ok(false) => {
                    let moved = self.moved();
                    if watch.as_mut().is_some_and(|watch| watch(moved).is_break()) {
                        return Err(self.cancelled());
                    }
                }
                Err(errno) => return Err(Error::os("poll", errno).after(self.moved())),
            }
        }
    }

    fn cancelled(&mut self) -> Error {
        self.stopped(Error::new(ErrorKind::Cancelled, "stopped by the caller"))
    }

    /// An error between two steps, after what is still at work has been counted.
    fn stopped(&mut self, error: Error) -> Error {
        let paused = self.begin().and_then(|mut running| running.pause());
        paused.err().unwrap_or(error).after(self.moved())
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
        match side {
            Side::Source => descriptor(&self.source),
            Side::Sink => descriptor(&self.sink),
        }
    }
}

/// Whether a system call on that end may sleep until its peer does something.
fn sleeps(end: &Endpoint<'_>) -> bool {
    (end.facts().kind.is_stream() || end.facts().kind == Kind::CharDevice) && !end.facts().nonblocking
}

/// The descriptor of an end that has one.
fn descriptor<'a>(end: &'a Endpoint<'_>) -> BorrowedFd<'a> {
    end.descriptor().expect("memory has no descriptor and is never waited for")
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
