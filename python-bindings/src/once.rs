//! A value that is made when it is first needed, and never waited for.
//!
//! `PyOnceLock` lets one thread make the value and the others wait. To make it may run Python code, in which another thread
//! can fork: its child would wait for a thread that it does not have. Here two threads may both make it, and one is used.

use pyo3::PyTypeCheck;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

pub struct Once<T>(PyOnceLock<T>);

impl<T> Once<T> {
    pub const fn new() -> Self {
        Self(PyOnceLock::new())
    }

    /// The value; an error of making it is everybody's own.
    pub fn get_or_try_init(&self, py: Python<'_>, make: impl FnOnce() -> PyResult<T>) -> PyResult<&T> {
        if self.0.get(py).is_none() {
            let value = make()?;
            // Nothing is run meanwhile; who was slower drops what it has made.
            let _ = self.0.set(py, value);
        }
        Ok(self.0.get(py).expect("set above"))
    }
}

impl<T: PyTypeCheck> Once<Py<T>> {
    /// What has that name in a module.
    pub fn import<'py>(&self, py: Python<'py>, module: &str, name: &str) -> PyResult<&Bound<'py, T>> {
        let make = || Ok(py.import(module)?.getattr(name)?.cast_into::<T>()?.unbind());
        self.get_or_try_init(py, make).map(|found| found.bind(py))
    }
}

impl Once<Py<PyString>> {
    /// That name.
    pub fn interned<'py>(&self, py: Python<'py>, name: &str) -> &Bound<'py, PyString> {
        if self.0.get(py).is_none() {
            let _ = self.0.set(py, PyString::intern(py, name).unbind());
        }
        self.0.get(py).expect("set above").bind(py)
    }
}

/// A name that Python knows, looked up once. `pyo3::intern!` gives the GIL away while it makes it, and then a child of another
/// thread's fork can wait for it for ever.
macro_rules! intern {
    ($py:expr, $name:expr) => {{
        static NAME: $crate::once::Once<pyo3::Py<pyo3::types::PyString>> = $crate::once::Once::new();
        NAME.interned($py, $name)
    }};
}
pub(crate) use intern;
