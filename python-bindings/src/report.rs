//! `zcio.Report` and `zcio.Attempt`: the core's records as frozen classes that compare, hash, print and pickle.
//!
//! Native classes and not dataclasses because one is made for every transfer, however small: filling a frozen dataclass
//! of eleven fields takes longer than moving 4 KiB.

use std::borrow::Cow;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use zcio::Mechanism;

type ReportArguments<'py> =
    (u64, Option<u64>, &'static str, bool, Bound<'py, PyTuple>, u64, u64, Option<u8>, String, f64);

/// What a transfer did.
#[pyclass(frozen, eq, hash, module = "zcio")]
#[derive(PartialEq, Eq, Hash)]
pub struct Report {
    /// Bytes delivered to dst.
    #[pyo3(get)]
    bytes: u64,
    /// Bytes that were asked for; None if the transfer was to run to the end of src.
    #[pyo3(get)]
    requested: Option<u64>,
    mechanism: Mechanism,
    /// True if zcio chose the mechanism, False if the caller named it.
    #[pyo3(get)]
    automatic: bool,
    attempts: Vec<Attempt>,
    /// System calls made to move bytes, waits included; opening and inspecting the ends excluded.
    #[pyo3(get)]
    system_calls: u64,
    /// How often one of the ends had to be waited for (calls of poll(2)).
    #[pyo3(get)]
    waits: u64,
    /// How often the CPU copied each byte between src and dst; None where that cannot be known from here.
    #[pyo3(get)]
    copies: Option<u8>,
    /// Where the knowledge about copies comes from: 'model', 'kernel' or 'unknown'.
    #[pyo3(get)]
    copies_known_by: Cow<'static, str>,
    elapsed: Duration,
}

#[pymethods]
impl Report {
    #[new]
    #[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)] // A record, restored field by field by pickle.
    fn new(
        bytes: u64,
        requested: Option<u64>,
        mechanism: &str,
        automatic: bool,
        attempts: Vec<PyRef<'_, Attempt>>,
        system_calls: u64,
        waits: u64,
        copies: Option<u8>,
        copies_known_by: String,
        elapsed: f64,
    ) -> PyResult<Self> {
        let attempts = attempts.iter().map(|attempt| Attempt::clone(attempt)).collect();
        let elapsed = Duration::try_from_secs_f64(elapsed).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let mechanism = named(mechanism)?;
        Ok(Self {
            bytes,
            requested,
            mechanism,
            automatic,
            attempts,
            system_calls,
            waits,
            copies,
            copies_known_by: Cow::Owned(copies_known_by),
            elapsed,
        })
    }

    /// The mechanism that was in use last; with automatic it is the one that worked.
    #[getter]
    fn mechanism(&self) -> &'static str {
        self.mechanism.name()
    }

    /// Mechanisms that were tried before and refused, in order.
    #[getter]
    fn attempts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.attempts.iter().cloned())
    }

    /// Seconds from the first step to the last.
    #[getter]
    fn elapsed(&self) -> f64 {
        self.elapsed.as_secs_f64()
    }

    /// Whether src ended before the requested count was reached.
    #[getter]
    fn short(&self) -> bool {
        self.requested.is_some_and(|requested| self.bytes < requested)
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> PyResult<ReportArguments<'py>> {
        Ok((
            self.bytes,
            self.requested,
            self.mechanism(),
            self.automatic,
            self.attempts(py)?,
            self.system_calls,
            self.waits,
            self.copies,
            self.copies_known_by.to_string(),
            self.elapsed(),
        ))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!(
            "Report(bytes={}, requested={}, mechanism='{}', automatic={}, attempts={}, system_calls={}, waits={}, \
             copies={}, copies_known_by='{}', elapsed={}, short={})",
            self.bytes,
            optional(self.requested),
            self.mechanism(),
            boolean(self.automatic),
            self.attempts(py)?.repr()?,
            self.system_calls,
            self.waits,
            optional(self.copies),
            self.copies_known_by,
            self.elapsed().into_pyobject(py)?.repr()?,
            boolean(self.short()),
        ))
    }
}

impl From<zcio::Report> for Report {
    fn from(report: zcio::Report) -> Self {
        Self {
            bytes: report.bytes,
            requested: report.requested,
            mechanism: report.mechanism,
            automatic: report.automatic,
            attempts: report.attempts.into_iter().map(Attempt::from).collect(),
            system_calls: report.system_calls,
            waits: report.waits,
            copies: report.copies.count,
            copies_known_by: Cow::Borrowed(report.copies.known_by.name()),
            elapsed: report.elapsed,
        }
    }
}

/// A mechanism that was tried and refused.
#[pyclass(frozen, eq, hash, module = "zcio")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Attempt {
    mechanism: Mechanism,
    /// Bytes it had delivered before it refused; the next mechanism went on from there.
    #[pyo3(get)]
    moved: u64,
    /// The system call that refused.
    #[pyo3(get)]
    operation: String,
    /// The error number it gave, if it was an error number that refused.
    #[pyo3(get)]
    errno: Option<i32>,
    /// What that means here, in a sentence.
    #[pyo3(get)]
    reason: String,
}

#[pymethods]
impl Attempt {
    #[new]
    fn new(mechanism: &str, moved: u64, operation: String, errno: Option<i32>, reason: String) -> PyResult<Self> {
        Ok(Self { mechanism: named(mechanism)?, moved, operation, errno, reason })
    }

    /// Which one.
    #[getter]
    fn mechanism(&self) -> &'static str {
        self.mechanism.name()
    }

    fn __getnewargs__(&self) -> (&'static str, u64, &str, Option<i32>, &str) {
        (self.mechanism(), self.moved, &self.operation, self.errno, &self.reason)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!(
            "Attempt(mechanism='{}', moved={}, operation='{}', errno={}, reason={})",
            self.mechanism(),
            self.moved,
            self.operation,
            optional(self.errno),
            self.reason.as_str().into_pyobject(py)?.repr()?,
        ))
    }
}

impl From<zcio::Attempt> for Attempt {
    fn from(attempt: zcio::Attempt) -> Self {
        Self {
            mechanism: attempt.mechanism,
            moved: attempt.moved,
            operation: attempt.operation.to_owned(),
            errno: attempt.errno,
            reason: attempt.reason,
        }
    }
}

pub fn named(mechanism: &str) -> PyResult<Mechanism> {
    mechanism.parse().map_err(|error: zcio::Error| PyValueError::new_err(error.message().to_owned()))
}

fn optional(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "None".to_owned(), |value| value.to_string())
}

fn boolean(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}
