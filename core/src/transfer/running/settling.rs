//! What becomes of a sink that is a path, with the first byte: see [`crate::endpoint`]'s destinations.

use super::Running;
use crate::endpoint::FIRST;
use crate::error::{Error, Result};
use crate::mechanism::Mechanism;

impl Running<'_, '_> {
    /// The most that may be delivered before the sink is settled. A clone takes the old content away itself.
    pub(super) fn most_at_first(&self) -> u64 {
        if self.engine.progress.is_unsettled && self.engine.mechanism != Mechanism::Reflink { FIRST } else { u64::MAX }
    }

    /// Once something is delivered, or everything is over: takes the sink's old content away, or gives a new file its name.
    pub(super) fn settle(&mut self, over: bool) -> Result<()> {
        let delivered = self.engine.progress.delivered;
        if !self.engine.progress.is_unsettled || (delivered == 0 && !over) {
            return Ok(());
        }
        let start = self.engine.progress.sink_start.unwrap_or(0);
        let is_new = self.sink.is_without_name();
        let settled = self.sink.settle(start..start + delivered);
        match &settled {
            Ok(()) => self.engine.progress.is_unsettled = false,
            Err(_) if is_new => self.take_back(start),
            Err(_) => {}
        }
        settled
    }

    /// A new file that got no name has nothing that anybody will see: what it has of a stream goes first again.
    fn take_back(&mut self, start: u64) {
        self.collect();
        let engine = &mut *self.engine;
        let delivered = engine.progress.delivered;
        let Ok(mut bytes) = self.sink.take_back(start..start + delivered, &mut engine.calls) else { return };
        engine.progress.delivered = 0;
        let Ok(rest) = engine.take_pending() else { return };
        engine.mover = engine.mechanism.mover();
        if engine.progress.source_start.is_none() {
            bytes.extend(rest);
            (engine.pending, engine.pending_start) = (bytes, 0);
        }
    }

    /// Whether there may be room for the first byte once the old content has gone.
    pub(super) fn needs_the_room(&self, error: &Error) -> bool {
        self.engine.progress.delivered == 0 && self.sink.needs_the_room(error)
    }
}
