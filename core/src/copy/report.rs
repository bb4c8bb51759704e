//! What a copy did.

use std::time::Duration;

use crate::mechanism::Mechanism;
use crate::report::Attempt;

/// What a copy did.
///
/// ```
/// use zcio::copy::Copy;
///
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, b"a few bytes")?;
/// let report = Copy::new(&from, &to).run()?;
/// assert_eq!((report.bytes, report.holes), (11, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyReport {
    /// Bytes of data that were moved or shared. The file's size is this and `holes` together.
    pub bytes: u64,
    /// Bytes that are a hole in the copy as in the source, and were neither read nor written. 0 for a clone, where holes
    /// are kept as well and not counted.
    pub holes: u64,
    /// Whether the copy shares the blocks of its source.
    pub cloned: bool,
    /// The mechanism that moved the last bytes; `None` for a file without data.
    pub mechanism: Option<Mechanism>,
    /// Mechanisms that refused, in order; each one once.
    pub attempts: Vec<Attempt>,
    /// Time from the start to the end.
    pub elapsed: Duration,
}
