//! The one loop behind every blocking run: steps, waits in poll(2) where a step can go no further, and calls the watcher often
//! enough that nobody notices the wait.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use nix::poll::PollTimeout;

use crate::error::{Error, ErrorKind, Result};
use crate::waiting::{InVain, Waited};

/// How often a watcher is called while bytes move or an end is waited for. A wait of this length may begin just before a
/// call is due, and 100 ms are promised.
pub(crate) const WATCH_EVERY: Duration = Duration::from_millis(50);
/// … and the longest wait in poll(2) with a watcher.
pub(crate) const WATCH_WAIT: u8 = 50;
/// … and after how many bytes.
const WATCH_BYTES: u64 = 64 << 20;

/// What a step did, as far as the loop is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stepped {
    /// It is over.
    Done,
    /// Another step at once is better than a wait.
    Moved,
    /// Nothing more can be done without a wait.
    Blocked,
}

/// An operation that moves what it can in a step, and knows what it waits for.
pub(crate) trait Steps {
    /// Moves what can be moved now. With a watcher it must not sleep in a system call, where no watcher can be called.
    fn advance(&mut self, watched: bool) -> Result<Stepped>;

    /// Waits in poll(2) for what the last step was blocked on, and so long at most.
    fn wait(&mut self, timeout: PollTimeout) -> Result<Waited>;

    /// Bytes delivered so far.
    fn moved(&self) -> u64;

    /// Whether the last step delivered less than it had: how most signals show themselves at an end in blocking mode.
    fn was_cut_short(&self) -> bool {
        false
    }

    /// The caller stops it here: what is still at work is counted.
    fn stop(&mut self, error: Error) -> Error {
        error.after(self.moved())
    }
}

/// Who is told how far an operation has come, and may stop it.
pub(crate) type Watch<'a, S> = &'a mut dyn FnMut(&S) -> ControlFlow<()>;

/// Runs to the end. `watch` is called at least every 100 ms or 64 MiB, and whenever a signal interrupted something.
#[inline]
pub(crate) fn drive<S: Steps>(work: &mut S, mut watch: Option<Watch<'_, S>>) -> Result<()> {
    // A clock is read for who watches only.
    let mut told = watch.is_some().then(|| Told::of(0));
    let timeout = if watch.is_some() { PollTimeout::from(WATCH_WAIT) } else { PollTimeout::NONE };
    let (mut in_vain, mut waited, mut before) = (InVain::default(), Waited::Nothing, work.moved());
    loop {
        let step = work.advance(watch.is_some())?;
        if step == Stepped::Done {
            return Ok(());
        }
        let moved = work.moved();
        in_vain.note(waited != Waited::Ready || step == Stepped::Moved || moved > before);
        before = moved;
        waited = if step == Stepped::Blocked { work.wait(timeout)? } else { Waited::Nothing };
        let (Some(watch), Some(told)) = (&mut watch, &mut told) else { continue };
        if waited == Waited::Signal || work.was_cut_short() || told.is_due(moved) {
            if watch(work).is_break() {
                return Err(work.stop(Error::new(ErrorKind::Cancelled, "stopped by the caller")));
            }
            *told = Told::of(moved);
        }
    }
}

/// When a watcher was called last, and with how many bytes.
#[derive(Debug)]
pub(crate) struct Told {
    at: Instant,
    moved: u64,
}

impl Told {
    pub fn of(moved: u64) -> Self {
        Self { at: Instant::now(), moved }
    }

    pub fn is_due(&self, moved: u64) -> bool {
        // A sink that was dropped takes its bytes out of a fan-out's count.
        moved.abs_diff(self.moved) >= WATCH_BYTES || self.at.elapsed() >= WATCH_EVERY
    }
}
