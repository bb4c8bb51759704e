//! A relay that an event loop drives: the private class behind `zcio.aio.Relay`; see `step` for how its steps behave.

use std::os::fd::AsRawFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use zcio::apart::Process;
use zcio::{Direction, Error, Relay, RelayStep, Side};

use crate::descriptors::End;
use crate::errors;
use crate::interrupt::detached;
use crate::relay::{joined, record};
use crate::step::{Interest, answer, ended, event, over, taken};

/// A relay to be stepped.
#[pyclass(frozen, module = "zcio._zcio")]
pub struct RelaySteps {
    state: Mutex<Option<RelayState>>,
    forward: AtomicU64,
    backward: AtomicU64,
    process: Process,
}

struct RelayState {
    relay: Relay<'static>,
    // Only to be open for as long as the relay is.
    _ends: [End; 2],
}

#[pymethods]
impl RelaySteps {
    #[new]
    fn new(
        py: Python<'_>,
        a: &Bound<'_, PyAny>,
        b: &Bound<'_, PyAny>,
        from_a: Vec<u8>,
        from_b: Vec<u8>,
    ) -> PyResult<Self> {
        let mut ends = [End::new(a, Side::Source)?, End::new(b, Side::Source)?];
        if ends.iter().any(|end| end.path().is_some()) {
            return Err(PyValueError::new_err("relay() joins two sockets, and one end is a path"));
        }
        // The ends outlive the relay: see the order of the fields.
        let relay = joined(&mut ends)
            .map_err(|error| errors::exception(py, &error, &[], &[]))?
            .taken_before(Direction::Forward, from_a)
            .taken_before(Direction::Backward, from_b);
        let state = Mutex::new(Some(RelayState { relay, _ends: ends }));
        let process = Process::this();
        Ok(Self { state, forward: AtomicU64::new(0), backward: AtomicU64::new(0), process })
    }

    /// Moves what it can now in both directions.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let mut guard = taken(&self.state, self.process)?;
        let state = guard.as_mut().ok_or_else(over)?;
        match detached(py, || state.relay.step())? {
            Ok(RelayStep::Done) => Ok(None),
            Ok(RelayStep::Moved { forward, backward }) => {
                self.forward.fetch_add(forward, Ordering::Relaxed);
                self.backward.fetch_add(backward, Ordering::Relaxed);
                answer(py, Some(&[]))
            }
            Ok(RelayStep::Blocked { .. }) => {
                let interests: Vec<Interest> =
                    state.relay.interests().map(|(fd, readiness)| (fd.as_raw_fd(), event(readiness))).collect();
                answer(py, Some(&interests))
            }
            Err(error) => Err(failed(py, &error)),
        }
    }

    /// Bytes delivered so far: from a to b, and from b to a.
    #[getter]
    fn bytes(&self) -> (u64, u64) {
        (self.forward.load(Ordering::Relaxed), self.backward.load(Ordering::Relaxed))
    }

    /// Ends it, and hands out its record with what was taken and not delivered; None the second time.
    fn close<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(mut state) = ended(&self.state, self.process)? else { return Ok(None) };
        let report = record(py, &mut state.relay)?;
        Ok(Some(report))
    }
}

fn failed(py: Python<'_>, error: &Error) -> PyErr {
    errors::exception(py, error, &[], &[])
}
