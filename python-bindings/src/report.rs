//! What the reports are made with, which [`crate::generated::reports`] declares.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use zcio::{Error, Mechanism};

use crate::errors;
pub use crate::generated::reports::{Attempt, ItemReport, Report};

/// The attempts as the records hold them.
pub fn attempts<'py>(py: Python<'py>, attempts: &[zcio::Attempt]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, attempts.iter().cloned().map(Attempt::from))
}

/// What `dataclasses` looks for in a class of theirs.
pub fn dataclass_fields(py: Python<'_>, class: &str, names: &[&str]) -> PyResult<Py<PyAny>> {
    let made = py.import("dataclasses")?.call_method1("make_dataclass", (class, names.to_vec()))?;
    Ok(made.getattr("__dataclass_fields__")?.unbind())
}

/// A failure that is told in a record instead of being raised.
pub fn failure(py: Python<'_>, error: &Error) -> Py<PyAny> {
    errors::exception(py, error, &[], &[]).into_value(py).into_any()
}

pub fn named(mechanism: &str) -> PyResult<Mechanism> {
    mechanism.parse().map_err(|error: Error| PyValueError::new_err(error.message().to_owned()))
}

pub fn seconds(elapsed: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(elapsed).map_err(|error| PyValueError::new_err(error.to_string()))
}

pub fn optional(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "None".to_owned(), |value| value.to_string())
}

pub fn boolean(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}
