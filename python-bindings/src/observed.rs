//! What is told of each operation to whoever has asked for it (`zcio.observe`). For nobody nothing is measured.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::{IntoPyObjectExt, PyErr};

use crate::once::Once;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Whether somebody has asked.
#[pyfunction]
pub fn set_observed(asked: bool) {
    ASKED.store(asked, Ordering::Relaxed);
}

/// Does the work, which gives back a report or raises.
pub fn observed<'py, T>(py: Python<'py>, operation: &'static str, work: impl FnOnce() -> PyResult<T>) -> PyResult<T>
where
    T: Clone + IntoPyObjectExt<'py>,
{
    if !ASKED.load(Ordering::Relaxed) {
        return work();
    }
    let started = Instant::now();
    let outcome = work();
    if let Err(error) = tell(py, operation, started.elapsed().as_secs_f64(), &outcome) {
        // The operation is over, and this is no error of it.
        error.write_unraisable(py, None);
    }
    outcome
}

fn tell<'py, T>(py: Python<'py>, operation: &str, seconds: f64, outcome: &PyResult<T>) -> PyResult<()>
where
    T: Clone + IntoPyObjectExt<'py>,
{
    static TELL: Once<Py<PyAny>> = Once::new();
    let (report, error) = match outcome {
        Ok(report) => (Some(report.clone().into_bound_py_any(py)?), None),
        Err(error) => (None, Some(PyErr::value(error, py))),
    };
    TELL.import(py, "zcio._observed", "tell")?.call1((operation, seconds, report, error)).map(drop)
}
