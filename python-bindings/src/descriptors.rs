//! What `src` and `dst` may be: a file descriptor, an object with `fileno()`, a path, or, as src, a buffer; and the core's
//! endpoint for each.
//!
//! Looking at an argument changes nothing. What is not what it seems (a text file, a TLS socket, a gzip file: objects
//! whose `fileno()` leads to other bytes than their own) is refused with the way out.
//!
//! # Whose descriptor
//!
//! The arguments live as long as the call, so garbage collection closes nothing. Against a `close()` in another thread,
//! after which the number may come to mean another file, a socket or pipe object is duplicated (`F_DUPFD_CLOEXEC`) for
//! the call: those are the ends that are waited for. A regular file is not, because closing *any* descriptor of a file
//! drops all of the process's POSIX locks on it (fcntl(2)), and nobody expects that of a transfer. A bare number is used as
//! it is: its owner is the caller.

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyInt, PyString};
use zcio::{Endpoint, Error, Side};

use crate::errors::TransferError;
use crate::files::FileObject;
use crate::lent::Lent;
use crate::region::Region;

/// One argument, understood.
pub struct End {
    place: Place,
    /// The file object, if it is one: its buffer and position must be kept right.
    pub file: Option<FileObject>,
    /// How long the socket object wants to wait for a byte.
    pub timeout: Option<Duration>,
}

enum Place {
    Path {
        path: PathBuf,
        name: Py<PyAny>,
    },
    /// Open as long as the call lasts, or as the caller keeps it.
    Number(RawFd),
    Duplicate(OwnedFd),
    Memory(Lent),
}

impl End {
    pub fn new(object: &Bound<'_, PyAny>, side: Side) -> PyResult<Self> {
        if object.is_instance_of::<PyBool>() {
            return Err(PyTypeError::new_err(format!("{} must not be a bool", role(side))));
        }
        if object.is_instance_of::<PyInt>() {
            return Self::of_number(object, side);
        }
        // Before fileno(): a shared region's leads to a position that nobody knows of, not to its memory.
        if let Ok(region) = object.cast::<Region>() {
            return Self::of_region(region, side);
        }
        let py = object.py();
        if object.is_instance_of::<PyString>() || object.is_instance_of::<PyBytes>() {
            return Self::of_path(object);
        }
        if let Some(fileno) = object.getattr_opt(intern!(py, "fileno"))? {
            return Self::of_object(object, &fileno, side);
        }
        if object.hasattr(intern!(py, "__fspath__"))? {
            return Self::of_path(object);
        }
        if side == Side::Source
            && let Some(lent) = Lent::new(object)?
        {
            return Ok(Self { place: Place::Memory(lent), file: None, timeout: None });
        }
        Err(PyTypeError::new_err(format!(
            "{} must be a file descriptor (int), an object with fileno(), {}a path (str, bytes, os.PathLike), not '{}'",
            role(side),
            if side == Side::Source { "a buffer, or " } else { "or " },
            object.get_type().name()?
        )))
    }

    fn of_number(object: &Bound<'_, PyAny>, side: Side) -> PyResult<Self> {
        let number: RawFd = object.extract()?;
        if number < 0 {
            let message = format!("{}: a file descriptor cannot be negative ({number})", role(side));
            return Err(PyValueError::new_err(message));
        }
        Ok(Self { place: Place::Number(number), file: None, timeout: None })
    }

    fn of_path(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let os = object.py().import(intern!(object.py(), "os"))?;
        let name = os.call_method1(intern!(object.py(), "fspath"), (object,))?;
        let bytes: Vec<u8> = os.call_method1(intern!(object.py(), "fsencode"), (&name,))?.extract()?;
        if bytes.contains(&0) {
            return Err(PyValueError::new_err("embedded null byte"));
        }
        let path = OsString::from_vec(bytes).into();
        Ok(Self { place: Place::Path { path, name: name.unbind() }, file: None, timeout: None })
    }

    fn of_region(region: &Bound<'_, Region>, side: Side) -> PyResult<Self> {
        if side == Side::Sink {
            return Err(PyTypeError::new_err("dst is a region, and memory cannot be the sink of a transfer"));
        }
        Ok(Self { place: Place::Memory(Lent::all_of(region)?), file: None, timeout: None })
    }

    fn of_object(object: &Bound<'_, PyAny>, fileno: &Bound<'_, PyAny>, side: Side) -> PyResult<Self> {
        let py = object.py();
        // First of all: what has no descriptor says so itself (io.BytesIO), and what is closed too.
        let number: RawFd = fileno.call0()?.extract()?;
        if number < 0 {
            return Err(closed(py, side, number));
        }
        let socket = object.hasattr(intern!(py, "gettimeout"))?.then(|| object.clone());
        let file = if socket.is_some() { None } else { Some(FileObject::new(object, role(side))?) };
        let timeout = match socket.or(file.as_ref().and_then(|file| file.socket(py))) {
            Some(socket) => socket_timeout(&socket, role(side))?,
            None => None,
        };
        let place = match &file {
            Some(file) if file.is_seekable(py)? => Place::Number(number),
            _ => Place::Duplicate(duplicate(py, number)?),
        };
        Ok(Self { place, file, timeout })
    }

    /// The endpoints of a transfer, opened where they are paths. Without the GIL: opening may wait.
    ///
    /// Numbers go first, because a path that is opened may get the very number that the caller has closed. A destination is
    /// opened last: it may have to be created.
    pub fn endpoints<'a>(source: &'a Self, sink: &'a Self) -> Result<(Endpoint<'a>, Endpoint<'a>), Error> {
        if let Place::Path { .. } = sink.place {
            return Ok((source.endpoint(Side::Source)?, sink.endpoint(Side::Sink)?));
        }
        let sink = sink.endpoint(Side::Sink)?;
        Ok((source.endpoint(Side::Source)?, sink))
    }

    /// One endpoint, opened where it is a path. Without the GIL. It must not outlive `self`.
    pub fn endpoint<'a>(&self, side: Side) -> Result<Endpoint<'a>, Error> {
        match (&self.place, side) {
            (Place::Path { path, .. }, Side::Source) => Endpoint::open(path),
            (Place::Path { path, .. }, Side::Sink) => Endpoint::create(path),
            (Place::Number(number), _) => Endpoint::new(borrow(*number)),
            (Place::Duplicate(fd), _) => Endpoint::new(borrow(fd.as_raw_fd())),
            (Place::Memory(lent), _) => Ok(lent.endpoint()),
        }
    }

    /// [`Self::endpoint`] in an event loop: `None` if it might have to wait.
    pub fn endpoint_now<'a>(&self, side: Side) -> Result<Option<Endpoint<'a>>, Error> {
        match (&self.place, side) {
            (Place::Path { path, .. }, Side::Source) => Ok(Endpoint::open_cached(path)),
            (Place::Path { .. }, Side::Sink) => Ok(None),
            _ => self.endpoint(side).map(Some),
        }
    }

    /// Whether it is a buffer.
    pub fn is_memory(&self) -> bool {
        matches!(self.place, Place::Memory(_))
    }

    /// The path as the core wants it; `None` for any other end.
    pub fn path(&self) -> Option<&Path> {
        if let Place::Path { path, .. } = &self.place { Some(path) } else { None }
    }

    /// The descriptor, for an end that has been open before.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.place {
            Place::Number(number) => Some(borrow(*number)),
            Place::Duplicate(fd) => Some(fd.as_fd()),
            Place::Path { .. } | Place::Memory(_) => None,
        }
    }

    /// An error if the file object was closed after it became this end: its number may mean another file by now.
    pub fn check_open(&self, py: Python<'_>) -> PyResult<()> {
        match (&self.file, &self.place) {
            (Some(file), Place::Number(number)) => file.has_number(py, *number),
            _ => Ok(()),
        }
    }

    /// Makes a bare number safe to be kept beyond the call, by duplicating it, unless it is a regular file's.
    pub fn keep(&mut self, py: Python<'_>) -> PyResult<()> {
        if let Place::Number(number) = self.place
            && self.file.is_none()
            && Endpoint::new(borrow(number)).is_ok_and(|end| end.facts().kind.is_stream())
        {
            self.place = Place::Duplicate(duplicate(py, number)?);
        }
        Ok(())
    }

    /// The name the caller gave, if this end was opened from that path.
    pub fn name_of(&self, py: Python<'_>, opened: &Path) -> Option<Py<PyAny>> {
        match &self.place {
            Place::Path { path, name } if path == opened => Some(name.clone_ref(py)),
            _ => None,
        }
    }
}

/// The parameter's name.
fn role(side: Side) -> &'static str {
    match side {
        Side::Source => "src",
        Side::Sink => "dst",
    }
}

fn noun(side: Side) -> &'static str {
    match side {
        Side::Source => "source",
        Side::Sink => "sink",
    }
}

/// The timeout of a socket object in blocking-with-timeout mode; `None` if it waits for ever, and also if it is
/// non-blocking, because a transfer waits.
fn socket_timeout(socket: &Bound<'_, PyAny>, role: &str) -> PyResult<Option<Duration>> {
    let py = socket.py();
    // ssl.SSLSocket and its relatives (gevent, pyOpenSSL): their descriptor carries ciphertext.
    if socket.hasattr(intern!(py, "cipher"))? || socket.hasattr(intern!(py, "get_cipher_name"))? {
        return Err(PyTypeError::new_err(format!(
            "{role} is a TLS socket, and zcio works below TLS: its bytes would go around the encryption; use its own \
             send and recv"
        )));
    }
    let seconds: Option<f64> = socket.call_method0(intern!(py, "gettimeout"))?.extract()?;
    Ok(seconds.filter(|&seconds| seconds > 0.0).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
}

pub fn duplicate(py: Python<'_>, number: RawFd) -> PyResult<OwnedFd> {
    borrow(number).try_clone_to_owned().map_err(|error| {
        let message = error.to_string();
        TransferError { errno: error.raw_os_error(), message: &message, operation: "fcntl", ..TransferError::default() }
            .into_exception(py)
    })
}

fn closed(py: Python<'_>, side: Side, number: RawFd) -> PyErr {
    let message = format!("the {} is closed (its fileno() is {number})", noun(side));
    TransferError { errno: Some(libc::EBADF), message: &message, operation: "fileno", ..TransferError::default() }
        .into_exception(py)
}

/// The number as the standard library's I/O functions want it.
pub fn borrow<'fd>(number: RawFd) -> BorrowedFd<'fd> {
    debug_assert!(number >= 0);
    // SAFETY: the number is not -1 (checked by the callers). It is only handed to system calls, which answer EBADF if it is
    // not open; that it stays what it is during the call is the caller's promise, see the module's introduction.
    unsafe { BorrowedFd::borrow_raw(number) }
}
