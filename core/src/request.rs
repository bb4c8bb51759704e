//! What the caller of a transfer asked for.

use crate::cache::CachePolicy;
use crate::demand::Demand;
use crate::endpoint::{Endpoint, Kind};
use crate::mechanism::Mechanism;
use crate::step::Visibility;

/// What the caller asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Request {
    pub offset: Option<u64>,
    pub sink_offset: Option<u64>,
    pub count: Option<u64>,
    pub mechanism: Option<Mechanism>,
    pub visibility: Visibility,
    pub cache: CachePolicy,
    /// The most that one step may move.
    pub piece: Option<u64>,
}

impl Request {
    /// The most that is to be moved: the count, or what a sink has room for that is memory.
    pub(crate) fn most(&self, sink: &Endpoint<'_>) -> Option<u64> {
        let room = (sink.known().kind == Kind::Memory).then_some(sink.known().size);
        let room = room.map(|room| room.saturating_sub(self.sink_offset.unwrap_or(0)));
        room.map(|room| self.count.map_or(room, |count| count.min(room))).or(self.count)
    }

    /// The part of the request that restricts the plan.
    pub(crate) fn demand(&self) -> Demand {
        Demand { visibility: self.visibility, sink_offset: self.sink_offset.is_some(), count: self.count }
    }
}
