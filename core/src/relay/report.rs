//! What a relay did: a plain record, one part a direction.

use std::time::Duration;

use crate::error::Error;
use crate::mechanism::Mechanism;
use crate::report::Attempt;

/// What a relay did, so far or to the end.
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use zcio::{Endpoint, Relay};
///
/// let ((a, first), (second, b)) = (UnixStream::pair()?, UnixStream::pair()?);
/// drop((a, b));
/// let mut relay = Relay::new(Endpoint::new(&first)?, Endpoint::new(&second)?);
/// let report = relay.run()?;
/// assert_eq!((report.forward.bytes, report.backward.bytes), (0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RelayReport {
    /// From the first socket to the second.
    pub forward: DirectionReport,
    /// From the second socket to the first.
    pub backward: DirectionReport,
    /// System calls made, waits included.
    pub system_calls: u64,
    /// Calls of poll(2) made to wait.
    pub waits: u64,
    /// Time from the first step to the last.
    pub elapsed: Duration,
}

/// One direction of a [`RelayReport`].
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use zcio::{Endpoint, Relay};
///
/// let ((a, first), (second, b)) = (UnixStream::pair()?, UnixStream::pair()?);
/// drop((a, b));
/// let mut relay = Relay::new(Endpoint::new(&first)?, Endpoint::new(&second)?);
/// let forward = relay.run()?.forward;
/// println!("{} bytes by {}, {} undelivered", forward.bytes, forward.mechanism, forward.undelivered);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DirectionReport {
    /// Bytes the receiving socket took.
    pub bytes: u64,
    /// Bytes taken out of the sending socket that the receiving one has not taken (see [`crate::Relay::take_undelivered`]).
    pub undelivered: u64,
    /// The mechanism in use last: `splice`, or `read_write` after a refusal.
    pub mechanism: Mechanism,
    /// What refused, and why.
    pub attempts: Vec<Attempt>,
    /// How it stands.
    pub outcome: Outcome,
}

/// How a direction stands.
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use zcio::{Endpoint, Relay, Outcome};
///
/// let ((a, first), (second, b)) = (UnixStream::pair()?, UnixStream::pair()?);
/// drop((a, b));
/// let mut relay = Relay::new(Endpoint::new(&first)?, Endpoint::new(&second)?);
/// match relay.run()?.forward.outcome {
///     Outcome::Ended => println!("the sender has ended, and the receiver has been told"),
///     Outcome::Failed(error) => println!("broken: {error}"),
///     _ => println!("open"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Bytes may still come.
    Open,
    /// The sender ended, and its end was passed on after its last byte.
    Ended,
    /// It broke; nothing was passed on after the last byte, so that the receiver does not take it for an end.
    Failed(Error),
}
