//! Two stream sockets joined: what comes out of one goes into the other, in both directions at once.
//!
//! Each direction has a pipe of its own and moves pages by splice(2), or bytes by read(2) and write(2) where splice is
//! refused. The end of one side is passed on when everything before it has been delivered (`SHUT_WR` at the other side),
//! and the other direction goes on: a half-close stays a half-close.
//!
//! One thread serves both directions, so it must never sleep in one of them: a peer that reads only after it has been
//! read from would never be served. A socket in blocking mode makes splice(2) sleep whatever its flags say, so a relay
//! switches `O_NONBLOCK` on at its first step and back when it is dropped (see [`crate::NonBlockingGuard`]). There is no timeout in it:
//! the caller's loop, or the watcher of [`Relay::run_watched`], sees the counts and knows its own clock.

mod flow;
mod report;

use std::fmt;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollTimeout};

use crate::drive::{Stepped, Steps, drive};
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::step::{Readiness, Side};
use crate::sys::SyscallCounter;
use crate::sys::fork::Process;
use crate::waiting::{Waited, events, wait_for_any};
use flow::{Flow, Progress};
pub use report::{DirectionReport, Outcome, RelayReport};

/// One of the two directions of a relay.
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use zcio::{Direction, Endpoint, Relay};
///
/// let ((_a, first), (second, _b)) = (UnixStream::pair()?, UnixStream::pair()?);
/// // What a reader of the first socket had taken out of it already goes first.
/// let relay = Relay::new(Endpoint::new(&first)?, Endpoint::new(&second)?).taken_before(Direction::Forward, b"GET /".to_vec());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the first socket to the second.
    Forward,
    /// From the second socket to the first.
    Backward,
}

impl Direction {
    /// Both, in the order they are served.
    pub const BOTH: [Self; 2] = [Self::Forward, Self::Backward];
}

/// What one step did.
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use zcio::{Endpoint, Relay, RelayStep};
///
/// let ((a, first), (second, b)) = (UnixStream::pair()?, UnixStream::pair()?);
/// drop((a, b));
/// let mut relay = Relay::new(Endpoint::new(&first)?, Endpoint::new(&second)?);
/// loop {
///     match relay.step()? {
///         RelayStep::Done => break,
///         RelayStep::Moved { forward, backward } => println!("{forward} bytes there, {backward} back"),
///         RelayStep::Blocked { .. } => { /* wait for one of `relay.interests()` */ }
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayStep {
    /// Both directions are over.
    Done,
    /// Delivered that many bytes in each direction; call again. Both 0 means that a signal came first, that a mechanism
    /// was changed, or that an end was passed on.
    Moved {
        /// Bytes the second socket took.
        forward: u64,
        /// Bytes the first socket took.
        backward: u64,
    },
    /// Nothing can be moved until one of these ends is ready (see [`Side::readiness`] and [`Relay::descriptor`]); `None`
    /// for a direction that is over. A direction waits for one end at a time.
    Blocked {
        /// What the way from the first socket to the second waits for.
        forward: Option<Side>,
        /// What the way back waits for.
        backward: Option<Side>,
    },
}

/// Two sockets to be joined. See the module's introduction.
///
/// ```
/// use std::{io::{Read, Write}, net::Shutdown, os::{fd::AsFd, unix::net::UnixStream}};
/// use zcio::{Endpoint, Relay};
///
/// let (mut client, left) = UnixStream::pair()?;
/// let (right, mut server) = UnixStream::pair()?;
/// client.write_all(b"question")?;
/// client.shutdown(Shutdown::Write)?;
/// server.write_all(b"answer")?;
/// server.shutdown(Shutdown::Write)?;
/// let report = Relay::new(Endpoint::new(left.as_fd())?, Endpoint::new(right.as_fd())?).run()?;
/// assert_eq!((report.forward.bytes, report.backward.bytes), (8, 6));
/// # let mut text = String::new();
/// # server.read_to_string(&mut text)?;
/// # client.read_to_string(&mut text)?;
/// # assert_eq!(text, "questionanswer");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Relay<'fd> {
    ends: [Endpoint<'fd>; 2],
    flows: [Flow; 2],
    calls: SyscallCounter,
    waits: u64,
    /// When, and by whom: a child of fork(2) shares its pipes.
    began: Option<(Instant, Process)>,
    elapsed: Duration,
}

impl<'fd> Relay<'fd> {
    /// Joins two connected stream sockets, TCP or `AF_UNIX`, in any mix.
    pub fn new(first: Endpoint<'fd>, second: Endpoint<'fd>) -> Self {
        Self {
            ends: [first, second],
            flows: Default::default(),
            calls: SyscallCounter::default(),
            waits: 0,
            began: None,
            elapsed: Duration::ZERO,
        }
    }

    /// Bytes that the sender of this direction has sent and that somebody (a parser, a buffered reader) has taken out of its
    /// socket already: they are delivered first, and counted. Before the first step only.
    #[must_use]
    pub fn taken_before(mut self, direction: Direction, bytes: Vec<u8>) -> Self {
        self.flows[direction as usize].lane.preload(bytes);
        self
    }

    /// The sender of this direction has nothing more to give, whatever its socket still receives: somebody has shut the socket's
    /// input, which to a TCP socket of Linux's is no end. The end is passed on, after what was [taken before](Self::taken_before).
    /// Before the first step only.
    #[must_use]
    pub fn ended_before(mut self, direction: Direction) -> Self {
        self.flows[direction as usize].intake.end();
        self
    }

    /// Moves what can be moved now, in both directions. It never waits.
    ///
    /// A direction that fails is over; the other one goes on as long as its sender has something to give, and then the
    /// failure is told. Nothing is lost by that: after the error the relay may be stepped again, for as long as the other
    /// direction lives, and what could not be delivered is in [`Relay::take_undelivered`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Impossible`] if an end is no stream socket, [`ErrorKind::PeerClosed`] and others as the kernel says,
    /// each told once, with [`Error::moved`] bytes delivered in the direction that failed. [`Relay::report`] has both.
    pub fn step(&mut self) -> Result<RelayStep> {
        let began = self.begin()?;
        let forward = self.advance(Direction::Forward);
        let backward = self.advance(Direction::Backward);
        self.elapsed = began.elapsed();
        if forward.is_moved() || backward.is_moved() {
            return Ok(RelayStep::Moved { forward: forward.bytes(), backward: backward.bytes() });
        }
        // A failure is told when the other direction has no more to give for now.
        if self.flows.iter().any(Flow::is_untold) {
            if forward.is_skipped() || backward.is_skipped() {
                return Ok(RelayStep::Moved { forward: 0, backward: 0 });
            }
            let giving = [&forward, &backward].iter().any(|progress| progress.blocked() == Some(Side::Sink));
            if !giving && let Some(error) = self.flows.iter_mut().find_map(Flow::tell) {
                return Err(error);
            }
        }
        match (forward.blocked(), backward.blocked()) {
            (None, None) => Ok(RelayStep::Done),
            (forward, backward) => Ok(RelayStep::Blocked { forward, backward }),
        }
    }

    /// Runs until both directions are over, waiting as needed.
    ///
    /// # Errors
    ///
    /// As [`Relay::step`]. Called again after an error, it runs the direction that is left to its end.
    pub fn run(&mut self) -> Result<RelayReport> {
        drive(self, None)?;
        Ok(self.report())
    }

    /// Runs as [`Relay::run`] and calls `watch` with the bytes delivered so far, forward and backward: at least every
    /// 100 ms or 64 MiB, and whenever a signal interrupted a wait. [`ControlFlow::Break`] stops it with
    /// [`ErrorKind::Cancelled`].
    ///
    /// An idle timeout is a watcher that remembers when the counts last changed.
    ///
    /// # Errors
    ///
    /// As [`Relay::run`].
    pub fn run_watched(&mut self, mut watch: impl FnMut(u64, u64) -> ControlFlow<()>) -> Result<RelayReport> {
        drive(self, Some(&mut |relay| watch(relay.flows[0].lane.delivered, relay.flows[1].lane.delivered)))?;
        Ok(self.report())
    }

    /// What has happened so far.
    pub fn report(&self) -> RelayReport {
        let [forward, backward] = &self.flows;
        RelayReport {
            forward: forward.report(),
            backward: backward.report(),
            system_calls: self.calls.made,
            waits: self.waits,
            elapsed: self.elapsed,
        }
    }

    /// Bytes that were taken out of one socket and not yet delivered to the other: hands them over and forgets them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Os`] if the pipe they are in cannot be read.
    pub fn take_undelivered(&mut self, direction: Direction) -> Result<Vec<u8>> {
        if let Some((_, process)) = self.began {
            process.check()?;
        }
        self.flows[direction as usize].lane.take_pending(&mut self.calls)
    }

    /// The descriptor of one end of a direction, to wait for it in an event loop.
    pub fn descriptor(&self, direction: Direction, side: Side) -> BorrowedFd<'_> {
        self.ends[index(direction, side)].fd()
    }

    /// What an event loop must wait for now: each descriptor with what it must become, any of them is enough. The same
    /// descriptor can be in it twice.
    pub fn interests(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Readiness)> {
        Direction::BOTH.into_iter().filter_map(|direction| {
            let side = self.flows[direction as usize].needs()?;
            Some((self.descriptor(direction, side), side.readiness()))
        })
    }

    fn begin(&mut self) -> Result<Instant> {
        if let Some((began, process)) = self.began {
            process.check()?;
            return Ok(began);
        }
        let [first, second] = &self.ends;
        let _held = (first.enter()?, second.enter()?);
        for end in [first, second] {
            if !end.facts().kind.is_socket() {
                let message = format!("a relay joins two stream sockets, and one end is a {}", end.facts().kind.name());
                return Err(Error::new(ErrorKind::Impossible, message).at(end.path()));
            }
            end.kind_of_source()?;
        }
        if first.facts().identity == second.facts().identity {
            let message = "a relay joins two sockets, and was given the same one twice";
            return Err(Error::new(ErrorKind::InvalidInput, message).with_errno(Errno::EINVAL));
        }
        for end in &mut self.ends {
            end.unblock(&mut self.calls).map_err(|errno| Error::os("fcntl", errno))?;
        }
        let (began, _) = *self.began.insert((Instant::now(), Process::this()));
        Ok(began)
    }

    fn advance(&mut self, direction: Direction) -> Progress {
        let [source, sink] = [Side::Source, Side::Sink].map(|side| &self.ends[index(direction, side)]);
        let progress = self.flows[direction as usize].advance(source, sink, &mut self.calls);
        if let Some(errno) = self.flows[direction as usize].sink_broke() {
            // Told to this direction, the socket's error is forgotten: the other one would read an orderly end.
            let other = 1 - direction as usize;
            self.flows[other].source_broke(errno);
        }
        progress
    }
}

impl Steps for Relay<'_> {
    /// No end of a relay puts its thread to sleep, watched or not.
    fn advance(&mut self, _watched: bool) -> Result<Stepped> {
        Ok(match self.step()? {
            RelayStep::Done => Stepped::Done,
            RelayStep::Moved { .. } if self.flows.iter().any(Flow::is_eager) => Stepped::Moved,
            RelayStep::Moved { .. } | RelayStep::Blocked { .. } => Stepped::Blocked,
        })
    }

    /// Waits in poll(2) until one of the directions can go on, and lets the next step try only those that can.
    fn wait(&mut self, timeout: PollTimeout) -> Result<Waited> {
        let needs = self.flows.each_ref().map(Flow::needs);
        let waiting = Direction::BOTH.into_iter().zip(needs).filter_map(|(direction, need)| Some((direction, need?)));
        let waiting: Vec<_> = waiting.map(|(direction, side)| (&self.ends[index(direction, side)], side)).collect();
        // One that is lost is met by the next step.
        let held: Result<Vec<_>> = waiting.iter().map(|(end, _)| end.enter()).collect();
        let Ok(_held) = held else { return Ok(Waited::Nothing) };
        let mut polled: Vec<_> =
            waiting.iter().map(|(end, side)| PollFd::new(end.fd(), events(side.readiness()))).collect();
        if polled.is_empty() {
            return Ok(Waited::Nothing);
        }
        self.waits += 1;
        let waited = wait_for_any(&mut polled, timeout, &mut self.calls).map_err(|errno| Error::os("poll", errno))?;
        if waited == Waited::Signal {
            return Ok(waited);
        }
        let mut polled = polled.iter();
        for (flow, need) in self.flows.iter_mut().zip(needs) {
            let ready = need.is_none() || polled.next().and_then(PollFd::any).unwrap_or(true);
            flow.skip_once(!ready);
        }
        Ok(waited)
    }

    fn moved(&self) -> u64 {
        self.flows.iter().map(|flow| flow.lane.delivered).sum()
    }
}

/// Which of the two sockets a direction has at that side.
fn index(direction: Direction, side: Side) -> usize {
    usize::from((direction == Direction::Forward) != (side == Side::Source))
}

impl Drop for Relay<'_> {
    /// Sockets that were in blocking mode are again.
    fn drop(&mut self) {
        for end in &mut self.ends {
            end.block(&mut self.calls);
        }
    }
}

impl fmt::Debug for Relay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("ends", &self.ends).field("report", &self.report()).finish_non_exhaustive()
    }
}
