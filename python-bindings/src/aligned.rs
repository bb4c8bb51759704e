//! `zcio.AlignedBuffer` and `zcio.read_direct`: memory that the disk can write into, and the disk writing into it.

use std::ffi::c_int;
use std::fs::File as Opened;
use std::os::fd::AsFd;
use std::path::Path;

use pyo3::exceptions::PyOSError;
use pyo3::ffi;
use pyo3::prelude::*;
use zcio::apart::Held;

use crate::holds::Hold;
use crate::interrupt::detached;
use crate::lend::{self, Borrowed, Memory};
use crate::region_errors;
use crate::region_options::{File, count};

/// Memory of this process, zeroed and aligned to pages: what direct I/O (`O_DIRECT`) needs.
///
/// It is a writable buffer: `memoryview(buffer)`, `numpy.asarray(buffer)`. Its memory is returned to the
/// system when the last view is gone.
#[pyclass(frozen, weakref, module = "zcio")]
pub struct AlignedBuffer {
    start: Start,
    /// Only kept: no slice of it is made once Python can write to it.
    memory: zcio::AlignedBuffer,
}

struct Start(*mut u8);

// SAFETY: a number, which is only handed to Python.
unsafe impl Send for Start {}
// SAFETY: as above.
unsafe impl Sync for Start {}

#[pymethods]
impl AlignedBuffer {
    #[new]
    fn new(py: Python<'_>, #[pyo3(from_py_with = count)] length: u64) -> PyResult<Self> {
        let mut memory =
            zcio::AlignedBuffer::new(length as usize).map_err(|error| region_errors::exception(py, &error, None))?;
        Ok(Self { start: Start(memory.as_mut_ptr()), memory })
    }

    fn __len__(&self) -> usize {
        self.memory.len()
    }

    fn __repr__(&self) -> String {
        format!("<zcio.AlignedBuffer length={}>", self.memory.len())
    }

    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, buffer: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let this = slf.get();
        let memory = Memory { start: this.start.0, length: this.memory.len(), writable: true, view: None };
        // SAFETY: the object itself keeps the memory, and the buffer keeps the object.
        unsafe { lend::lend(slf.as_any().clone(), memory, buffer, flags) }
    }

    #[allow(clippy::unused_self)] // The protocol's signature.
    unsafe fn __releasebuffer__(&self, buffer: *mut ffi::Py_buffer) {
        // SAFETY: Python gives back what `__getbuffer__` filled in, once.
        unsafe { lend::take_back(buffer) };
    }
}

/// Reads a file past the page cache (`O_DIRECT`), straight into a buffer; gives back how many bytes.
///
/// file is a path, a descriptor or a binary file, whose position stays, as do POSIX locks on it. Reads from offset on, and at
/// most length bytes, to the end of the buffer without it; fewer only at the file's end. offset, and the address of the buffer, must be
/// multiples of what the file asks for, 512 or 4096 bytes on most disks: an `AlignedBuffer` is, and what begins at a page
/// of it (`memoryview(buffer)[4096:]`). `ValueError` if they are not, `OSError` if the file system has no direct I/O.
#[pyfunction]
#[pyo3(signature = (file, into, *, offset=0, length=None))]
pub fn read_direct(
    py: Python<'_>,
    file: &Bound<'_, PyAny>,
    into: &Bound<'_, PyAny>,
    offset: u64,
    length: Option<usize>,
) -> PyResult<usize> {
    let length = length.unwrap_or(usize::MAX);
    match File::new(file)? {
        File::Path(path) => {
            let (name, into) = (file.clone().unbind(), Borrowed::new_writable(into)?);
            let opened = open(py, &path, Some(&name))?;
            detached(py, into.read_direct(opened.as_fd(), true, offset, length))?
                .map_err(|error| region_errors::exception(py, &error, Some(&name)))
        }
        File::Number(number) => {
            // Before anything else of Python's runs.
            let hold = Hold::of_number(py, number)?;
            let into = Borrowed::new_writable(into)?;
            let read = detached(py, || {
                zcio::apart::run(hold.held(), |_| {
                    let read = into.read_direct(hold.descriptor()?, false, offset, length)();
                    hold.held().into_iter().for_each(Held::release);
                    read
                })
            })?;
            read.and_then(|read| read).map_err(|error| region_errors::exception(py, &error, None))
        }
    }
}

fn open(py: Python<'_>, path: &Path, name: Option<&Py<PyAny>>) -> PyResult<Opened> {
    detached(py, || Opened::open(path))?.map_err(|error| {
        let name = name.map(|name| name.clone_ref(py));
        PyOSError::new_err((error.raw_os_error(), error.to_string(), name))
    })
}
