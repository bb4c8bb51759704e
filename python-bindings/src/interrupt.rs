//! Work without the GIL that Python can still interrupt: the one place where this binding detaches.
//!
//! While the core moves bytes it calls the [`Watch`] at least every 100 ms and whenever a signal cut a system call short;
//! the watch runs Python's signal handlers, so Ctrl-C works as in the standard library, and looks after a socket's
//! timeout. A panic becomes an exception here and unwinds no further.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::errors;

/// Runs `work` with the GIL released. Only for work that touches no Python object.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    // What a panic leaves behind is dropped with the transfer, so nobody can see it half done.
    let outcome = py.detach(|| catch_unwind(AssertUnwindSafe(work)));
    outcome.map_err(|panic| errors::internal(&*panic))
}

/// Why a transfer was stopped from this side.
pub enum Stop {
    /// A signal handler raised this exception.
    Raised(PyErr),
    /// Nothing moved for as long as the socket's timeout.
    TimedOut(Duration),
    /// The interpreter is shutting down.
    Exiting,
}

/// Decides whether a transfer goes on.
pub struct Watch {
    timeout: Option<Duration>,
    moved: u64,
    since: Instant,
    stop: Option<Stop>,
}

impl Watch {
    pub fn new(timeout: Option<Duration>) -> Self {
        Self { timeout, moved: 0, since: Instant::now(), stop: None }
    }

    /// The ends are open: from now on the timeout counts.
    pub fn begin(&mut self) {
        self.since = Instant::now();
    }

    /// For [`zcio::Transfer::run_watched`].
    #[allow(clippy::redundant_closure_for_method_calls)] // The method itself is not general over the lifetime of `py`.
    pub fn look(&mut self, moved: u64) -> ControlFlow<()> {
        self.stop = match Python::try_attach(|py| py.check_signals()) {
            Some(Ok(())) => self.timed_out(moved).map(Stop::TimedOut),
            Some(Err(raised)) => Some(Stop::Raised(raised)),
            None => Some(Stop::Exiting),
        };
        if self.stop.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn timed_out(&mut self, moved: u64) -> Option<Duration> {
        if moved > self.moved {
            (self.moved, self.since) = (moved, Instant::now());
            return None;
        }
        self.timeout.filter(|&timeout| self.since.elapsed() >= timeout)
    }

    pub fn into_stop(self) -> Option<Stop> {
        self.stop
    }
}
