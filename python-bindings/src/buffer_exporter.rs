//! A buffer in the name of a region, for classes that are written in Python: those cannot be buffers by themselves before
//! Python 3.12.

use std::ffi::c_int;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use crate::lend;
use crate::region::Region;

/// A base for Python classes that are buffers because a region is. Private: `zcio.compat.mmap` is made of it.
#[pyclass(frozen, subclass, module = "zcio._zcio")]
pub struct BufferExporter(Py<Region>);

#[pymethods]
impl BufferExporter {
    #[new]
    fn new(region: Py<Region>) -> Self {
        Self(region)
    }

    /// The buffer is this object's, not the region's: numpy keeps an export only of an object whose own class takes it back.
    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, buffer: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        // SAFETY: Python's own buffer structure, and the owner keeps the region.
        unsafe { slf.get().0.get().lend(slf.as_any().clone(), buffer, flags) }
    }

    #[allow(clippy::unused_self)] // The protocol's signature.
    unsafe fn __releasebuffer__(&self, buffer: *mut ffi::Py_buffer) {
        // SAFETY: Python gives back what `__getbuffer__` filled in, once.
        unsafe { lend::take_back(buffer) };
    }

    /// A cycle is broken in the region, or in the dictionary of the class that is written in Python.
    #[allow(clippy::needless_pass_by_value)] // The protocol's signature.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.0)
    }
}
