//! Python's file objects: a descriptor with a buffer in front of it, and a position that is not the kernel's.
//!
//! A buffered reader has read ahead, a buffered writer has not written yet. A transfer goes behind the buffer's back, so
//! bytes waiting to be written are flushed before, reading starts where `tell()` says, and afterwards the object stands
//! behind the bytes that were moved, after an error too.

use pyo3::prelude::*;
use pyo3::types::PyCFunction;

use crate::errors;
use crate::once::{Once, intern};

const SEEK_SET: u8 = 0;

/// What an object is whose bytes are those of its descriptor: the file that knows the position, if it is one, and the socket
/// whose timeout counts, if it is one. `TypeError` for any other (`zcio/_ends.py`).
pub fn transparent<'py>(
    object: &Bound<'py, PyAny>,
    role: &str,
) -> PyResult<(Option<FileObject>, Option<Bound<'py, PyAny>>)> {
    static FUNCTION: Once<Py<PyAny>> = Once::new();
    let found = FUNCTION.import(object.py(), "zcio._ends", "transparent")?.call1((object, role))?;
    let (file, socket): (Option<Bound<'py, PyAny>>, _) = found.extract()?;
    Ok((file.map(|file| FileObject(file.unbind())), socket))
}

/// An error of an object's `fileno()`: where it means that there is no descriptor, and says no more than "fileno", what to do.
pub fn explained(error: &PyErr, object: &Bound<'_, PyAny>, role: &str) -> PyErr {
    static FUNCTION: Once<Py<PyAny>> = Once::new();
    let py = object.py();
    FUNCTION
        .import(py, "zcio._ends", "explained")
        .and_then(|function| function.call1((error.value(py), object, role)))
        .map_or_else(|failed| failed, PyErr::from_value)
}

/// A file of `open()`'s, raw or buffered.
pub struct FileObject(Py<PyAny>);

impl FileObject {
    /// Whether the object has a position. `ValueError` if it is closed.
    pub fn is_seekable(&self, py: Python<'_>) -> PyResult<bool> {
        match self.0.bind(py).getattr_opt(intern!(py, "seekable"))? {
            Some(seekable) => seekable.call0()?.is_truthy(),
            None => Ok(false),
        }
    }

    /// The number of its descriptor now.
    pub fn number(&self, py: Python<'_>) -> PyResult<i32> {
        self.0.bind(py).call_method0(intern!(py, "fileno"))?.extract()
    }

    /// Hands bytes that wait in the object to the kernel. Nothing to do for a reader.
    pub fn flush(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(flush) = self.0.bind(py).getattr_opt(intern!(py, "flush"))? {
            flush.call0()?;
        }
        Ok(())
    }

    /// Whether it has no buffer: its position is the kernel's, which a transfer moves by the descriptor that it holds. The
    /// object's own seek would move that of whatever has its number by then.
    fn is_raw(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.0.bind(py).get_type().is(&io(py, "FileIO")?))
    }

    /// Where the caller is in the file, if only the object knows; `None` for a stream, which must not have been read ahead.
    pub fn position(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        if self.is_raw(py)? {
            return Ok(None);
        }
        if self.is_seekable(py)? {
            return self.tell(py).map(Some);
        }
        match self.read_ahead(py)? {
            0 => Ok(None),
            count => Err(errors::unsupported(
                py,
                format!(
                    "src has read {count} bytes ahead of what was taken out of it, and a stream cannot be read again; \
                     take them first, with read1({count}), or open it with buffering=0"
                ),
            )),
        }
    }

    /// Makes the object stand at `position`; what it had read ahead no longer counts. One that was closed stands nowhere.
    pub fn seek(&self, py: Python<'_>, position: u64) -> PyResult<()> {
        seek(self.0.bind(py), position)
    }

    /// Makes the object notice that its descriptor has moved on: a buffered file asks the kernel when it is told to tell.
    pub fn refresh(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_raw(py)? || !self.is_seekable(py)? { Ok(()) } else { self.tell(py).map(drop) }
    }

    fn tell(&self, py: Python<'_>) -> PyResult<u64> {
        self.0.bind(py).call_method0(intern!(py, "tell"))?.extract()
    }

    /// How many bytes a buffered reader over a stream holds.
    ///
    /// There is no method that tells. `peek()` does, but when it finds nothing it reads, and may wait for ever. So for this
    /// moment the raw object answers a read as a non-blocking one without data would: with None.
    fn read_ahead(&self, py: Python<'_>) -> PyResult<usize> {
        let reader = self.0.bind(py);
        let Some(peek) = reader.getattr_opt(intern!(py, "peek"))? else { return Ok(0) };
        let raw = reader.getattr(intern!(py, "raw"))?;
        let nothing = PyCFunction::new_closure(py, None, None, |_, _| None::<usize>)?;
        raw.setattr(intern!(py, "readinto"), nothing)?;
        let held = peek.call0();
        raw.delattr(intern!(py, "readinto"))?;
        held?.len()
    }
}

/// See [`FileObject::seek`].
pub fn seek(file: &Bound<'_, PyAny>, position: u64) -> PyResult<()> {
    let py = file.py();
    match file.call_method1(intern!(py, "seek"), (position, SEEK_SET)) {
        Err(_) if file.getattr(intern!(py, "closed"))?.is_truthy()? => Ok(()),
        sought => sought.map(drop),
    }
}

/// A class of the module `io`.
fn io<'py>(py: Python<'py>, class: &'static str) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: Once<Py<PyModule>> = Once::new();
    let module = MODULE.get_or_try_init(py, || py.import("io").map(Bound::unbind))?;
    module.bind(py).getattr(class)
}
