//! What `src` and `dst` may be: a file descriptor, a file, a socket or a pipe object, a path, or a buffer; and the core's endpoint
//! for each.
//!
//! Looking at an argument changes nothing. An object whose `fileno()` leads to other bytes than its own (a text file, a TLS
//! socket, a gzip file) is refused with the way out ([`files::transparent`]).
//!
//! # Whose descriptor
//!
//! A number means what it means when the argument is looked at; that is held until the end ([`crate::holds`]), whatever a `close()` in
//! another thread, a callback or another task does to the number. So an operation never touches a file that it was not given.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyInt, PyString};
use zcio::apart::{Held, Sent};
use zcio::{Endpoint, Error, Side};

use crate::borrowed_buffer::BorrowedBuffer;
use crate::errors::TransferError;
use crate::files::{self, FileObject};
use crate::holds::{Hold, let_go, unbound};
use crate::once::intern;
use crate::region::Region;

/// The kinds of ends there are, as a test of all of them wants to know.
pub const KINDS: [&str; 5] = ["path", "number", "object", "region", "buffer"];

/// One argument, understood.
pub struct End {
    place: Place,
    side: Side,
    /// The file object, if it is one: its buffer and position must be kept right.
    pub file: Option<FileObject>,
    /// How long the socket object wants to wait for a byte.
    pub timeout: Option<Duration>,
}

enum Place {
    Path {
        path: PathBuf,
        name: Py<PyAny>,
        /// Opened by the caller, for where the other ends are.
        sent: Option<Sent>,
    },
    Descriptor(Hold),
    Memory(BorrowedBuffer),
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
            return Ok(Self::at(Place::Memory(BorrowedBuffer::of_region(region, side)?), side));
        }
        let py = object.py();
        if object.is_instance_of::<PyString>() || object.is_instance_of::<PyBytes>() {
            return Self::of_path(object, side);
        }
        if let Some(fileno) = object.getattr_opt(intern!(py, "fileno"))? {
            return Self::of_object(object, &fileno, side);
        }
        if object.hasattr(intern!(py, "__fspath__"))? {
            return Self::of_path(object, side);
        }
        if let Some(lent) = BorrowedBuffer::new(object, side)? {
            return Ok(Self::at(Place::Memory(lent), side));
        }
        Err(PyTypeError::new_err(format!(
            "{} must be a file descriptor (int), a binary file or a socket, a {}buffer, or a path (str, bytes, os.PathLike), not '{}'",
            role(side),
            if side == Side::Source { "" } else { "writable " },
            object.get_type().name()?
        )))
    }

    fn at(place: Place, side: Side) -> Self {
        Self { place, side, file: None, timeout: None }
    }

    fn of_number(object: &Bound<'_, PyAny>, side: Side) -> PyResult<Self> {
        let number: RawFd = object.extract()?;
        if number < 0 {
            let message = format!("{}: a file descriptor cannot be negative ({number})", role(side));
            return Err(PyValueError::new_err(message));
        }
        Ok(Self::at(Place::Descriptor(Hold::of_number(object.py(), number)?), side))
    }

    fn of_path(object: &Bound<'_, PyAny>, side: Side) -> PyResult<Self> {
        let os = object.py().import(intern!(object.py(), "os"))?;
        let name = os.call_method1(intern!(object.py(), "fspath"), (object,))?;
        let bytes: Vec<u8> = os.call_method1(intern!(object.py(), "fsencode"), (&name,))?.extract()?;
        if bytes.contains(&0) {
            return Err(PyValueError::new_err("embedded null byte"));
        }
        let path = OsString::from_vec(bytes).into();
        Ok(Self::at(Place::Path { path, name: name.unbind(), sent: None }, side))
    }

    fn of_object(object: &Bound<'_, PyAny>, fileno: &Bound<'_, PyAny>, side: Side) -> PyResult<Self> {
        let py = object.py();
        // First of all: what has no descriptor says so (io.BytesIO), and what is closed too.
        let number = || fileno.call0()?.extract::<RawFd>();
        match number() {
            Ok(number) if number < 0 => return Err(closed(py, side, number)),
            // What is no number is no reason either (tornado's is a socket): its class is.
            Err(error) if !error.is_instance_of::<PyTypeError>(py) => {
                return Err(files::explained(&error, object, role(side)));
            }
            _ => {}
        }
        let (file, socket) = files::transparent(object, role(side))?;
        // Nothing of Python's runs in between.
        let hold = match number()? {
            closed_now if closed_now < 0 => return Err(closed(py, side, closed_now)),
            number => Hold::of_number(py, number)?,
        };
        let timeout = socket.map_or(Ok(None), |socket| socket_timeout(&socket))?;
        Ok(Self { place: Place::Descriptor(hold), side, file, timeout })
    }

    /// One endpoint; a path that was not sent is opened. Without the GIL, and where the ends are ([`crate::holds::run`]). It must not
    /// outlive `self`.
    pub fn endpoint<'a>(&self) -> Result<Endpoint<'a>, Error> {
        match (&self.place, self.side) {
            (Place::Path { sent: Some(sent), .. }, _) => sent.endpoint(),
            (Place::Path { path, .. }, side) => open(path, side),
            (Place::Descriptor(hold), _) => Endpoint::new(unbound(hold.descriptor()?)),
            (Place::Memory(lent), side) => Ok(lent.endpoint(side)),
        }
    }

    /// [`Self::endpoint`] in an event loop: `None` if it might have to wait.
    pub fn endpoint_now<'a>(&self) -> Result<Option<Endpoint<'a>>, Error> {
        match (&self.place, self.side) {
            (Place::Path { path, sent: None, .. }, Side::Source) => Ok(Endpoint::open_cached(path)),
            (Place::Path { sent: None, .. }, Side::Sink) => Ok(None),
            _ => self.endpoint().map(Some),
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

    /// What keeps the descriptor, for an end that has been open before.
    pub fn hold(&self) -> Option<&Hold> {
        if let Place::Descriptor(hold) = &self.place { Some(hold) } else { None }
    }

    /// As [`Self::hold`].
    pub fn hold_mut(&mut self) -> Option<&mut Hold> {
        if let Place::Descriptor(hold) = &mut self.place { Some(hold) } else { None }
    }

    /// The descriptor in the process's table of a stream, which can be waited for there.
    pub fn stream(&self) -> Option<RawFd> {
        match &self.place {
            Place::Descriptor(hold) => hold.stream().map(|fd| fd.as_raw_fd()),
            Place::Path { sent, .. } => sent.as_ref().and_then(Sent::stream).map(|fd| fd.as_raw_fd()),
            Place::Memory(_) => None,
        }
    }

    /// What it has in the other table of descriptors.
    pub fn held(&self) -> Option<&Held> {
        match &self.place {
            Place::Descriptor(hold) => hold.held(),
            Place::Path { sent, .. } => sent.as_ref().map(Sent::held),
            Place::Memory(_) => None,
        }
    }

    /// Takes that over.
    pub fn take_held(&mut self) -> Option<Held> {
        self.hold_mut().and_then(Hold::take_held)
    }

    /// Opens a path here, in the calling thread, whose rights count and whose signals end a wait (for a FIFO, for a lease), and
    /// sends it to where the other ends are. False if it might have to wait and is not to.
    pub fn send(&mut self, wait: bool) -> Result<bool, Error> {
        if let Place::Path { path, sent: sent @ None, .. } = &mut self.place {
            let opened = match self.side {
                side if wait => Some(open(path, side)?),
                Side::Source => Endpoint::open_cached(path),
                Side::Sink => None,
            };
            let Some(opened) = opened else { return Ok(false) };
            *sent = Some(opened.send()?);
        }
        Ok(true)
    }

    /// Whether the file object still is of the file it was of when it became this end.
    pub fn is_unchanged(&self, py: Python<'_>) -> bool {
        match (&self.file, &self.place) {
            (Some(file), Place::Descriptor(hold)) => file.number(py).is_ok_and(|now| hold.is_of(now)),
            _ => true,
        }
    }

    /// Whether the argument that this was made of still means the same.
    pub fn is_still(&self, object: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Some(hold) = self.hold() else { return Ok(true) };
        let number: RawFd = if object.is_instance_of::<PyInt>() {
            object.extract()?
        } else {
            object.call_method0(intern!(object.py(), "fileno"))?.extract()?
        };
        Ok(hold.is_of(number))
    }

    /// The name the caller gave, if this end was opened from that path.
    pub fn name_of(&self, py: Python<'_>, given: &Path) -> Option<Py<PyAny>> {
        match &self.place {
            Place::Path { path, name, .. } if path == given => Some(name.clone_ref(py)),
            _ => None,
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if let Place::Path { sent: Some(sent), .. } = &self.place {
            let_go(sent.held());
        }
    }
}

/// Opens a path, or creates it.
pub fn open(path: &Path, side: Side) -> Result<Endpoint<'static>, Error> {
    match side {
        Side::Source => Endpoint::open(path),
        Side::Sink => Endpoint::create(path),
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
fn socket_timeout(socket: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    let seconds: Option<f64> = socket.call_method0(intern!(socket.py(), "gettimeout"))?.extract()?;
    Ok(seconds.filter(|&seconds| seconds > 0.0).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
}

fn closed(py: Python<'_>, side: Side, number: RawFd) -> PyErr {
    let message = format!("the {} is closed (its fileno() is {number})", noun(side));
    TransferError { errno: Some(libc::EBADF), message: &message, operation: "fileno", ..TransferError::default() }
        .into_exception(py)
}
