//! What a caller asks for beyond the two endpoints and the bytes: it rules some mechanisms out.

use crate::step::Visibility;

/// What the caller asked for that restricts the choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Whether later changes to the source may show in flight.
    pub visibility: Visibility,
    /// Whether the sink is written at an offset of the caller's instead of its own position.
    pub sink_offset: bool,
    /// How many bytes are to be moved at most, if that was said.
    pub count: Option<u64>,
}
