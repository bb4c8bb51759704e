//! Work without the GIL that Python can still interrupt: the one place where this binding detaches.
//!
//! While the core moves bytes it calls the [`Watch`] at least every 100 ms and whenever a signal cut a system call short;
//! the watch runs Python's signal handlers, so Ctrl-C works as in the standard library, and looks after a socket's
//! timeout. A panic becomes an exception here and unwinds no further.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use zcio::ErrorKind;
use zcio::apart::{Caller, Process};

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

/// A caller's `progress=`: called with the counts whenever they have changed.
pub struct Progress {
    callable: Py<PyAny>,
    told: Vec<u64>,
}

impl Progress {
    pub fn new(callable: &Bound<'_, PyAny>) -> Self {
        Self { callable: callable.clone().unbind(), told: Vec::new() }
    }

    pub fn tell(&mut self, py: Python<'_>, counts: &[u64]) -> PyResult<()> {
        if self.told == counts || (self.told.is_empty() && counts.iter().all(|&count| count == 0)) {
            return Ok(());
        }
        self.told = counts.to_vec();
        self.callable.call1(py, PyTuple::new(py, counts)?).map(drop)
    }
}

/// Opens paths. Opening a FIFO waits; after a signal Python looks at it, and opens again unless a handler raised (PEP 475).
pub fn opened<T>(
    watch: &mut Watch,
    caller: &Caller<'_>,
    mut open: impl FnMut() -> zcio::error::Result<T>,
) -> zcio::error::Result<T> {
    loop {
        match open() {
            Err(error) if error.kind() == ErrorKind::Interrupted && caller.call(|| watch.look(0)).is_continue() => {}
            opened => return opened,
        }
    }
}

/// Decides whether a transfer goes on.
pub struct Watch {
    /// Who began it: a child of `os.fork()`, made in a signal handler or by `progress`, does not go on with it.
    pub process: Process,
    timeout: Option<Duration>,
    moved: u64,
    since: Instant,
    progress: Option<Progress>,
    check: Option<Py<PyAny>>,
    stop: Option<Stop>,
}

impl Watch {
    pub fn new(timeout: Option<Duration>) -> Self {
        Self {
            process: Process::this(),
            timeout,
            moved: 0,
            since: Instant::now(),
            progress: None,
            check: None,
            stop: None,
        }
    }

    /// Tells this callable what has been moved.
    #[must_use]
    pub fn telling(mut self, progress: Option<&Bound<'_, PyAny>>) -> Self {
        self.progress = progress.map(Progress::new);
        self
    }

    /// Calls this at every look; what it raises stops.
    #[must_use]
    pub fn asking(mut self, check: Option<&Bound<'_, PyAny>>) -> Self {
        self.check = check.map(|check| check.clone().unbind());
        self
    }

    /// The ends are open: from now on the timeout counts.
    pub fn begin(&mut self) {
        self.since = Instant::now();
    }

    /// For [`zcio::Transfer::run_watched`].
    pub fn look(&mut self, moved: u64) -> ControlFlow<()> {
        let mut progress = self.progress.take();
        let answer =
            self.look_and(moved, |py| progress.as_mut().map_or(Ok(()), |progress| progress.tell(py, &[moved])));
        self.progress = progress;
        answer
    }

    /// The same, for whoever has something else to tell.
    pub fn look_and(&mut self, moved: u64, tell: impl FnOnce(Python<'_>) -> PyResult<()>) -> ControlFlow<()> {
        if self.stop.is_some() {
            return ControlFlow::Break(());
        }
        let told = Python::try_attach(|py| {
            let asked = |()| self.check.as_ref().map_or(Ok(()), |check| check.call0(py).map(drop));
            let told = py.check_signals().and_then(asked).and_then(|()| tell(py));
            // It may be a child by now.
            check(py, self.process).and(told)
        });
        self.stop = match told {
            Some(Ok(())) => self.timed_out(moved).map(Stop::TimedOut),
            Some(Err(raised)) => Some(Stop::Raised(raised)),
            None => Some(Stop::Exiting),
        };
        if self.stop.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Whether this is a child of the process that began.
    pub fn is_inherited(&self) -> bool {
        !self.process.is_this()
    }

    fn timed_out(&mut self, moved: u64) -> Option<Duration> {
        if moved > self.moved {
            (self.moved, self.since) = (moved, Instant::now());
            return None;
        }
        self.timeout.filter(|&timeout| self.since.elapsed() >= timeout)
    }

    /// At the end, with the GIL: the progress that was made since it was last told.
    pub fn finish(&mut self, py: Python<'_>, moved: u64) -> PyResult<()> {
        self.progress.as_mut().map_or(Ok(()), |progress| progress.tell(py, &[moved]))
    }

    pub fn into_stop(self) -> Option<Stop> {
        self.stop
    }
}

/// An exception in a child of `os.fork()`: it goes on with nothing that its parent does.
pub fn check(py: Python<'_>, process: Process) -> PyResult<()> {
    process.check().map_err(|error| errors::exception(py, &error, &[], &[]))
}
