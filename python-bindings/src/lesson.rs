//! `zcio.memory`: the experiments of `zcio learn`, inside an interpreter.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use zcio::cli;

use crate::interrupt::detached;

/// The experiment of a topic: the document that `zcio learn --json` writes, and the text that it prints.
#[pyfunction]
#[pyo3(signature = (topic, directory=None))]
#[allow(clippy::needless_pass_by_value)] // PyO3's way.
pub fn learn(py: Python<'_>, topic: &str, directory: Option<PathBuf>) -> PyResult<(String, String)> {
    let found = detached(py, || cli::learn(topic, directory.as_deref()))??;
    let document = serde_json::to_string(&found).map_err(std::io::Error::other)?;
    Ok((document, found.to_string()))
}

pub fn topics(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    PyTuple::new(py, cli::topics().collect::<Vec<_>>())
}
