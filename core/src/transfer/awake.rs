//! A transfer that is stepped by a thread which serves others, and so must never sleep in a step.

use super::Transfer;
use super::pace::Pace;
use crate::checks;
use crate::error::{Error, Result};
use crate::step::Side;
use crate::sys::SyscallCounter;

/// What one step moves unless the caller has said otherwise.
const PIECE: u64 = 1 << 20;

impl Transfer<'_> {
    /// Begins, or goes on, with ends that do not sleep. To be undone by [`Self::stop_awake`], also after an error.
    pub(crate) fn start_awake(&mut self) -> Result<()> {
        checks::steppable(&self.source, &self.request)?;
        self.request.piece.get_or_insert(PIECE);
        self.begin()?;
        let mut calls = SyscallCounter::default();
        for end in [&mut self.source, &mut self.sink] {
            end.stay_awake(&mut calls).map_err(|errno| Error::os("fcntl", errno))?;
        }
        if !self.sink.open_again_awake(&mut calls) {
            self.begin()?.engine.pace = Pace::one_byte();
        }
        Ok(())
    }

    /// The end in whose system call the next step would sleep: a terminal in blocking mode that is not ready.
    pub(crate) fn would_sleep(&mut self) -> Result<Option<Side>> {
        Ok(self.begin()?.would_sleep())
    }

    /// Whoever stepped it stops here: everything is counted, and the ends are in the mode again that they were in.
    pub(crate) fn stop_awake(&mut self) {
        if self.engine.is_some() {
            // What could not be settled has been told, or will be by the next step.
            let _ = self.begin().and_then(|mut running| running.pause());
        }
        let mut calls = SyscallCounter::default();
        self.source.block(&mut calls);
        self.sink.block(&mut calls);
    }
}
