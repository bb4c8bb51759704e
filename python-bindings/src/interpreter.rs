//! One interpreter for a process: the first that imports this.
//!
//! Classes, and what is looked up once (exceptions, records, other modules), are kept for the process. In a second interpreter
//! (a subinterpreter that shares the GIL, as `mod_wsgi`'s; others Python refuses by itself) they would be the first one's: what
//! is raised could not be caught, and what is used after the first has ended is freed. So the import is refused there.

use std::sync::atomic::{AtomicI64, Ordering};

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// `ImportError` in any interpreter but the first.
pub fn check(py: Python<'_>) -> PyResult<()> {
    /// No interpreter has this number; none gets that of another one which has ended.
    const NONE: i64 = -1;
    static FIRST: AtomicI64 = AtomicI64::new(NONE);
    // SAFETY: asked with the GIL, as `py` shows; the current interpreter's state is valid then.
    let current = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    if current < 0 {
        return Err(PyErr::fetch(py));
    }
    match FIRST.compare_exchange(NONE, current, Ordering::AcqRel, Ordering::Acquire) {
        Err(first) if first != current => Err(PyImportError::new_err(
            "zcio has been imported by another interpreter of this process, and works in one only: run each application in a \
             process of its own (for mod_wsgi: WSGIApplicationGroup %{GLOBAL})",
        )),
        _ => Ok(()),
    }
}
