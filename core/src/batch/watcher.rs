//! Who may stop a batch, asked often enough that nobody notices the wait.

use std::ops::ControlFlow;
use std::time::Duration;

use nix::poll::PollTimeout;

use crate::drive::{WATCH_EVERY, WATCH_WAIT};
use crate::sys::clock;
use crate::sys::fork::Process;

/// How far a batch has come.
///
/// ```
/// use std::ops::ControlFlow;
/// use zcio::{Batch, BatchProgress, Item};
///
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, b"a few bytes")?;
/// let watch = |progress: BatchProgress| {
///     println!("{} bytes, {} items", progress.bytes, progress.items);
///     ControlFlow::Continue(())
/// };
/// Batch::new().run_watched(&[Item::new(from.as_path(), to.as_path())], watch);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchProgress {
    /// Items that are over, well or badly.
    pub items: usize,
    /// Bytes delivered.
    pub bytes: u64,
}

pub(crate) type Watch<'a> = &'a mut (dyn FnMut(BatchProgress) -> ControlFlow<()> + 'a);

/// A caller's watcher, if there is one, and what it said.
pub(crate) struct Watcher<'a> {
    watch: Option<Watch<'a>>,
    /// By a clock that is looked at for each read or item.
    last: Duration,
    stopped: bool,
    /// Who asks: where the watcher makes a child by fork(2), and returns in it, the batch goes on in the parent alone.
    process: Process,
}

impl<'a> Watcher<'a> {
    pub fn new(watch: Option<Watch<'a>>) -> Self {
        Self { watch, last: clock::coarse(), stopped: false, process: Process::this() }
    }

    /// Whether the batch is to stop. Once said, it stays said.
    pub fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// Asks if it is time to.
    pub fn ask_if_due(&mut self, progress: BatchProgress) -> bool {
        let due = self.watch.is_some() && clock::coarse().saturating_sub(self.last) >= WATCH_EVERY;
        if due { self.ask(progress) } else { self.stopped }
    }

    /// Asks now.
    pub fn ask(&mut self, progress: BatchProgress) -> bool {
        self.last = clock::coarse();
        if let Some(watch) = &mut self.watch {
            self.stopped = self.stopped || watch(progress).is_break() || !self.process.is_this();
        }
        self.stopped
    }

    /// How long poll(2) may wait before it is asked again.
    pub fn timeout(&self) -> PollTimeout {
        if self.watch.is_some() { PollTimeout::from(WATCH_WAIT) } else { PollTimeout::NONE }
    }

    /// Whether there is anybody to ask.
    pub fn is_there(&self) -> bool {
        self.watch.is_some()
    }
}
