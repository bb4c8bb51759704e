//! An operation on tokio's blocking pool: for files, which have no readiness to wait for.

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use ::tokio::task::{JoinHandle, spawn_blocking};

use crate::copy::{Copy, CopyReport};
use crate::error::{Error, ErrorKind, Result};
use crate::fanout::{FanOut, FanOutReport};
use crate::report::Report;
use crate::transfer::Transfer;

/// An operation that [`blocking`] can run: a [`Copy`](struct@Copy), or a [`Transfer`] or [`FanOut`] that owns its ends.
///
/// ```
/// use zcio::copy::Copy;
/// use zcio::tokio::{Work, blocking};
///
/// # let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, b"a few bytes")?;
/// # runtime.block_on(async {
/// async fn moved<W: Work + 'static>(work: W) -> bool {
///     blocking(work).await.is_ok()
/// }
///
/// assert!(moved(Copy::new(&from, &to)).await);
/// # Ok::<(), zcio::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Work: Sealed + Send {
    /// What it says of itself in the end.
    type Report: Clone + fmt::Debug + Send + 'static;

    /// Runs to the end, unless the watcher stops it.
    #[doc(hidden)]
    fn run(&mut self, watch: impl FnMut(u64) -> ControlFlow<()>) -> Result<Self::Report>;
}

/// What is work is decided here.
pub trait Sealed {}

impl Sealed for Copy {}

impl Work for Copy {
    type Report = CopyReport;

    fn run(&mut self, watch: impl FnMut(u64) -> ControlFlow<()>) -> Result<CopyReport> {
        self.run_watched(watch)
    }
}

impl Sealed for Transfer<'_> {}

impl Work for Transfer<'_> {
    type Report = Report;

    fn run(&mut self, watch: impl FnMut(u64) -> ControlFlow<()>) -> Result<Report> {
        self.run_watched(watch)
    }
}

impl Sealed for FanOut<'_> {}

impl Work for FanOut<'_> {
    type Report = FanOutReport;

    fn run(&mut self, watch: impl FnMut(u64) -> ControlFlow<()>) -> Result<FanOutReport> {
        self.run_watched(watch)
    }
}

/// Runs an operation on tokio's blocking pool, where it holds no thread of the runtime: for files on slow disks, and from file
/// to file. It begins at once.
///
/// ```
/// use zcio::copy::Copy;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, b"a few bytes")?;
/// let report = zcio::tokio::blocking(Copy::new(&from, &to).atomic(true)).await?;
/// assert_eq!(report.bytes, 11);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Outside of a tokio runtime.
pub fn blocking<W: Work + 'static>(mut work: W) -> Blocking<W> {
    let state = Arc::new(State::default());
    let its = Arc::clone(&state);
    let running = spawn_blocking(move || {
        let result = work.run(|moved| {
            its.moved.store(moved, Ordering::Relaxed);
            if its.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        (result, work)
    });
    Blocking { state, running, ended: None }
}

/// An operation that [`blocking`] runs: a future of its report.
///
/// Dropped, it stops the operation, which takes a moment: at most 100 ms, where a disk or a peer does not hold the thread.
/// [`Blocking::stop`] waits for that and gives the operation back, with the exact count. It can be awaited by reference
/// (`timeout(duration, &mut it)`) and still be stopped, or awaited again, afterwards.
///
/// ```
/// use zcio::copy::Copy;
/// use zcio::tokio::{Blocking, blocking};
///
/// # let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, b"a few bytes")?;
/// # runtime.block_on(async {
/// let copying: Blocking<Copy> = blocking(Copy::new(&from, &to));
/// println!("{} bytes so far", copying.moved());
/// assert_eq!(copying.await?.bytes, 11);
/// # Ok::<(), zcio::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Blocking<W: Work> {
    state: Arc<State>,
    running: JoinHandle<(Result<W::Report>, W)>,
    ended: Option<(Result<W::Report>, Option<W>)>,
}

#[derive(Debug, Default)]
struct State {
    moved: AtomicU64,
    stop: AtomicBool,
}

impl<W: Work> Blocking<W> {
    /// Bytes moved when it was looked at last, which is every 100 ms or 64 MiB: to show, not to count on.
    pub fn moved(&self) -> u64 {
        self.state.moved.load(Ordering::Relaxed)
    }

    /// Stops the operation, unless it is over, and gives it back, to be asked for what was not delivered. The result has the
    /// exact count: in its report, or in its error ([`Error::moved`]).
    ///
    /// There is nothing to give back if the runtime has shut down before it began.
    pub async fn stop(mut self) -> (Result<W::Report>, Option<W>) {
        self.state.stop.store(true, Ordering::Relaxed);
        let result = (&mut self).await;
        (result, self.ended.take().and_then(|(_, work)| work))
    }
}

/// Nothing in it is pinned.
impl<W: Work> Unpin for Blocking<W> {}

impl<W: Work> Future for Blocking<W> {
    type Output = Result<W::Report>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.ended.is_none() {
            let ended = match ready!(Pin::new(&mut self.running).poll(context)) {
                Ok((result, work)) => (result, Some(work)),
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                Err(_) => (Err(Error::new(ErrorKind::Cancelled, "the runtime has shut down")), None),
            };
            self.ended = Some(ended);
        }
        Poll::Ready(self.ended.as_ref().expect("it has ended").0.clone())
    }
}

impl<W: Work> Drop for Blocking<W> {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
    }
}
