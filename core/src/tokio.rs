//! Transfers, relays and fan-outs as futures for the tokio runtime (cargo feature `tokio`).
//!
//! A future borrows its operation, so that whatever ends it (`select!`, a timeout, a cancellation token, an aborted task that
//! gives the operation back) leaves a value that answers. A future is only ever dropped between two steps, never in one: the
//! count in the report is exact, what was taken out of a stream and not delivered can be taken back, and awaiting the same
//! operation again goes on at that byte.
//!
//! ```
//! use std::time::Duration;
//! use tokio::net::UnixStream;
//! use zcio::{Endpoint, Transfer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (mut sender, source) = UnixStream::pair()?;
//! let (sink, mut receiver) = UnixStream::pair()?;
//! # tokio::io::AsyncWriteExt::write_all(&mut sender, b"all that was sent").await?;
//! let mut transfer = Transfer::new(Endpoint::new(&source)?, Endpoint::new(&sink)?);
//! let in_time = tokio::time::timeout(Duration::from_millis(20), zcio::tokio::transfer(&mut transfer)).await;
//! assert!(in_time.is_err(), "the sender has not ended");
//! let moved = transfer.report().map_or(0, |report| report.bytes);
//! let undelivered = transfer.take_undelivered()?;
//! assert_eq!((moved, undelivered.len()), (17, 0));
//! # Ok(())
//! # }
//! ```
//!
//! # Ends
//!
//! Whatever has a descriptor can be an end: tokio's own sockets and pipes, the standard library's, bare descriptors. Streams in
//! blocking mode are switched to `O_NONBLOCK` while they are needed so ([`crate::NonBlockingGuard`]). A socket of tokio's may have one
//! future of this module for each direction, and be read and written by tokio itself meanwhile: none of them takes another
//! one's readiness away, because each future asks the kernel by an epoll(7) instance of its own, and only that is registered
//! with tokio.
//!
//! The futures need a runtime whose I/O is enabled, and no timer. They leave the thread to other tasks after each mebibyte.
//! An end whose [`Hold`](crate::Hold) is lost is met by the next step; it wakes no future that waits.
//!
//! # Files
//!
//! A file is always ready: what a step reads from a disk or writes to it holds the thread for as long as it takes, a mebibyte
//! at most ([`Transfer::step_size`] makes it less). For a file that is sent from the page cache that is nothing. For disks that
//! are slow, and from file to file, there is [`blocking`], which runs an operation that owns its ends on tokio's blocking pool.
//! It is never done behind the caller's back: a thread that goes on with borrowed ends after its future was dropped must not
//! be, and `block_in_place`, which could borrow, panics on some runtimes.

mod blocking;
mod drive;
mod waiter;

use std::os::fd::BorrowedFd;

use crate::error::Result;
use crate::fanout::{FanOut, FanOutReport, FanOutStep};
use crate::relay::{Relay, RelayReport, RelayStep};
use crate::report::Report;
use crate::step::{Readiness, Side, Step};
use crate::transfer::Transfer;
pub use blocking::{Blocking, Work, blocking};
use drive::{Next, Steps, drive};
use waiter::Waiter;

/// Runs a transfer to its end, as [`Transfer::run`] does. See the module's introduction.
///
/// Dropped before its end it leaves the transfer between two steps: [`Transfer::report`] and [`Transfer::take_undelivered`]
/// say what was delivered and what was not.
///
/// # Errors
///
/// As [`Transfer::step`].
///
/// # Panics
///
/// When it has to wait outside of a tokio runtime whose I/O is enabled.
pub async fn transfer(transfer: &mut Transfer<'_>) -> Result<Report> {
    drive(transfer).await
}

/// Runs a relay until both directions are over, as [`Relay::run`] does. See the module's introduction.
///
/// Dropped before its end it leaves the relay between two steps: [`Relay::report`] and [`Relay::take_undelivered`] say for each
/// direction what was delivered and what was not.
///
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tokio::net::UnixStream;
/// use zcio::{Endpoint, Relay};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut client, left) = UnixStream::pair()?;
/// let (right, mut server) = UnixStream::pair()?;
/// client.write_all(b"question").await?;
/// client.shutdown().await?;
/// server.shutdown().await?;
/// let report = zcio::tokio::relay(&mut Relay::new(Endpoint::new(&left)?, Endpoint::new(&right)?)).await?;
/// assert_eq!((report.forward.bytes, report.backward.bytes), (8, 0));
/// # let mut text = [0; 8];
/// # server.read_exact(&mut text).await?;
/// # assert_eq!(&text, b"question");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`Relay::step`]. Awaited again after an error, it runs the direction that is left to its end.
///
/// # Panics
///
/// As [`transfer()`].
pub async fn relay(relay: &mut Relay<'_>) -> Result<RelayReport> {
    drive(relay).await
}

/// Runs a fan-out to its end, as [`FanOut::run`] does. See the module's introduction.
///
/// Dropped before its end it leaves the fan-out between two steps: [`FanOut::report`] and [`FanOut::take_undelivered`] say for
/// each sink what was delivered and what was not.
///
/// ```
/// use tokio::io::AsyncReadExt;
/// use tokio::net::UnixStream;
/// use zcio::{Endpoint, FanOut};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let (from, copy) = (dir.path().join("from"), dir.path().join("copy"));
/// # std::fs::write(&from, b"the same")?;
/// let (near, mut far) = UnixStream::pair()?;
/// let mut fan_out = FanOut::new(Endpoint::open(&from)?).sink(Endpoint::new(&near)?).sink(Endpoint::create(&copy)?);
/// let report = zcio::tokio::fan_out(&mut fan_out).await?;
/// assert_eq!(report.bytes, 8);
/// # let mut text = [0; 8];
/// # far.read_exact(&mut text).await?;
/// # assert_eq!((&text[..], &std::fs::read(&copy)?[..]), (&b"the same"[..], &b"the same"[..]));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`FanOut::step`]. That some of the sinks failed is no error: see [`FanOutReport::sinks`].
///
/// # Panics
///
/// As [`transfer()`].
pub async fn fan_out(fan_out: &mut FanOut<'_>) -> Result<FanOutReport> {
    drive(fan_out).await
}

impl Steps for Transfer<'_> {
    type Report = Report;

    fn start(&mut self) -> Result<()> {
        self.start_awake()
    }

    fn stop(&mut self) {
        self.stop_awake();
    }

    fn step(&mut self, waiter: &mut Waiter) -> Result<Next> {
        let step = match self.would_sleep()? {
            Some(side) => Step::Blocked(side),
            None => Self::step(self)?,
        };
        match step {
            Step::Done => return Ok(Next::Done),
            Step::Moved(count) => return Ok(Next::Moved(count)),
            Step::Blocked(side) => waiter.arm(&[(self.descriptor(side), Some(side.readiness()))])?,
            Step::Completing => waiter.arm(&[(self.descriptor(Side::Sink), None)])?,
        }
        Ok(Next::Wait)
    }

    fn report(&self) -> Self::Report {
        Self::report(self).expect("it has begun")
    }
}

impl Steps for Relay<'_> {
    type Report = RelayReport;

    fn step(&mut self, waiter: &mut Waiter) -> Result<Next> {
        match Self::step(self)? {
            RelayStep::Done => Ok(Next::Done),
            RelayStep::Moved { forward, backward } => Ok(Next::Moved(forward + backward)),
            RelayStep::Blocked { .. } => wait_for(waiter, self.interests()),
        }
    }

    fn report(&self) -> Self::Report {
        Self::report(self)
    }
}

impl Steps for FanOut<'_> {
    type Report = FanOutReport;

    fn step(&mut self, waiter: &mut Waiter) -> Result<Next> {
        match Self::step(self)? {
            FanOutStep::Done => Ok(Next::Done),
            FanOutStep::Moved(count) => Ok(Next::Moved(count)),
            FanOutStep::Blocked => wait_for(waiter, self.interests()),
        }
    }

    fn report(&self) -> Self::Report {
        Self::report(self).expect("it has begun")
    }
}

fn wait_for<'fd>(waiter: &mut Waiter, interests: impl Iterator<Item = (BorrowedFd<'fd>, Readiness)>) -> Result<Next> {
    let interests: Vec<_> = interests.map(|(fd, readiness)| (fd, Some(readiness))).collect();
    waiter.arm(&interests).map(|()| Next::Wait)
}
