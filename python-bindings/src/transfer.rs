//! `zcio.transfer`: arguments in, a [`Report`] or an exception out.
//!
//! Everything that can be wrong with the arguments is found before anything is opened, flushed or written.

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use zcio::apart::Caller;
use zcio::transfer::Begun;
use zcio::{CachePolicy, Endpoint, Error, Mechanism, Transfer, Visibility};

use crate::descriptors::End;
use crate::errors::{self, TransferError};
use crate::holds;
use crate::interrupt::{Stop, Watch, opened};
use crate::observed::observed;
use crate::once::intern;
use crate::report::Report;
use crate::small;

/// Moves bytes from src to dst without taking them through this process, where the kernel can.
///
/// src and dst are each a file descriptor (int), an object whose bytes are its descriptor's (a binary file, a socket, a pipe;
/// any other is a `TypeError`), a path (str, bytes, `os.PathLike`), or a contiguous buffer (memoryview, bytearray, array, …), which
/// stays exported until the end and as dst must be writable. bytes are a path, as for `open()`: memoryview(data) is what they
/// contain. A path as src is opened for reading; a path as dst is created, or emptied, with the first byte: what is refused changes
/// nothing. Without offset, a file is read from its position on and left behind the bytes moved; with offset it is read from there
/// and its position stays. At most count bytes are moved; to the end of src without it. dst is written at its position, or at
/// `dst_offset`.
///
/// A buffer as dst is filled from its first byte on, and no further than it goes: what src has beyond stays there. If src ends
/// before, .bytes of the report says how far it was filled, and .short is true.
///
/// mechanism is "auto" or one of MECHANISMS; a named one is used or refused, never replaced. With visibility="aliased"
/// the receiver may see changes made to src after the call; with "snapshot" it may not.
///
/// A number, and the descriptor of an object, mean what they mean when this is called: what is closed meanwhile stays open
/// here until the end. POSIX locks (fcntl) on a file that was open are kept; a file that is opened by its path is closed
/// again, and with it go this process's locks on it, as with any `open()` and `close()`.
///
/// Waits for both ends, non-blocking ones too, with the GIL released; Ctrl-C works; a socket's timeout ends a wait in
/// which nothing moves.
///
/// progress is called with the bytes delivered so far while they move (every 64 MiB or 100 ms) and with their number at the
/// end; what it raises stops the transfer. For tqdm, which counts differences:
/// `progress=lambda done: bar.update(done - bar.n)`; for rich: `progress=lambda done: bar.update(task, completed=done)`.
///
/// `read_ahead` asks for that many bytes of a file before they are needed; `drop_behind` drops pages from the page cache
/// when they have been read and, in dst, written to its disk; those that were in memory before stay.
///
/// Raises `TransferError` (an `OSError`, and the builtin subclass its errno stands for) with .moved and .undelivered;
/// `io.UnsupportedOperation` if these ends or this mechanism cannot do it; `ValueError` and `TypeError` for wrong arguments.
#[pyfunction]
#[pyo3(signature = (
    src, dst, *, offset=None, count=None, mechanism="auto", visibility="aliased", dst_offset=None, read_ahead=None,
    drop_behind=false, progress=None
))]
#[allow(clippy::too_many_arguments)] // Keywords, in Python.
pub fn transfer(
    py: Python<'_>,
    src: &Bound<'_, PyAny>,
    dst: &Bound<'_, PyAny>,
    offset: Option<&Bound<'_, PyAny>>,
    count: Option<&Bound<'_, PyAny>>,
    mechanism: &str,
    visibility: &str,
    dst_offset: Option<&Bound<'_, PyAny>>,
    read_ahead: Option<&Bound<'_, PyAny>>,
    drop_behind: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Report> {
    observed(py, "transfer", || {
        let mut begun = small::Part::default();
        if (mechanism, visibility, drop_behind) == ("auto", "aliased", false)
            && dst_offset.or(read_ahead).or(progress).is_none()
        {
            match small::attempt(src, dst, offset, count, false)? {
                small::Attempt::Done(report) => return Ok(report.into()),
                small::Attempt::Begun(some) => begun = some,
            }
        }
        let mut request = Request::new([offset, count, dst_offset, read_ahead], mechanism, visibility, drop_behind)?;
        request.begun = std::mem::take(&mut begun.begun);
        let progress = callable(progress)?;
        let mut ends = begun.ends(src, dst)?;
        let position = request.begin(py, &ends[0], &ends[1])?;

        let timeout = ends.iter().filter_map(|end| end.timeout).min();
        let mut watch = Watch::new(timeout).telling(progress);
        let outcome = holds::run(py, &mut ends, &mut watch, |ends, watch, caller| request.run(ends, watch, caller))?;

        let (result, undelivered) = outcome.unwrap_or_else(|error| (Err(error), request.begun.carried().to_vec()));
        let moved = result.as_ref().map_or_else(Error::moved, |report| report.bytes);
        let [source, sink] = &ends;
        let positioned = sync_position(py, source, sink, position.map(|start| start + moved));
        let told = watch.finish(py, moved);
        let report: Report = match result {
            Ok(report) => report.into(),
            Err(error) => {
                return Err(exception(py, "transfer", watch.into_stop(), &error, &[source, sink], &undelivered));
            }
        };
        match positioned.and(told) {
            Ok(()) => Ok(report),
            Err(raised) => Err(done(py, raised, moved, report)),
        }
    })
}

/// What was raised when all was done keeps that from nobody.
pub fn done<'py>(py: Python<'py>, raised: PyErr, moved: u64, report: impl IntoPyObject<'py>) -> PyErr {
    // A class with __slots__ takes no attributes.
    let _ = raised.value(py).setattr(intern!(py, "moved"), moved);
    let _ = raised.value(py).setattr(intern!(py, "report"), report);
    raised
}

/// `TypeError` before anything moves.
pub fn callable<'a, 'py>(progress: Option<&'a Bound<'py, PyAny>>) -> PyResult<Option<&'a Bound<'py, PyAny>>> {
    match progress {
        Some(object) if !object.is_callable() => {
            Err(PyTypeError::new_err(format!("progress must be callable, not '{}'", object.get_type().name()?)))
        }
        progress => Ok(progress),
    }
}

/// Puts the file objects where the transfer has brought them. One that was closed meanwhile, or is of another file now, is
/// left alone.
pub fn sync_position(py: Python<'_>, source: &End, sink: &End, position: Option<u64>) -> PyResult<()> {
    let sought = match (&source.file, position) {
        (Some(file), Some(position)) if source.is_unchanged(py) => file.seek(py, position),
        _ => Ok(()),
    };
    let refreshed = match &sink.file {
        Some(file) if sink.is_unchanged(py) => file.refresh(py),
        _ => Ok(()),
    };
    sought.and(refreshed)
}

/// What the caller asked for.
pub struct Request {
    pub offset: Option<u64>,
    sink_offset: Option<u64>,
    pub count: Option<u64>,
    pub mechanism: Option<Mechanism>,
    pub visibility: Visibility,
    pub cache: CachePolicy,
    pub begun: Begun,
}

/// What came of it, and what was taken and not delivered.
type Outcome = (zcio::error::Result<zcio::Report>, Vec<u8>);

impl Request {
    /// `numbers` are offset, count, `dst_offset` and `read_ahead`.
    pub fn new(
        numbers: [Option<&Bound<'_, PyAny>>; 4],
        mechanism: &str,
        visibility: &str,
        drop_behind: bool,
    ) -> PyResult<Self> {
        let [offset, count, sink_offset, read_ahead] = numbers;
        let of = |object: Option<&Bound<'_, PyAny>>, name| object.map(|object| number(object, name)).transpose();
        Ok(Self {
            offset: of(offset, "offset")?,
            sink_offset: of(sink_offset, "dst_offset")?,
            count: of(count, "count")?,
            mechanism: mechanism_of(mechanism)?,
            visibility: visibility_of(visibility)?,
            cache: CachePolicy { read_ahead: of(read_ahead, "read_ahead")?, drop_behind },
            begun: Begun::default(),
        })
    }

    /// Flushes file objects, and gives back where one that is the source stands, if it is to be moved on at the end.
    ///
    /// The position of a buffered file object is in Python, not in the kernel: an explicit offset, and a seek at the end.
    pub fn begin(&mut self, py: Python<'_>, source: &End, sink: &End) -> PyResult<Option<u64>> {
        for file in [&source.file, &sink.file].into_iter().flatten() {
            file.flush(py)?;
        }
        let position = match &source.file {
            Some(file) if self.offset.is_none() => file.position(py)?,
            _ => None,
        };
        self.offset = self.offset.or(position);
        Ok(position)
    }

    /// Opens the ends and moves the bytes. Without the GIL.
    fn run(&self, ends: &[End], watch: &mut Watch, caller: &Caller<'_>) -> Outcome {
        // A destination is opened last: it may have to be created.
        let opened = opened(watch, caller, || Ok((ends[0].endpoint()?, ends[1].endpoint()?)));
        let (source, sink) = match opened {
            Ok(ends) => ends,
            Err(error) => return (Err(error), self.begun.carried().to_vec()),
        };
        let mut transfer = self.transfer(source, sink);
        watch.begin();
        let result = transfer.run_watched(|moved| caller.call(|| watch.look(moved)));
        // Should the bytes be lost, the error that led here matters more than the one met while saving them. In a child of
        // fork(2) they are its parent's.
        let undelivered = if result.is_err() && !watch.is_inherited() {
            transfer.take_undelivered().unwrap_or_default()
        } else {
            Vec::new()
        };
        (result, undelivered)
    }

    pub fn transfer<'fd>(&self, source: Endpoint<'fd>, sink: Endpoint<'fd>) -> Transfer<'fd> {
        let mut transfer =
            Transfer::new(source, sink).visibility(self.visibility).cache(self.cache).begun(self.begun.clone());
        if let Some(offset) = self.offset {
            transfer = transfer.offset(offset);
        }
        if let Some(offset) = self.sink_offset {
            transfer = transfer.sink_offset(offset);
        }
        if let Some(count) = self.count {
            transfer = transfer.count(count);
        }
        if let Some(mechanism) = self.mechanism {
            transfer = transfer.mechanism(mechanism);
        }
        transfer
    }
}

/// The exception for an operation that was stopped or failed.
pub fn exception(
    py: Python<'_>,
    operation: &str,
    stop: Option<Stop>,
    error: &Error,
    ends: &[&End],
    undelivered: &[u8],
) -> PyErr {
    match stop {
        Some(Stop::Raised(raised)) => annotated(py, operation, raised, error, undelivered),
        Some(Stop::TimedOut(timeout)) => TransferError {
            errno: Some(libc::ETIMEDOUT),
            message: &format!("timed out: nothing moved for {timeout:?}, the socket's timeout"),
            operation: "poll",
            moved: error.moved(),
            undelivered,
            ..TransferError::default()
        }
        .into_exception(py),
        Some(Stop::Exiting) | None => errors::exception(py, error, ends, undelivered),
    }
}

/// What a signal handler raised (`KeyboardInterrupt`) goes on as itself and carries what was moved, where it can.
fn annotated(py: Python<'_>, operation: &str, raised: PyErr, error: &Error, undelivered: &[u8]) -> PyErr {
    let moved = error.moved();
    let value = raised.value(py);
    // A class with __slots__ takes no attributes; its note says the same.
    let _ = value.setattr(intern!(py, "moved"), moved);
    let _ = value.setattr(intern!(py, "undelivered"), undelivered);
    let _ = raised.add_note(py, format!("zcio.{operation} was interrupted after {moved} bytes"));
    raised
}

/// `None` cannot come here; a float is a `TypeError` of Python's own.
pub fn number(object: &Bound<'_, PyAny>, name: &str) -> PyResult<u64> {
    object.extract().map_err(|error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(object.py()) {
            PyValueError::new_err(format!("{name} must be from 0 to 2**64 - 1, not {object}"))
        } else {
            error
        }
    })
}

fn mechanism_of(name: &str) -> PyResult<Option<Mechanism>> {
    if name == "auto" {
        return Ok(None);
    }
    let mechanism = name.parse().map_err(|error: Error| {
        PyValueError::new_err(format!("{}; \"auto\" leaves the choice to zcio", error.message()))
    })?;
    Ok(Some(mechanism))
}

pub fn visibility_of(name: &str) -> PyResult<Visibility> {
    match name {
        "aliased" => Ok(Visibility::Aliased),
        "snapshot" => Ok(Visibility::Snapshot),
        _ => Err(PyValueError::new_err(format!("unknown visibility {name:?}; it is \"aliased\" or \"snapshot\""))),
    }
}
