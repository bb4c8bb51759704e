//! What becomes of sinks that are paths, with their first byte: see [`crate::endpoint`]'s destinations.

use super::branch::Sink;
use super::state::State;
use crate::error::Result;

impl State {
    /// A sink has its first bytes, or will have none: takes its old content away, or gives a new file its name.
    pub(super) fn settle(&mut self, index: usize, sink: &mut Sink<'_>) -> Result<()> {
        let start = sink.offset.unwrap_or(0);
        let is_new = sink.end.is_without_name();
        let settled = sink.end.settle(start..start + self.branches[index].lane.delivered);
        if is_new && settled.is_err() {
            self.take_back(index, sink, start);
        }
        settled
    }

    /// The same, for a sink that is not in use.
    pub(super) fn settle_held(&mut self, index: usize, sink: &mut Sink<'_>) -> Result<()> {
        let _held = sink.end.enter()?;
        self.settle(index, sink)
    }

    /// The fan-out waits, so it was not refused: new files get their names.
    pub(super) fn name_new_files(&mut self, sinks: &mut [Sink<'_>]) -> Result<()> {
        for (index, sink) in sinks.iter_mut().enumerate() {
            if self.branches[index].is_live()
                && sink.end.is_without_name()
                && let Err(error) = self.settle_held(index, sink)
            {
                self.drop_branch(index, error)?;
            }
        }
        self.last_failure().map_or(Ok(()), Err)
    }

    /// A new file that got no name has nothing that anybody will see: what it has is not delivered.
    fn take_back(&mut self, index: usize, sink: &Sink<'_>, start: u64) {
        let lane = &mut self.branches[index].lane;
        let Ok(mut bytes) = sink.end.take_back(start..start + lane.delivered, &mut self.calls) else { return };
        lane.delivered = 0;
        if let Ok(rest) = lane.take_pending(&mut self.calls) {
            bytes.extend(rest);
            lane.preload(bytes);
        }
    }
}
