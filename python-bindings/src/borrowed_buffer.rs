//! Objects with a buffer as the source of a transfer: bytes in a memoryview, a bytearray, an array of numpy.
//!
//! The buffer stays exported for as long as this lives, so that nobody can resize or free it. Another thread may write to
//! it meanwhile, as it may during `socket.send`; therefore it is never a slice, only an address for the kernel to read.

use std::ptr::NonNull;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::prelude::*;
use zcio::Endpoint;

use crate::region::Region;

/// An exported, contiguous buffer.
pub struct BorrowedBuffer(PyUntypedBuffer);

impl BorrowedBuffer {
    /// `None` if the object has no buffer; `BufferError` if it has one that is not contiguous.
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let buffer = match PyUntypedBuffer::get(object) {
            Ok(buffer) => buffer,
            // What is closed or released says so itself.
            Err(error) if error.is_instance_of::<PyValueError>(object.py()) => return Err(error),
            Err(_) => return Ok(None),
        };
        // A scalar of numpy has a buffer too, and is more likely to be meant as a number.
        if buffer.dimensions() == 0 {
            return Ok(None);
        }
        if buffer.is_c_contiguous() {
            return Ok(Some(Self(buffer)));
        }
        Err(PyBufferError::new_err("src is a buffer whose bytes are not contiguous (in C order); copy it first"))
    }

    /// A region: closed or protected, it says so itself.
    pub fn all_of(region: &Bound<'_, Region>) -> PyResult<Self> {
        PyUntypedBuffer::get(region).map(Self)
    }

    /// The core's end for it. The caller keeps `self` for as long as that lives.
    pub fn endpoint<'a>(&self) -> Endpoint<'a> {
        let start = NonNull::new(self.0.buf_ptr().cast::<u8>()).unwrap_or(NonNull::dangling());
        // SAFETY: the exporter keeps the bytes where they are until the buffer is released, which is when `self` is dropped.
        unsafe { Endpoint::lent(start.as_ptr(), self.0.len_bytes()) }
    }
}
