//! Where a transfer asks its cache policy: before a step and after it.

use super::Running;
use crate::cache;
use crate::error::Result;
use crate::mechanism::Mechanism;
use crate::step::Step;

impl Running<'_, '_> {
    /// The cache policy before a step: sees what is in memory, reads ahead, and bounds the step.
    pub(super) fn read_ahead(&mut self, limit: u64) -> u64 {
        let engine = &mut *self.engine;
        let Some(cache) = &mut engine.cache else { return limit };
        cache.look(self.source.descriptor(), self.sink.descriptor(), engine.progress.taken);
        if let (Some(start), Some(source)) = (engine.progress.source_start, self.source.descriptor()) {
            let at = start + engine.progress.taken;
            cache.ahead(source, at, engine.source_size, &mut engine.calls);
        }
        // A clone touches no page.
        if engine.mechanism == Mechanism::Reflink { limit } else { limit.min(cache::STEP) }
    }

    /// … and after it: drops what is behind.
    pub(super) fn keep_cache(&mut self, step: Step) -> Result<Step> {
        let engine = &mut *self.engine;
        let Some(cache) = &mut engine.cache else { return Ok(step) };
        let (source, sink) = (self.source.descriptor(), self.sink.descriptor());
        let delivered = engine.progress.delivered;
        let kept = if step == Step::Done {
            // A mapping that is still there would hold its pages.
            if engine.mechanism == Mechanism::MmapWrite {
                engine.mover = engine.mechanism.mover();
            }
            cache.finish(source, sink, delivered, &mut engine.calls)
        } else {
            cache.behind(source, sink, delivered, &mut engine.calls)
        };
        kept.map(|()| step).map_err(|error| self.locate(error))
    }
}
