//! What a caller asks for beyond the two endpoints and the bytes: it rules some mechanisms out.

use crate::step::Visibility;

/// What the caller asked for that restricts the choice.
///
/// ```
/// use zcio::plan::{Demand, candidates};
/// use zcio::{Endpoint, Mechanism, Visibility};
///
/// let (reader, writer) = std::io::pipe()?;
/// let mut demand = Demand::default();
/// demand.visibility = Visibility::Snapshot;
/// let (source, sink) = (Endpoint::new(&reader)?, Endpoint::new(&writer)?);
/// let order: Vec<_> = candidates(source.facts(), sink.facts(), demand).collect();
/// assert_eq!(order, [Mechanism::ReadWrite]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Whether later changes to the source may show in flight.
    pub visibility: Visibility,
    /// Whether the sink is written at an offset of the caller's instead of its own position.
    pub sink_offset: bool,
    /// How many bytes are to be moved at most, if that was said.
    pub count: Option<u64>,
}
