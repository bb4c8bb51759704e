//! What a transfer did: a plain record, the same in all three languages.

use std::time::Duration;

use nix::errno::Errno;

pub use crate::copies::{Copies, KnownBy};
use crate::encryption::Encryption;
use crate::error::Error;
use crate::mechanism::Mechanism;
use crate::mechanisms::uring;

/// What happened in a transfer, so far or to the end.
///
/// ```
/// use zcio::{Endpoint, Mechanism, Transfer};
///
/// let (_reader, writer) = std::io::pipe()?;
/// let report = Transfer::new(Endpoint::bytes(b"a few bytes"), Endpoint::new(&writer)?).count(20).run()?;
/// assert_eq!((report.bytes, report.mechanism), (11, Mechanism::ReadWrite));
/// assert!(report.is_short());
/// for attempt in &report.attempts {
///     println!("not by {}: {}", attempt.mechanism, attempt.reason);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Bytes delivered to the sink.
    pub bytes: u64,
    /// Bytes that were asked for; `None` if the transfer was to run to the end of the source. A sink that is memory asks for
    /// what it has room for, or for the count if that is less.
    pub requested: Option<u64>,
    /// The mechanism that was in use last. With `automatic` it is the one that worked.
    pub mechanism: Mechanism,
    /// Whether the mechanism was chosen by zcio (true) or named by the caller (false).
    pub automatic: bool,
    /// Mechanisms that were tried before and refused, in order.
    pub attempts: Vec<Attempt>,
    /// System calls made to move bytes, waits included, opening and inspecting the ends excluded.
    pub system_calls: u64,
    /// Calls of poll(2) made to wait for one of the ends.
    pub waits: u64,
    /// How often the CPU copied each byte between source and sink, as far as that is known.
    pub copies: Copies,
    /// Bytes that were mapped instead of copied, by `zerocopy_receive`; the rest was copied once.
    pub mapped: u64,
    /// Who encrypts what the sink was given, below the program.
    pub encryption: Encryption,
    /// Time from the first step to the last.
    pub elapsed: Duration,
}

impl Report {
    /// Whether the source ended before the requested count was reached, or before memory was full.
    pub fn is_short(&self) -> bool {
        self.requested.is_some_and(|requested| self.bytes < requested)
    }
}

/// A mechanism that was tried and refused.
///
/// ```
/// use zcio::{Endpoint, Transfer};
///
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, b"a few bytes")?;
/// for attempt in Transfer::new(Endpoint::open(&from)?, Endpoint::create(&to)?).run()?.attempts {
///     println!("{} refused after {} bytes: {}", attempt.mechanism, attempt.moved, attempt.reason);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// Which one.
    pub mechanism: Mechanism,
    /// Bytes it had delivered before it refused; the next mechanism went on from there.
    pub moved: u64,
    /// The system call that refused.
    pub operation: &'static str,
    /// The error number it gave, if it was an error number that refused.
    pub errno: Option<i32>,
    /// What that means here, in a sentence.
    pub reason: String,
}

impl Attempt {
    pub(crate) fn of(mechanism: Mechanism, moved: u64, refusal: &Error) -> Self {
        Self {
            mechanism,
            moved,
            operation: refusal.operation(),
            errno: refusal.errno(),
            reason: refusal.message().to_string(),
        }
    }

    /// Why no ring is used: what its setup or a call on it has answered.
    pub(crate) fn of_ring(operation: &'static str, errno: Errno) -> Self {
        let reason = uring::refusal(operation)(errno).unwrap_or("the kernel refused it");
        Self::of(Mechanism::Uring, 0, &Error::refused(operation, errno, reason))
    }
}
