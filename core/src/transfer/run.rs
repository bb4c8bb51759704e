//! A transfer that runs to its end, waiting for its ends in poll(2) where they are non-blocking, or where somebody watches.

use std::ops::ControlFlow;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFlags, PollTimeout};

use super::Transfer;
use super::engine::Engine;
use super::pace::Pace;
use crate::drive::{Stepped, Steps, drive};
use crate::error::{Error, ErrorKind, Result};
use crate::report::Report;
use crate::step::{Side, Step};
use crate::sys::SyscallCounter;
use crate::waiting::{Waited, events};

impl Transfer<'_> {
    /// Runs to the end, waiting for its ends as needed, blocking or not.
    ///
    /// # Errors
    ///
    /// As [`Transfer::step`].
    pub fn run(&mut self) -> Result<Report> {
        let mut run = Run::of(self);
        // Most small ones are over before the loop that waits has begun, and there every instruction counts.
        let step = run.go()?;
        if step != Step::Done {
            if run.note(step) == Stepped::Blocked {
                run.wait(PollTimeout::NONE)?;
            }
            drive(&mut run, None)?;
        }
        Ok(run.over())
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
        let mut run = Run::of(self);
        run.prepare_to_be_watched()?;
        drive(&mut run, Some(&mut |run| watch(run.transfer.moved())))?;
        Ok(run.over())
    }
}

/// A transfer at work. However it ends, by a panic of the watcher too: nothing that was borrowed is still
/// being read afterwards.
struct Run<'a, 'fd> {
    transfer: &'a mut Transfer<'fd>,
    /// The end that is waited for, and what it must become.
    wants: (Side, PollFlags),
    /// Whether the last advance has made a step.
    stepped: bool,
}

impl<'a, 'fd> Run<'a, 'fd> {
    fn of(transfer: &'a mut Transfer<'fd>) -> Self {
        Self { transfer, wants: (Side::Source, PollFlags::empty()), stepped: true }
    }

    /// Nothing is outstanding.
    fn over(self) -> Report {
        let report = self.transfer.report().expect("a transfer that is over has begun");
        std::mem::forget(self);
        report
    }

    /// What holds the thread in a system call until it has taken everything is given less at a time, where it cannot be told not to.
    fn prepare_to_be_watched(&mut self) -> Result<()> {
        let running = self.transfer.begin()?;
        running.engine.progress.stays_awake = true;
        if running.engine.mover.may_sleep(running.source.known(), running.sink.known()) && running.sink.sleeps() {
            let awake = self.transfer.sink.open_again_awake(&mut SyscallCounter::default());
            self.transfer.begin()?.engine.pace = if awake { Pace::watched() } else { Pace::one_byte() };
        }
        Ok(())
    }

    /// As many steps as move something.
    #[inline]
    fn go(&mut self) -> Result<Step> {
        let mut running = self.transfer.begin()?;
        loop {
            match running.step()? {
                Step::Moved(1..) => {}
                step => return Ok(step),
            }
        }
    }

    /// What is to be done after that step.
    fn note(&mut self, step: Step) -> Stepped {
        match step {
            Step::Done => return Stepped::Done,
            Step::Moved(_) => return Stepped::Moved,
            Step::Blocked(side) => self.wants = (side, events(side.readiness())),
            Step::Completing => self.wants = (Side::Sink, PollFlags::empty()),
        }
        Stepped::Blocked
    }
}

impl Steps for Run<'_, '_> {
    fn advance(&mut self, watched: bool) -> Result<Stepped> {
        if !watched {
            let step = self.go()?;
            return Ok(self.note(step));
        }
        let mut running = self.transfer.begin()?;
        let asleep = running.would_sleep();
        self.stepped = asleep.is_none();
        if let Some(side) = asleep {
            return Ok(self.note(Step::Blocked(side)));
        }
        let began = Instant::now();
        let step = running.step()?;
        if running.sink.sleeps() {
            running.engine.pace.learn(began.elapsed());
        }
        Ok(self.note(step))
    }

    fn wait(&mut self, timeout: PollTimeout) -> Result<Waited> {
        let (side, events) = self.wants;
        let transfer = &mut *self.transfer;
        // Not by `end`: the engine is needed beside it.
        let end = if side == Side::Source { &transfer.source } else { &transfer.sink };
        // Only the end that is waited for: the other one may be closed meanwhile, and nothing has to wait for the wait.
        let held = match end.enter() {
            Ok(held) => held,
            Err(lost) => return Err(self.stop(lost)),
        };
        let engine = transfer.engine.as_mut().expect("only a transfer that has begun waits");
        let waited = engine.wait(end.fd(), events, timeout);
        let listens = waited.is_ok_and(|waited| waited != Waited::Ready) && engine.is_listening(end);
        drop(held);
        if listens {
            let error = Error::new(ErrorKind::NotConnected, "the socket listens: accept a connection first");
            return Err(error.during("poll").with_errno(Errno::ENOTCONN));
        }
        waited.map_err(|errno| Error::os("poll", errno).after(self.moved()))
    }

    fn moved(&self) -> u64 {
        self.transfer.moved()
    }

    fn was_cut_short(&self) -> bool {
        self.stepped && self.transfer.engine.as_ref().is_some_and(Engine::cut_short)
    }

    fn stop(&mut self, error: Error) -> Error {
        let paused = self.transfer.begin().and_then(|mut running| running.pause());
        paused.err().unwrap_or(error).after(self.moved())
    }
}

impl Drop for Run<'_, '_> {
    fn drop(&mut self) {
        if self.transfer.engine.is_some() {
            // What could not be settled has been told, or will be by the next step.
            let _ = self.transfer.begin().and_then(|mut running| running.pause());
        }
    }
}
