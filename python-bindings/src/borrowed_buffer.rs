//! Objects with a buffer as an end of a transfer: bytes in a memoryview, a bytearray, an array of numpy.
//!
//! The buffer stays exported for as long as this lives, so that nobody can resize or free it. Another thread may write to
//! it meanwhile, or read it, as it may during `socket.send` and `socket.recv_into`; therefore it is never a slice, only an address
//! for the kernel.

use std::ptr::NonNull;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyMemoryView};
use zcio::{Endpoint, Side};

use crate::region::Region;

/// An exported, contiguous buffer.
pub struct BorrowedBuffer(PyUntypedBuffer);

impl BorrowedBuffer {
    /// `None` if the object has no buffer; `BufferError` if it has one that is not contiguous, `TypeError` for a sink that may only
    /// be read.
    pub fn new(object: &Bound<'_, PyAny>, side: Side) -> PyResult<Option<Self>> {
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
        let role = if side == Side::Source { "src" } else { "dst" };
        if !buffer.is_c_contiguous() {
            let message = format!("{role} is a buffer whose bytes are not contiguous (in C order); copy it first");
            return Err(PyBufferError::new_err(message));
        }
        if side == Side::Sink && buffer.readonly() {
            let message = format!("dst is a buffer that may only be read: '{}'", object.get_type().name()?);
            return Err(PyTypeError::new_err(message));
        }
        Ok(Some(Self(buffer)))
    }

    /// A region: closed or protected, it says so itself.
    pub fn of_region(region: &Bound<'_, Region>, side: Side) -> PyResult<Self> {
        let buffer = PyUntypedBuffer::get(region)?;
        if side == Side::Sink && buffer.readonly() && !region.get().core().view(..).is_ok_and(|view| view.receives()) {
            return Err(PyTypeError::new_err("dst is a region that is mapped read-only"));
        }
        Ok(Self(buffer))
    }

    /// As a source, of an object of a class that is memory and nothing else; `None` for any other.
    pub fn plain(object: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        if let Ok(region) = object.cast::<Region>() {
            return Self::of_region(region, Side::Source).map(Some);
        }
        let is = object.is_exact_instance_of::<PyMemoryView>() || object.is_exact_instance_of::<PyByteArray>();
        if is { Self::new(object, Side::Source) } else { Ok(None) }
    }

    /// The core's end for it. The caller keeps `self` for as long as that lives.
    pub fn endpoint<'a>(&self, side: Side) -> Endpoint<'a> {
        let start = NonNull::new(self.0.buf_ptr().cast::<u8>()).unwrap_or(NonNull::dangling()).as_ptr();
        let length = self.0.len_bytes();
        // SAFETY: the exporter keeps the bytes where they are until the buffer is released, which is when `self` is dropped. A
        // sink's may be written, or are a region's that receives; Rust has no reference to them.
        unsafe {
            match side {
                Side::Source => Endpoint::lent(start, length),
                Side::Sink => Endpoint::lent_mut(start, length),
            }
        }
    }
}
