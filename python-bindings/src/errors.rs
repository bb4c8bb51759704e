//! The core's errors as Python's: the one `match` over [`ErrorKind`] in this binding.
//!
//! A failure of the operating system becomes `zcio.TransferError` or the subclass of it that is also the builtin class
//! for its errno; which builtin class that is, Python's own `OSError` says (`zcio/_errors.py`), so nothing here looks at
//! an errno. What zcio itself refused becomes `ValueError` or `io.UnsupportedOperation`, as in Python's own `io`.

use std::path::Path;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use zcio::{Error, ErrorKind};

use crate::descriptors::End;
use crate::once::Once;

/// The exception for an error of the core. `ends` lend the names that the caller gave them; `undelivered` are bytes that
/// left a stream and did not arrive.
pub fn exception(py: Python<'_>, error: &Error, ends: &[&End], undelivered: &[u8]) -> PyErr {
    let sentence = |advice: &str| match error.path() {
        Some(path) => format!("{}{advice}: {}", error.message(), path.display()),
        None => format!("{}{advice}", error.message()),
    };
    match error.kind() {
        ErrorKind::InvalidInput => PyValueError::new_err(sentence("")),
        ErrorKind::Impossible => unsupported(py, sentence("")),
        ErrorKind::NotReadable => unsupported(py, sentence("; open it with mode 'rb'")),
        ErrorKind::NotWritable => unsupported(py, sentence("; open it with mode 'wb', 'ab' or 'r+b'")),
        // Cancelled comes from this binding's own watcher, which has an exception of its own for each of its reasons.
        // Every other kind is an answer of the operating system, those of a later core included.
        ErrorKind::Refused
        | ErrorKind::NotFound
        | ErrorKind::PermissionDenied
        | ErrorKind::AlreadyExists
        | ErrorKind::IsDirectory
        | ErrorKind::SpecialFile
        | ErrorKind::SameFile
        | ErrorKind::BadDescriptor
        | ErrorKind::NotConnected
        | ErrorKind::PeerClosed
        | ErrorKind::StorageFull
        | ErrorKind::Cancelled
        | ErrorKind::Os
        | _ => TransferError {
            errno: error.errno(),
            message: error.message(),
            filename: error.path().and_then(|path| named(py, path, ends)),
            operation: error.operation(),
            moved: error.moved(),
            undelivered,
            base: match error.kind() {
                ErrorKind::SpecialFile => Some("SpecialFileError"),
                ErrorKind::SameFile => Some("SameFileError"),
                _ => None,
            },
        }
        .into_exception(py),
    }
}

/// The exception for a panic: a bug in zcio, not in the program that met it.
pub fn internal(panic: &(dyn std::any::Any + Send)) -> PyErr {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    PyRuntimeError::new_err(format!("internal error in zcio, please report it: {}", text.unwrap_or("no message")))
}

/// `io.UnsupportedOperation`, which is an `OSError` and a `ValueError`.
pub fn unsupported(py: Python<'_>, message: String) -> PyErr {
    static CLASS: Once<Py<pyo3::types::PyType>> = Once::new();
    match CLASS.import(py, "io", "UnsupportedOperation") {
        Ok(class) => PyErr::from_type(class.clone(), message),
        Err(error) => error,
    }
}

/// What a `zcio.TransferError` is made of.
#[derive(Default)]
pub struct TransferError<'a> {
    pub errno: Option<i32>,
    pub message: &'a str,
    pub filename: Option<Py<PyAny>>,
    pub operation: &'a str,
    pub moved: u64,
    pub undelivered: &'a [u8],
    /// The class of shutil's that it is too, where it is not that of its errno.
    pub base: Option<&'static str>,
}

impl TransferError<'_> {
    pub fn into_exception(self, py: Python<'_>) -> PyErr {
        static MAKE: Once<Py<PyAny>> = Once::new();
        let Self { errno, message, filename, operation, moved, undelivered, base } = self;
        MAKE.import(py, "zcio._errors", "transfer_error")
            .and_then(|make| make.call1((errno, message, filename, operation, moved, undelivered, base)))
            .map_or_else(|error| error, PyErr::from_value)
    }
}

/// The name the caller gave to the end that was opened from this path, as `open()` would show it.
fn named(py: Python<'_>, path: &Path, ends: &[&End]) -> Option<Py<PyAny>> {
    ends.iter().find_map(|end| end.name_of(py, path))
}
