//! A buffer in the name of a region, for classes that are written in Python: those cannot be buffers by themselves before
//! Python 3.12.

use std::ffi::c_int;

use pyo3::ffi;
use pyo3::prelude::*;

use crate::lend;
use crate::region::Region;

/// A base for Python classes that are buffers because a region is. Private: `zcio.compat.mmap` is made of it.
#[pyclass(frozen, subclass, module = "zcio._zcio")]
pub struct Lender(Py<Region>);

#[pymethods]
impl Lender {
    #[new]
    fn new(region: Py<Region>) -> Self {
        Self(region)
    }

    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, buffer: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        // SAFETY: Python's own buffer structure; the region answers for the rest.
        unsafe { lend::lend_on(slf.get().0.bind(slf.py()), buffer, flags) }
    }
}
