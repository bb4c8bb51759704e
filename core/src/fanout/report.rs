//! What a fan-out did: in one step, and so far; a plain record, one part a sink.

use std::time::Duration;

use crate::error::Error;
use crate::mechanism::Mechanism;
use crate::report::Attempt;

/// What one step did.
///
/// ```
/// use zcio::{Endpoint, FanOut, FanOutStep};
///
/// # let mut source = tempfile::tempfile()?;
/// # std::io::Write::write_all(&mut source, b"a few bytes")?;
/// let ((_one, first), (_two, second)) = (std::io::pipe()?, std::io::pipe()?);
/// let mut fan_out =
///     FanOut::new(Endpoint::new(&source)?).offset(0).sink(Endpoint::new(&first)?).sink(Endpoint::new(&second)?);
/// loop {
///     match fan_out.step()? {
///         FanOutStep::Done => break,
///         FanOutStep::Moved(_) => {}
///         FanOutStep::Blocked => { /* wait for one of `fan_out.interests()` */ }
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FanOutStep {
    /// Every sink that is left has everything.
    Done,
    /// Delivered that many bytes, all sinks together; call again. 0 means that bytes are on their way inside, that a
    /// signal came first, that a mechanism was changed, or that a sink was dropped.
    Moved(u64),
    /// Nothing can be moved until one of [`FanOut::interests`](super::FanOut::interests) is ready.
    Blocked,
}

/// What happened in a fan-out, so far or to the end.
///
/// ```
/// use zcio::{Endpoint, FanOut};
///
/// # let mut source = tempfile::tempfile()?;
/// # std::io::Write::write_all(&mut source, b"a few bytes")?;
/// let ((_one, first), (_two, second)) = (std::io::pipe()?, std::io::pipe()?);
/// let mut fan_out =
///     FanOut::new(Endpoint::new(&source)?).offset(0).sink(Endpoint::new(&first)?).sink(Endpoint::new(&second)?);
/// let report = fan_out.run()?;
/// assert_eq!((report.bytes, report.sinks.len()), (11, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FanOutReport {
    /// Bytes that every sink has which did not fail; when all failed, the bytes of the one that came furthest.
    pub bytes: u64,
    /// Bytes that were asked for; `None` if the fan-out was to run to the end of the source.
    pub requested: Option<u64>,
    /// How the window was taken and shared in the end: `splice` (with tee), or `read_write`.
    pub mechanism: Mechanism,
    /// What refused to take or to share the window, and why; `moved` are the bytes taken before.
    pub attempts: Vec<Attempt>,
    /// The sinks, in the order they were given.
    pub sinks: Vec<SinkReport>,
    /// System calls made, waits included.
    pub system_calls: u64,
    /// Calls of poll(2) made to wait.
    pub waits: u64,
    /// Time from the first step to the last.
    pub elapsed: Duration,
}

/// One sink of a [`FanOutReport`].
///
/// ```
/// use zcio::{Endpoint, FanOut};
///
/// # let mut source = tempfile::tempfile()?;
/// # std::io::Write::write_all(&mut source, b"a few bytes")?;
/// let ((_one, first), (_two, second)) = (std::io::pipe()?, std::io::pipe()?);
/// let mut fan_out =
///     FanOut::new(Endpoint::new(&source)?).offset(0).sink(Endpoint::new(&first)?).sink(Endpoint::new(&second)?);
/// for sink in fan_out.run()?.sinks {
///     assert!(sink.bytes == 11 && sink.error.is_none());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SinkReport {
    /// Bytes it took.
    pub bytes: u64,
    /// How they were delivered last: `splice`, or `read_write` where that is not possible or was refused.
    pub mechanism: Mechanism,
    /// What refused on the way to this sink.
    pub attempts: Vec<Attempt>,
    /// Why it was dropped, if it was.
    pub error: Option<Error>,
}
