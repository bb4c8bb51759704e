//! What is examined: something that moves bytes from one endpoint to another and says how.

use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::mechanism::Mechanism;
use crate::report::Report;
use crate::transfer::Transfer;

type Move = dyn for<'a> Fn(Endpoint<'a>, Endpoint<'a>, u64) -> Result<Report>;

/// A way of moving bytes that makes a claim about itself: its report.
///
/// The engine's own mechanisms are the usual ones ([`Subject::engine`]); anything else can be examined by the same
/// experiments, so that they can be shown to find out a lie.
///
/// ```
/// use zcio::{Mechanism, Transfer};
/// use zcio::proof::{Options, Route, Subject, examine};
///
/// // It claims what is not so, and is found out.
/// let liar = Subject::new("liar", |source, sink, count| {
///     let mut report = Transfer::new(source, sink).count(count).mechanism(Mechanism::ReadWrite).run()?;
///     report.copies.count = Some(0);
///     Ok(report)
/// });
/// assert!(examine(Route::MemoryToPipe, &liar, &Options::quick()).contradiction.is_some());
/// ```
pub struct Subject {
    pub(super) name: String,
    /// Only for the engine's own: what is known of their single calls says nothing about somebody else's.
    pub(super) mechanism: Option<Mechanism>,
    pub(super) run: Box<Move>,
}

impl Subject {
    /// A transfer by a named mechanism.
    pub fn engine(mechanism: Mechanism) -> Self {
        let run = move |source: Endpoint<'_>, sink: Endpoint<'_>, count| {
            Transfer::new(source, sink).count(count).mechanism(mechanism).run()
        };
        Self { name: mechanism.name().to_string(), mechanism: Some(mechanism), run: Box::new(run) }
    }

    /// Anything that moves that many bytes from the first end to the second and returns what it claims to have done.
    pub fn new(
        name: impl Into<String>,
        run: impl for<'a> Fn(Endpoint<'a>, Endpoint<'a>, u64) -> Result<Report> + 'static,
    ) -> Self {
        Self { name: name.into(), mechanism: None, run: Box::new(run) }
    }
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subject({})", self.name)
    }
}
