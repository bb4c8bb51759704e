//! Memory lent to Python by the buffer protocol, and Python's memory lent to the core: the unsafe part of both.
//!
//! A buffer that is lent holds a core [`View`], so that its addresses stay mapped until Python gives it back, whatever
//! happens to the region meanwhile. Neither side's memory ever becomes a Rust slice: others may change it at any time.

use std::ffi::{c_char, c_int, c_void};
use std::mem::MaybeUninit;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use zcio::{Endpoint, ReadAt, View};

/// What is lent.
pub struct Memory {
    pub start: *mut u8,
    pub length: usize,
    pub writable: bool,
    /// What keeps it mapped; `None` if the exporting object itself does.
    pub view: Option<View>,
}

/// Lives as long as a buffer is out: what its fields point to, and what keeps the memory there.
struct Loan {
    length: ffi::Py_ssize_t,
    stride: ffi::Py_ssize_t,
    _view: Option<View>,
}

/// Fills in a buffer for `bf_getbuffer`.
///
/// # Safety
/// `buffer` is the one that Python gave to `__getbuffer__`; the memory stays mapped as long as its view, or the owner, lives.
pub unsafe fn lend(owner: Bound<'_, PyAny>, memory: Memory, buffer: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
    let wants = |flag: c_int| flags & flag == flag;
    if wants(ffi::PyBUF_WRITABLE) && !memory.writable {
        // SAFETY: Python's own buffer structure; it must say that nothing has been lent.
        unsafe { (*buffer).obj = std::ptr::null_mut() };
        return Err(PyBufferError::new_err("the region is mapped read-only"));
    }
    let length = memory.length as ffi::Py_ssize_t;
    let loan = Box::into_raw(Box::new(Loan { length, stride: 1, _view: memory.view }));
    // SAFETY: Python's own buffer structure, filled in as PEP 3118 asks: one dimension of bytes. The shape and stride live
    // in the loan, which lives until `take_back`.
    unsafe {
        (*buffer).buf = memory.start.cast::<c_void>();
        (*buffer).obj = owner.into_ptr();
        (*buffer).len = length;
        (*buffer).itemsize = 1;
        (*buffer).readonly = c_int::from(!memory.writable);
        (*buffer).ndim = 1;
        (*buffer).format = if wants(ffi::PyBUF_FORMAT) { c"B".as_ptr().cast_mut() } else { std::ptr::null_mut() };
        (*buffer).shape = if wants(ffi::PyBUF_ND) { &raw mut (*loan).length } else { std::ptr::null_mut() };
        (*buffer).strides = if wants(ffi::PyBUF_STRIDES) { &raw mut (*loan).stride } else { std::ptr::null_mut() };
        (*buffer).suboffsets = std::ptr::null_mut();
        (*buffer).internal = loan.cast::<c_void>();
    }
    Ok(())
}

/// Ends a loan, for `bf_releasebuffer`.
///
/// # Safety
/// `buffer` was filled in by [`lend`], and is given back for the first time.
pub unsafe fn take_back(buffer: *mut ffi::Py_buffer) {
    // SAFETY: `internal` is what `lend` put there.
    drop(unsafe { Box::from_raw((*buffer).internal.cast::<Loan>()) });
}

/// Whether what is asked of an object is answered without code of Python's: its class was made in C, and nobody can change it.
pub fn is_builtin(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object's own class.
    let flags = unsafe { ffi::PyType_GetFlags(object.get_type_ptr()) };
    flags & ffi::Py_TPFLAGS_HEAPTYPE == 0 || flags & ffi::Py_TPFLAGS_IMMUTABLETYPE != 0
}

/// Memory of some Python object, held by its buffer.
pub struct Borrowed {
    buffer: PyUntypedBuffer,
}

impl Borrowed {
    /// A contiguous bytes-like object, of any item type.
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let buffer = PyUntypedBuffer::get(object)?;
        if buffer.is_c_contiguous() {
            return Ok(Self { buffer });
        }
        Err(PyBufferError::new_err("the buffer is not contiguous"))
    }

    /// As [`Borrowed::new`], and it can be written.
    pub fn new_writable(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let borrowed = Self::new(object)?;
        if borrowed.buffer.readonly() {
            let message = format!("a writable bytes-like object is required, not '{}'", object.get_type().name()?);
            return Err(PyTypeError::new_err(message));
        }
        Ok(borrowed)
    }

    pub fn len(&self) -> usize {
        self.buffer.len_bytes()
    }

    fn address(&self) -> Address {
        Address(self.buffer.buf_ptr().cast())
    }

    /// Copies out of a region into it.
    pub fn read_from(&self, region: &zcio::Region, offset: u64) -> impl FnOnce() -> zcio::error::Result<usize> + Send {
        let (into, length) = (self.address(), self.len());
        // SAFETY: the buffer is held, is writable (`new_writable`), and only Python's own code sees it.
        move || unsafe { region.read_to(offset, into.get(), length) }
    }

    /// Copies it into a region.
    pub fn write_to(&self, region: &zcio::Region, offset: u64) -> impl FnOnce() -> zcio::error::Result<usize> + Send {
        let (from, length) = (self.address(), self.len());
        // SAFETY: the buffer is held.
        move || unsafe { region.write_from(offset, from.get(), length) }
    }

    /// Reads a file past the page cache into its first `length` bytes; one that was opened for this `is_alone`.
    pub fn read_direct(
        &self,
        file: std::os::fd::BorrowedFd<'_>,
        is_alone: bool,
        offset: u64,
        length: usize,
    ) -> impl FnOnce() -> zcio::error::Result<usize> + Send {
        let (into, length) = (self.address(), length.min(self.len()));
        let read = if is_alone { zcio::buffer::read_direct_alone } else { zcio::buffer::read_direct };
        // SAFETY: as `read_from`.
        move || unsafe { read(file, offset, into.get(), length) }
    }
}

/// Memory of many objects, held by their buffers. They stand side by side, because each by itself would be a piece of memory to be
/// allocated, which is seen in the time of a read.
#[derive(Default)]
pub struct ManyBorrowed {
    /// Full but for the last one. A buffer stays where it is: some point into themselves.
    blocks: Vec<Box<[MaybeUninit<ffi::Py_buffer>]>>,
    count: usize,
}

impl ManyBorrowed {
    const BLOCK: usize = 32;

    /// One more, as [`Borrowed::new_writable`]; its place.
    pub fn add(&mut self, object: &Bound<'_, PyAny>) -> PyResult<usize> {
        let place = self.count;
        if place.is_multiple_of(Self::BLOCK) {
            self.blocks.push(Box::new_uninit_slice(Self::BLOCK));
        }
        let buffer = self.blocks[place / Self::BLOCK][place % Self::BLOCK].as_mut_ptr();
        // SAFETY: room for a buffer, which Python fills in or says why not.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), buffer, ffi::PyBUF_FULL_RO) } != 0 {
            return Err(PyErr::fetch(object.py()));
        }
        // From here on it is given back with the others.
        self.count += 1;
        // SAFETY: filled in.
        let (whole, readonly) =
            unsafe { (ffi::PyBuffer_IsContiguous(buffer, b'C' as c_char) != 0, (*buffer).readonly != 0) };
        if whole && !readonly {
            return Ok(place);
        }
        // Says what is wrong with it.
        Borrowed::new_writable(object)?;
        Err(PyBufferError::new_err("the buffer is another one now"))
    }

    /// A read of a file into the memory at that place.
    pub fn filled_from<'a>(&'a self, place: usize, file: &'a Endpoint<'a>, offset: u64) -> ReadAt<'a> {
        assert!(place < self.count);
        // SAFETY: filled in, as are all that are counted.
        let buffer = unsafe { self.blocks[place / Self::BLOCK][place % Self::BLOCK].assume_init_ref() };
        // SAFETY: as `Borrowed::read_from`: the buffer is held for as long as it is borrowed.
        unsafe { ReadAt::lent(file, offset, buffer.buf.cast(), buffer.len as usize) }
    }
}

// SAFETY: addresses, for which those who use them answer; they are given back with the GIL.
unsafe impl Send for ManyBorrowed {}
// SAFETY: as above; nothing changes them while they are borrowed.
unsafe impl Sync for ManyBorrowed {}

impl Drop for ManyBorrowed {
    fn drop(&mut self) {
        let (blocks, count) = (&mut self.blocks, self.count);
        // An interpreter that has ended has given all memory back.
        Python::try_attach(|_| {
            for buffer in blocks.iter_mut().flat_map(|block| block.iter_mut()).take(count) {
                // SAFETY: filled in, and given back for the first time.
                unsafe { ffi::PyBuffer_Release(buffer.as_mut_ptr()) };
            }
        });
    }
}

/// An address that another thread may be told.
#[derive(Clone, Copy)]
struct Address(*mut u8);

// SAFETY: a number; the closures above answer for what is behind it.
unsafe impl Send for Address {}

impl Address {
    /// By value, so that a closure captures the whole and not the pointer in it.
    fn get(self) -> *mut u8 {
        self.0
    }
}
