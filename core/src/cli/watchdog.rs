//! How long the command waits: until a signal comes, or for as long as `--timeout` allows without a byte that moves.

use std::cell::Cell;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::failure::Failure;
use super::interruption::{self, LOOK_EVERY, interrupted};
use super::progress::Progress;

/// Looks at every wait of a command, and shows its progress.
pub(super) struct Watchdog<'a> {
    pub progress: &'a Progress,
    limit: Option<Duration>,
    moved: Cell<u64>,
    since: Cell<Instant>,
}

impl<'a> Watchdog<'a> {
    pub fn new(progress: &'a Progress, limit: Option<Duration>) -> Self {
        Self { progress, limit, moved: Cell::new(0), since: Cell::new(Instant::now()) }
    }

    /// For the core's watchers, with the bytes moved in all: stops for a signal or after the time-out.
    pub fn look(&self, moved: u64) -> ControlFlow<()> {
        if moved != self.moved.replace(moved) {
            self.since.set(Instant::now());
        }
        let stopped = self.progress.watch(moved);
        if self.is_over() { ControlFlow::Break(()) } else { stopped }
    }

    /// The same for a wait in which no byte moves, as an error.
    pub fn check(&self, operation: &str) -> io::Result<()> {
        if interruption::pending().is_some() {
            return Err(interrupted(operation));
        }
        if self.is_over() { Err(self.timed_out(operation).into()) } else { Ok(()) }
    }

    /// Something has happened that counts as progress: the other side has come.
    pub fn restart(&self) {
        self.since.set(Instant::now());
    }

    pub fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.since.get().elapsed() >= limit)
    }

    pub fn timed_out(&self, operation: &str) -> Failure {
        let limit = self.limit.unwrap_or_default();
        Failure::new(operation, format!("timed out: nothing moved for {limit:?}")).after(self.moved.get())
    }

    /// Waits until poll(2) finds one of these events, or an error, at the descriptor.
    pub fn wait(&self, operation: &str, fd: BorrowedFd<'_>, events: PollFlags) -> io::Result<PollFlags> {
        loop {
            self.check(operation)?;
            let mut polled = [PollFd::new(fd, events)];
            // Whatever it answers, the next look says more.
            let _ = poll(&mut polled, PollTimeout::try_from(LOOK_EVERY).expect("a tenth of a second"));
            match polled[0].revents() {
                Some(found) if !found.is_empty() => return Ok(found),
                _ => {
                    let _ = self.progress.watch(self.moved.get());
                }
            }
        }
    }
}
