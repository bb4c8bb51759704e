//! `zcio.Residency`: which pages of a region are in memory.

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Which pages of a range are in memory, when it was asked: of a file in the page cache, of private memory mapped here.
///
/// `len()` is the number of pages, and `residency[i]` says whether page i of the range is there.
#[pyclass(frozen, module = "zcio")]
pub struct Residency(zcio::Residency);

impl From<zcio::Residency> for Residency {
    fn from(residency: zcio::Residency) -> Self {
        Self(residency)
    }
}

#[pymethods]
impl Residency {
    /// The size of a page in bytes.
    #[getter]
    fn page_size(&self) -> usize {
        self.0.page_size
    }

    /// Pages in the range; the first and the last may lie in it only in part.
    #[getter]
    fn total(&self) -> u64 {
        self.0.total
    }

    /// How many of them are in memory.
    #[getter]
    fn present(&self) -> u64 {
        self.0.present
    }

    /// One bit a page, the lowest bit of the first byte for the first page.
    #[getter]
    fn bitmap<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let mut bytes: Vec<u8> = self.0.bitmap().iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(self.0.total.div_ceil(8) as usize);
        PyBytes::new(py, &bytes)
    }

    fn __len__(&self) -> usize {
        self.0.total as usize
    }

    fn __getitem__(&self, page: i64) -> PyResult<bool> {
        let page = if page < 0 { page + self.0.total as i64 } else { page };
        match u64::try_from(page) {
            Ok(page) if page < self.0.total => Ok(self.0.is_present(page)),
            _ => Err(PyIndexError::new_err("page out of range")),
        }
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        items(slf)
    }

    fn __repr__(&self) -> String {
        format!("<zcio.Residency {} of {} pages of {} bytes>", self.0.present, self.0.total, self.0.page_size)
    }
}

/// An iterator over the items of a sequence, as Python makes one for a class that has no `__iter__`, which type checkers and
/// `collections.abc.Iterable` want to see.
pub fn items<'py>(sequence: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let builtins = sequence.py().import("builtins")?;
    let places = builtins.call_method1("range", (sequence.len()?,))?;
    builtins.call_method1("map", (sequence.getattr("__getitem__")?, places))
}
