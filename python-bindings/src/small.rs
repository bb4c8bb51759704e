//! The short way of `zcio.transfer` for some pages of a file to a socket, a pipe or a file, and of a pipe or a socket to a file, where
//! looking at the arguments closely would take longer than moving them. Nothing waits for the peer in it.
//!
//! Only for a bare number, or an object of exactly the class that `open()` and `socket` make: those have no surprises. Such an
//! object is kept open meanwhile (`Kept`), so that a close in another thread cannot lead to another file. A bare number is
//! handed to the kernel right away, as `os.sendfile` does. Where a second look is needed, for the rest, it must find what the
//! first one has found.

use std::os::fd::{BorrowedFd, RawFd};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyInt;
use zcio::apart::{identity, size_and_position};
use zcio::transfer::{Attempted, Begun, Origin, Stream, Waits};
use zcio::{Kind, Side, Transfer};

use crate::borrowed_buffer::BorrowedBuffer;
use crate::descriptors::End;
use crate::errors::{self, TransferError};
use crate::files;
use crate::holds::{Hold, borrow};
use crate::interrupt::detached;
use crate::kept::{Class, Kept, plain};
use crate::once::intern;
use crate::report::Report;
use crate::transfer::done;

/// What the short way did.
pub enum Attempt {
    Done(zcio::Report),
    Begun(Part),
}

/// How far it came, and the ends that the rest is for, if that is not all.
#[derive(Default)]
pub struct Part {
    pub begun: Begun,
    ends: Option<Box<[End; 2]>>,
}

impl Part {
    /// The ends, for the rest.
    pub fn ends(self, src: &Bound<'_, PyAny>, dst: &Bound<'_, PyAny>) -> PyResult<[End; 2]> {
        match self.ends {
            Some(ends) => Ok(*ends),
            None => both(src, dst),
        }
    }
}

fn both(src: &Bound<'_, PyAny>, dst: &Bound<'_, PyAny>) -> PyResult<[End; 2]> {
    Ok([End::new(src, Side::Source)?, End::new(dst, Side::Sink)?])
}

/// What is to be moved.
struct Asked<'a, 'py> {
    src: &'a Bound<'py, PyAny>,
    dst: &'a Bound<'py, PyAny>,
    offset: Option<u64>,
    count: Option<u64>,
    /// Nothing may wait, not for a disk either.
    in_loop: bool,
}

/// Makes the transfer, if it can be made the short way; else says what has been sent of it. In an event loop it waits for nothing at
/// all.
pub fn attempt(
    src: &Bound<'_, PyAny>,
    dst: &Bound<'_, PyAny>,
    offset: Option<&Bound<'_, PyAny>>,
    count: Option<&Bound<'_, PyAny>>,
    in_loop: bool,
) -> PyResult<Attempt> {
    // What is wrong with them is told where they are looked at more closely.
    let (Ok(offset), Ok(count)) = (extracted(offset), extracted(count)) else { return Ok(nothing()) };
    let asked = Asked { src, dst, offset, count, in_loop };
    match BorrowedBuffer::plain(src)? {
        Some(memory) => asked.of_memory(&memory),
        None => asked.of_file(),
    }
}

fn nothing() -> Attempt {
    Attempt::Begun(Part::default())
}

/// What the two ends are, each if it is to be known.
type Identities = [Option<(u64, u64)>; 2];

impl Asked<'_, '_> {
    fn of_memory(&self, memory: &BorrowedBuffer) -> PyResult<Attempt> {
        let Some(sink) = Kept::new(self.dst, Side::Sink)? else { return Ok(nothing()) };
        let Some(to) = self.stream(&sink)? else { return Ok(nothing()) };
        let end = memory.endpoint(Side::Source);
        let (offset, count) = (self.offset, self.count);
        let work = || Ok(Transfer::first(Origin::Memory(&end), to, offset, count)?);
        let (attempted, known) = self.tried(work, None, || [None, identity(to.fd)])?;
        match self.plainly(attempted)? {
            Attempted::Done(report) => Ok(Attempt::Done(report)),
            Attempted::Begun(begun) => self.rest(begun, known),
        }
    }

    fn of_file(&self) -> PyResult<Attempt> {
        let py = self.src.py();
        // Before the files are kept: a thread that closes such an object has its lock, and waits for whoever keeps the file.
        let reader = Reader::new(self.src, self.offset.is_none())?;
        let is_raw = !is_buffered(self.src, Class::Reader)?;
        let writer = !self.in_loop && is_buffered(self.dst, Class::Writer)?;
        if writer && self.dst.call_method0(intern!(py, "flush")).is_err() {
            return Ok(nothing());
        }
        let Some(source) = Kept::new(self.src, Side::Source)? else { return Ok(nothing()) };
        let Some(sink) = Kept::new(self.dst, Side::Sink)? else { return Ok(nothing()) };
        let stream = self.stream(&sink)?;
        if self.in_loop && stream.is_none() {
            return Ok(nothing());
        }
        let [from, to] = [source.number, sink.number].map(borrow);
        if let Some((kind, _)) = source.stream()? {
            return self.of_socket((source, kind), sink, writer);
        }
        let offset = self.offset.or(reader.as_ref().map(|reader| reader.position));
        let place = sink.place(offset.is_none())?;
        // What a stream has given to its reader's buffer goes first; and a number may be anything.
        if place.is_some() && (source.is_number() || offset.is_none() && !is_raw) {
            return Ok(nothing());
        }
        let is_said = self.count.is_some() && (self.offset.is_some() || place.is_some());
        let whole = if is_said { None } else { size_and_position(from) };
        let start = offset.or(whole.map(|(_, position)| position));
        let count = match (self.count, whole) {
            (Some(count), _) if is_said || whole.is_some() => count,
            (None, Some((size, _))) => size.saturating_sub(start.unwrap_or(0)),
            _ => 0,
        };
        if !(1..=Attempted::MOST).contains(&count) {
            return Ok(nothing());
        }
        let identities = || [from, to].map(identity);
        let may_be_reused = count > Attempted::FEW && (source.is_number() || sink.is_number());
        let before = (may_be_reused || reader.is_some()).then(identities);
        let in_loop = self.in_loop;
        let work = || match (stream, place) {
            _ if in_loop && !is_cached(from, start, count) => Ok(Attempted::Begun(Begun::default())),
            (Some(stream), _) if stream.waits == Waits::Never || stream.kind == Kind::UnixStream => {
                Ok(Transfer::first(Origin::File(from), stream, offset, Some(count))?)
            }
            (_, Some(place)) => Ok(Transfer::first_into(from, place, offset, count)),
            _ => Transfer::attempt(from, to, offset, count),
        };
        let (attempted, known) = self.tried(work, before, identities)?;
        let moved = match &attempted {
            Ok(Attempted::Done(report)) => report.bytes,
            Ok(Attempted::Begun(begun)) => begun.moved(),
            Err(error) => error.moved(),
        };
        let ended = match attempted {
            Ok(Attempted::Done(mut report)) => {
                report.requested = self.count;
                Ok(report)
            }
            // The objects are kept until those of the rest are held.
            Ok(Attempted::Begun(begun)) => match self.rest(begun, known) {
                Err(lost) => Err(lost),
                rest => return rest,
            },
            Err(error) => Err(errors::exception(py, &error, &[], &[])),
        };
        drop((source, sink));
        self.refresh(writer);
        let left = match (reader, known) {
            (Some(reader), Some([file, _])) => reader.leave_behind(moved, file),
            _ => Ok(()),
        };
        let report = ended?;
        left.map_err(|raised| done(py, raised, moved, Report::from(report.clone())))?;
        Ok(Attempt::Done(report))
    }

    /// Up to what is copied, and into a file.
    fn of_socket(&self, (source, kind): (Kept<'_>, Kind), sink: Kept<'_>, writer: bool) -> PyResult<Attempt> {
        let (Some(place), Some(count), None) = (sink.place(true)?, self.count, self.offset) else {
            return Ok(nothing());
        };
        let from = borrow(source.number);
        let work = || Transfer::first_from(from, kind, place, count);
        let (attempted, known) = self.tried(work, None, || [from, place.fd].map(identity))?;
        match self.plainly(attempted)? {
            Attempted::Done(report) => {
                drop((source, sink));
                self.refresh(writer);
                Ok(Attempt::Done(report))
            }
            Attempted::Begun(begun) => self.rest(begun, known),
        }
    }

    /// A buffered sink notices where its descriptor is now; one that was closed meanwhile, or is a stream, is nowhere.
    fn refresh(&self, writer: bool) {
        if writer {
            let _ = self.dst.call_method0(intern!(self.dst.py(), "tell"));
        }
    }

    /// The sink, if its object says that it is a stream, and it waits for nobody if it must not.
    fn stream(&self, sink: &Kept<'_>) -> PyResult<Option<Stream<'static>>> {
        Ok(sink.stream()?.filter(|(_, waits)| !self.in_loop || *waits == Waits::Never).map(|(kind, waits)| Stream {
            fd: borrow(sink.number),
            kind,
            waits,
        }))
    }

    fn tried(
        &self,
        work: impl FnOnce() -> zcio::error::Result<Attempted> + Send,
        before: Option<Identities>,
        identities: impl FnOnce() -> Identities + Send,
    ) -> PyResult<(zcio::error::Result<Attempted>, Option<Identities>)> {
        detached(self.src.py(), || {
            let attempted = work();
            // A few pages are not worth it before, but at once if it has to be.
            let partly = matches!(&attempted, Ok(Attempted::Begun(begun)) if !is_nothing(begun));
            (attempted, before.or_else(|| partly.then(identities)))
        })
    }

    /// What was tried where nothing is left to be done about an end after an error.
    fn plainly(&self, attempted: zcio::error::Result<Attempted>) -> PyResult<Attempted> {
        attempted.map_err(|error| errors::exception(self.src.py(), &error, &[], &[]))
    }

    /// What is left, with the ends that it is for, which must be what they were.
    fn rest(&self, begun: Begun, known: Option<Identities>) -> PyResult<Attempt> {
        let py = self.src.py();
        if is_nothing(&begun) {
            return Ok(Attempt::Begun(Part { begun, ends: None }));
        }
        let same = |ends: &[End; 2]| Some([0, 1].map(|end| ends[end].hold().and_then(Hold::identity))) == known;
        match both(self.src, self.dst) {
            Ok(ends) if same(&ends) => Ok(Attempt::Begun(Part { begun, ends: Some(Box::new(ends)) })),
            // Its number means something else by now, or nothing.
            Ok(_) => Err(lost(py, &begun)),
            Err(error) if error.is_instance_of::<PyValueError>(py) => {
                let lost = lost(py, &begun);
                lost.set_cause(py, Some(error));
                Err(lost)
            }
            // An interrupt, or no descriptor left.
            Err(error) => {
                // A class with __slots__ takes no attributes.
                let _ = error.value(py).setattr(intern!(py, "moved"), begun.moved());
                let _ = error.value(py).setattr(intern!(py, "undelivered"), begun.carried());
                Err(error)
            }
        }
    }
}

/// Whether it is as if nothing had been tried.
fn is_nothing(begun: &Begun) -> bool {
    begun.moved() == 0 && begun.carried().is_empty()
}

/// Whether no disk has to be waited for, as far as that can be known.
fn is_cached(file: BorrowedFd<'_>, start: Option<u64>, count: u64) -> bool {
    start.is_some_and(|start| zcio::residency(file, start, count).is_ok_and(|found| found.is_complete()))
}

fn extracted(number: Option<&Bound<'_, PyAny>>) -> PyResult<Option<u64>> {
    number.map(PyAnyMethods::extract).transpose()
}

/// Whether it is a file that has a buffer.
fn is_buffered(object: &Bound<'_, PyAny>, class: Class) -> PyResult<bool> {
    Ok(plain(object, class)?.is_some_and(|raw| !raw.is(object)))
}

/// A buffered file, which alone knows its position.
struct Reader<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    position: u64,
}

impl<'a, 'py> Reader<'a, 'py> {
    /// `None` for anything else, if its position is not asked for, and if it has none.
    fn new(object: &'a Bound<'py, PyAny>, asked: bool) -> PyResult<Option<Self>> {
        let py = object.py();
        if !asked || object.is_exact_instance_of::<PyInt>() {
            return Ok(None);
        }
        let position =
            if is_buffered(object, Class::Reader)? { object.call_method0(intern!(py, "tell")).ok() } else { None };
        Ok(position.and_then(|position| position.extract().ok()).map(|position| Self { object, position }))
    }

    /// Makes it stand behind the bytes that were sent, all of them or some before an error, unless it was closed meanwhile.
    fn leave_behind(&self, moved: u64, file: Option<(u64, u64)>) -> PyResult<()> {
        let py = self.object.py();
        let number = self.object.call_method0(intern!(py, "fileno")).and_then(|number| number.extract::<RawFd>());
        if number.is_ok_and(|number| number >= 0 && identity(borrow(number)) == file) {
            files::seek(self.object, self.position + moved)?;
        }
        Ok(())
    }
}

/// An end was closed while the first part of a transfer was made.
fn lost(py: Python<'_>, begun: &Begun) -> PyErr {
    TransferError {
        errno: Some(libc::EBADF),
        message: "an end was closed meanwhile",
        operation: "sendfile",
        moved: begun.moved(),
        undelivered: begun.carried(),
        ..TransferError::default()
    }
    .into_exception(py)
}
