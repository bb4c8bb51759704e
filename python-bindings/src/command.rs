//! `_zcio.main`: the `zcio` command inside an interpreter.
//!
//! The command reads and writes the descriptors 0, 1 and 2 themselves, past `sys.stdout`. Ctrl-C ends the command, with its
//! own clean-up and exit code; Python's own handlers of SIGINT, SIGTERM and SIGHUP stand again afterwards.

use std::ffi::OsString;

use pyo3::prelude::*;

use crate::interrupt::detached;

/// Runs the command with these arguments (without the program's name) and gives back its exit code.
#[pyfunction]
pub fn main(py: Python<'_>, argv: Vec<OsString>) -> PyResult<u8> {
    detached(py, || zcio::cli::main(argv))
}
