//! The core's errors about memory as Python's: the one `match` for regions, as `errors` has the one for transfers.
//!
//! They are the builtin `OSError` and its subclasses, which Python chooses by errno, with the file's name; `ValueError`
//! for a closed region, as everywhere in `io` and `mmap`; `BufferError` where views stand in the way.

use pyo3::exceptions::{PyBufferError, PyOSError, PyPermissionError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use zcio::{Error, ErrorKind};

use crate::once::{Once, intern};

/// The exception for an error of the core about the region of the file with that name.
pub fn exception(py: Python<'_>, error: &Error, name: Option<&Py<PyAny>>) -> PyErr {
    let message = error.message().to_owned();
    match (error.kind(), error.errno()) {
        // What the core refuses with EBUSY is always: not while views exist.
        (ErrorKind::InvalidInput, Some(libc::EBUSY)) => PyBufferError::new_err(message),
        (ErrorKind::InvalidInput | ErrorKind::Closed, _) => PyValueError::new_err(message),
        (ErrorKind::Untrusted, _) => PyPermissionError::new_err((libc::EPERM, message)),
        (ErrorKind::Faulted, errno) => {
            faulted(py, error.moved(), (errno, message, name.map(|name| name.clone_ref(py))))
        }
        (_, Some(errno)) => match name {
            Some(name) => PyOSError::new_err((errno, message, name.clone_ref(py))),
            None => PyOSError::new_err((errno, message)),
        },
        (_, None) => PyOSError::new_err(message),
    }
}

/// An error where another thread, or what a value runs to become a number, has made the region shorter meanwhile.
pub fn whole(count: usize, wanted: usize) -> PyResult<()> {
    if count == wanted { Ok(()) } else { Err(PyValueError::new_err("the region was resized meanwhile")) }
}

fn faulted(py: Python<'_>, moved: u64, arguments: (Option<i32>, String, Option<Py<PyAny>>)) -> PyErr {
    static CLASS: Once<Py<PyAny>> = Once::new();
    let error = CLASS.import(py, "zcio._errors", "FaultedError").and_then(|class| {
        let error = class.call1(arguments)?;
        error.setattr(intern!(py, "moved"), moved)?;
        Ok(error)
    });
    error.map_or_else(|error| error, PyErr::from_value)
}

/// The answer to whoever wants to pickle or copy it.
pub fn refuse_copies(object: &Bound<'_, PyAny>) -> PyResult<()> {
    Err(PyTypeError::new_err(format!(
        "cannot pickle or copy a '{}': it is memory of this process; its bytes are read(), and a SharedRegion can be \
         pickled for other processes",
        object.get_type().name()?
    )))
}
