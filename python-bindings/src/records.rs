//! Makes the records of `zcio/_reports.py`, which are Python's own dataclasses.

use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

use crate::once::Once;
use crate::report::Attempt;

/// One of the classes.
pub struct Class {
    name: &'static str,
    class: Once<Py<PyType>>,
}

pub static COPY: Class = Class::new("CopyReport");
pub static DIRECTION: Class = Class::new("DirectionReport");
pub static RELAY: Class = Class::new("RelayReport");
pub static SINK: Class = Class::new("SinkReport");
pub static FAN_OUT: Class = Class::new("FanOutReport");
pub static BATCH: Class = Class::new("BatchReport");
pub static READS: Class = Class::new("ReadsReport");

impl Class {
    const fn new(name: &'static str) -> Self {
        Self { name, class: Once::new() }
    }

    /// One record, from its fields in order.
    pub fn make<'py>(&self, py: Python<'py>, fields: impl pyo3::call::PyCallArgs<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.class.import(py, "zcio._reports", self.name)?.call1(fields)
    }
}

/// The attempts as the records hold them.
pub fn attempts(py: Python<'_>, attempts: Vec<zcio::Attempt>) -> PyResult<Bound<'_, PyTuple>> {
    PyTuple::new(py, attempts.into_iter().map(Attempt::from))
}
