//! One direction of a relay: takes from its source, delivers to its sink, passes the end on.

use nix::errno::Errno;

use super::{DirectionReport, Outcome};
use crate::delivery::{Delivery, may_be_copied};
use crate::endpoint::{Endpoint, Kind};
use crate::error::{Error, ErrorKind};
use crate::intake::{BULK, Intake, Taken};
use crate::lane::Lane;
use crate::mechanism::Mechanism;
use crate::step::Side;
use crate::sys::SyscallCounter;

#[derive(Debug)]
pub(super) struct Flow {
    pub lane: Lane,
    pub intake: Intake,
    outcome: Outcome,
    /// It has failed and the caller does not know yet.
    unreported: bool,
    /// It is likely that more can be moved without waiting.
    eager: bool,
    /// poll(2) has just said that nothing can be moved.
    skip: bool,
    /// What the source's connection died of, when the other direction was told (see [`Flow::sink_broke`]).
    broken: Option<Errno>,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            lane: Lane::default(),
            intake: Intake::default(),
            outcome: Outcome::Open,
            unreported: false,
            eager: true,
            skip: false,
            broken: None,
        }
    }
}

/// What a direction did in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Delivered that many bytes, or something else that is worth another step.
    Moved(u64),
    /// Waits for that end.
    Blocked(Side),
    /// Was not tried, because poll(2) had just said that this end is not ready.
    Skipped(Side),
    /// Is over.
    Over,
}

impl Progress {
    pub fn is_moved(self) -> bool {
        matches!(self, Self::Moved(_))
    }

    pub fn is_skipped(self) -> bool {
        matches!(self, Self::Skipped(_))
    }

    pub fn bytes(self) -> u64 {
        if let Self::Moved(count) = self { count } else { 0 }
    }

    pub fn blocked(self) -> Option<Side> {
        match self {
            Self::Blocked(side) | Self::Skipped(side) => Some(side),
            Self::Moved(_) | Self::Over => None,
        }
    }
}

impl Flow {
    /// The end it needs to be ready next, while it is open.
    pub fn needs(&self) -> Option<Side> {
        match self.outcome {
            Outcome::Open if self.lane.pending() > 0 => Some(Side::Sink),
            Outcome::Open => Some(Side::Source),
            Outcome::Ended | Outcome::Failed(_) => None,
        }
    }

    /// Whether another step at once is better than a wait.
    pub fn is_eager(&self) -> bool {
        self.unreported || (self.eager && matches!(self.outcome, Outcome::Open))
    }

    pub fn is_untold(&self) -> bool {
        self.unreported
    }

    /// The failure, the first time it is asked for.
    pub fn tell(&mut self) -> Option<Error> {
        match &self.outcome {
            Outcome::Failed(error) if std::mem::take(&mut self.unreported) => Some(error.clone()),
            _ => None,
        }
    }

    pub fn skip_once(&mut self, skip: bool) {
        self.skip = skip;
    }

    /// What the sink's connection died of, if this direction has just learnt it from a delivery: a socket tells that once,
    /// and the other direction would then read an end that nobody sent.
    ///
    /// EPIPE tells nothing of the kind: there the peer's end was an orderly one, or the other direction knows already.
    pub fn sink_broke(&self) -> Option<Errno> {
        match &self.outcome {
            Outcome::Failed(error) if self.lane.pending() > 0 => error.errno().map(Errno::from_raw),
            _ => None,
        }
        .filter(|&errno| errno != Errno::EPIPE)
    }

    /// An end that this direction reads from now on is not its sender's.
    pub fn source_broke(&mut self, errno: Errno) {
        self.broken = Some(errno);
    }

    /// Takes if nothing is held, delivers once.
    pub fn advance(&mut self, source: &Endpoint<'_>, sink: &Endpoint<'_>, calls: &mut SyscallCounter) -> Progress {
        let Some(needs) = self.needs() else { return Progress::Over };
        if std::mem::take(&mut self.skip) {
            return Progress::Skipped(needs);
        }
        self.advance_held(source, sink, calls).unwrap_or_else(|error| {
            self.outcome = Outcome::Failed(error.after(self.lane.delivered));
            self.unreported = true;
            Progress::Over
        })
    }

    /// Advances while both ends are held; a direction that is over is asked for its ends once more.
    fn advance_held(
        &mut self,
        source: &Endpoint<'_>,
        sink: &Endpoint<'_>,
        calls: &mut SyscallCounter,
    ) -> Result<Progress, Error> {
        let held = (source.enter()?, sink.enter()?);
        let progress = self.try_advance(source, sink, calls)?;
        drop(held);
        if matches!(self.outcome, Outcome::Ended) {
            source.check(calls)?;
            sink.check(calls)?;
        }
        Ok(progress)
    }

    fn try_advance(
        &mut self,
        source: &Endpoint<'_>,
        sink: &Endpoint<'_>,
        calls: &mut SyscallCounter,
    ) -> Result<Progress, Error> {
        if self.lane.pending() == 0 {
            match self.take(source, calls)? {
                Taken::Bytes(0) => return Ok(Progress::Moved(0)),
                Taken::Bytes(count) => self.eager = count >= BULK,
                Taken::Blocked => return Ok(Progress::Blocked(Side::Source)),
                Taken::Ended => return self.pass_on(source, sink, calls),
            }
        }
        match self.lane.deliver(sink, None, calls)? {
            Delivery::Moved(count) => {
                self.eager &= self.lane.pending() == 0;
                Ok(Progress::Moved(count as u64))
            }
            Delivery::Blocked => Ok(Progress::Blocked(Side::Sink)),
        }
    }

    fn take(&mut self, source: &Endpoint<'_>, calls: &mut SyscallCounter) -> Result<Taken, Error> {
        while self.lane.mechanism() == Mechanism::Splice {
            match self.intake.fill(self.lane.pipe(), source, None, u64::MAX, calls) {
                Err(error) if may_be_copied(&error) => self.lane.fall_back(calls, &error)?,
                taken => return taken,
            }
        }
        self.intake.read(self.lane.empty_buffer(), source, None, u64::MAX, calls)
    }

    /// The source has ended and everything is delivered.
    fn pass_on(
        &mut self,
        source: &Endpoint<'_>,
        sink: &Endpoint<'_>,
        calls: &mut SyscallCounter,
    ) -> Result<Progress, Error> {
        if let (Some(errno), Kind::Tcp) = (self.broken, source.facts().kind) {
            return Err(Error::os("splice", errno));
        }
        match calls.end_writing(sink.fd()) {
            Ok(()) => {
                self.outcome = Outcome::Ended;
                Ok(Progress::Moved(0))
            }
            // The connection was reset after it had taken the last byte: whether it arrived, nobody knows.
            Err(errno @ Errno::ENOTCONN) => {
                let error = Error::new(ErrorKind::PeerClosed, "the receiver went away before the end of the stream");
                Err(error.during("shutdown").with_errno(errno))
            }
            Err(errno) => Err(Error::os("shutdown", errno)),
        }
    }

    pub fn report(&self) -> DirectionReport {
        DirectionReport {
            bytes: self.lane.delivered,
            undelivered: self.lane.pending() as u64,
            mechanism: self.lane.mechanism(),
            attempts: self.lane.attempts.clone(),
            outcome: self.outcome.clone(),
        }
    }
}
