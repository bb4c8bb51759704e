//! The short way of `zcio.transfer` for some pages of a file to a TCP socket, where looking at the arguments closely would
//! take longer than sending them. Nothing waits for the peer in it.
//!
//! Only for a bare number, or an object of exactly the class that `open()` and `socket` make: those have no surprises. Such an
//! object is kept open meanwhile (`Kept`), so that a close in another thread cannot lead to another file. A bare number is
//! handed to the kernel right away, as `os.sendfile` does. Where a second look is needed, for the rest, it must find what the
//! first one has found.

use std::os::fd::RawFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyType};
use zcio::apart::{Process, identity, size_and_position};
use zcio::transfer::{Attempted, Begun};
use zcio::{Side, Transfer};

use crate::descriptors::End;
use crate::errors::{self, TransferError};
use crate::files;
use crate::holds::{Hold, borrow};
use crate::interrupt::detached;
use crate::once::{Once, intern};
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

/// Makes the transfer, if it can be made the short way; else says what has been sent of it.
pub fn attempt(
    py: Python<'_>,
    src: &Bound<'_, PyAny>,
    dst: &Bound<'_, PyAny>,
    offset: Option<&Bound<'_, PyAny>>,
    count: Option<&Bound<'_, PyAny>>,
) -> PyResult<Attempt> {
    let nothing = || Ok(Attempt::Begun(Part::default()));
    // What is wrong with them is told where they are looked at more closely.
    let (Ok(given), Ok(wanted)) = (extracted(offset), extracted(count)) else { return nothing() };
    // Before the file is kept: a thread that closes the reader has its lock, and waits for whoever keeps the file.
    let reader = Reader::new(src, given.is_none())?;
    let Some(source) = Kept::new(src, Side::Source)? else { return nothing() };
    let Some(sink) = Kept::new(dst, Side::Sink)? else { return nothing() };
    let numbers = [source.number, sink.number];
    let [from, to] = numbers.map(borrow);
    let offset = given.or(reader.as_ref().map(|reader| reader.position));
    let whole = if given.is_some() && wanted.is_some() { None } else { size_and_position(from) };
    let count = match (wanted, whole) {
        (Some(count), _) if given.is_some() || whole.is_some() => count,
        (None, Some((size, position))) => size.saturating_sub(offset.unwrap_or(position)),
        _ => 0,
    };
    if !(1..=Attempted::MOST).contains(&count) {
        return nothing();
    }
    let identities = || numbers.map(|number| identity(borrow(number)));
    let before = (count > Attempted::FEW || reader.is_some()).then(identities);
    let (attempted, known) = detached(py, || {
        let attempted = Transfer::attempt(from, to, offset, count);
        // A few pages are not worth it before, but at once if it has to be.
        let partly = matches!(attempted, Ok(Attempted::Begun(begun)) if begun.moved() > 0);
        (attempted, before.or_else(|| partly.then(identities)))
    })?;
    let begun = match attempted.map_err(|error| errors::exception(py, &error, &[], &[]))? {
        Attempted::Done(mut report) => {
            report.requested = wanted;
            drop((source, sink));
            if let (Some(reader), Some([file, _])) = (reader, known) {
                let left = reader.leave_behind(&report, file);
                left.map_err(|raised| done(py, raised, report.bytes, Report::from(report.clone())))?;
            }
            return Ok(Attempt::Done(report));
        }
        Attempted::Begun(begun) if begun.moved() == 0 => return Ok(Attempt::Begun(Part { begun, ends: None })),
        Attempted::Begun(begun) => begun,
    };
    // The objects are kept until these are held.
    let same = |ends: &[End; 2]| Some([0, 1].map(|end| ends[end].hold().and_then(Hold::identity))) == known;
    match both(src, dst) {
        Ok(ends) if same(&ends) => Ok(Attempt::Begun(Part { begun, ends: Some(Box::new(ends)) })),
        // Its number means something else by now, or nothing.
        Ok(_) => Err(lost(py, begun.moved())),
        Err(error) => {
            // A class with __slots__ takes no attributes.
            let _ = error.value(py).setattr(intern!(py, "moved"), begun.moved());
            Err(error)
        }
    }
}

fn extracted(number: Option<&Bound<'_, PyAny>>) -> PyResult<Option<u64>> {
    number.map(PyAnyMethods::extract).transpose()
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
        let buffered = plain(object, Side::Source)?.is_some_and(|raw| !raw.is(object));
        let position = if buffered { object.call_method0(intern!(py, "tell")).ok() } else { None };
        Ok(position.and_then(|position| position.extract().ok()).map(|position| Self { object, position }))
    }

    /// Makes it stand behind the bytes that were sent, unless it was closed meanwhile.
    fn leave_behind(&self, report: &zcio::Report, file: Option<(u64, u64)>) -> PyResult<()> {
        let py = self.object.py();
        let number = self.object.call_method0(intern!(py, "fileno")).and_then(|number| number.extract::<RawFd>());
        if number.is_ok_and(|number| number >= 0 && identity(borrow(number)) == file) {
            files::seek(self.object, self.position + report.bytes)?;
        }
        Ok(())
    }
}

/// An end was closed while the first part of a transfer was made.
fn lost(py: Python<'_>, moved: u64) -> PyErr {
    TransferError {
        errno: Some(libc::EBADF),
        message: "an end was closed meanwhile",
        operation: "sendfile",
        moved,
        ..TransferError::default()
    }
    .into_exception(py)
}

/// A descriptor, and the object that keeps it open until this is dropped, whoever closes it meanwhile.
struct Kept<'py> {
    number: RawFd,
    /// `None` for a bare number, whose owner is the caller.
    object: Option<(Bound<'py, PyAny>, Keeper<'py>)>,
}

enum Keeper<'py> {
    /// A socket's own count of users, as `socket.makefile()` keeps it: the last of them makes a close come true. It is
    /// cheaper than a duplicate, which takes two system calls.
    Count,
    /// A file's close waits.
    Hook(Bound<'py, Closing>),
}

impl<'py> Kept<'py> {
    /// `None` for an object of another class, and for anything closed.
    fn new(end: &Bound<'py, PyAny>, side: Side) -> PyResult<Option<Self>> {
        if end.is_exact_instance_of::<PyInt>() {
            let number = end.extract().ok().filter(|&number: &RawFd| number >= 0);
            return Ok(number.map(|number| Self { number, object: None }));
        }
        let Some(object) = plain(end, side)? else { return Ok(None) };
        let keeper = match side {
            Side::Source => Closing::of(&object)?.map(Keeper::Hook),
            Side::Sink => add_user(&object, 1).is_ok().then_some(Keeper::Count),
        };
        let Some(keeper) = keeper else { return Ok(None) };
        // Kept first and asked then, so that nothing comes in between.
        let mut kept = Self { number: -1, object: Some((object, keeper)) };
        let number = kept.object.as_ref().map(|(object, _)| object.call_method0(intern!(object.py(), "fileno")));
        kept.number = number.and_then(|number| number.ok()?.extract().ok()).unwrap_or(-1);
        Ok((kept.number >= 0).then_some(kept))
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        let Some((object, keeper)) = &self.object else { return };
        let released = match keeper {
            Keeper::Count => release_user(object),
            Keeper::Hook(hook) => hook.get().release(object),
        };
        if let Err(error) = released {
            error.write_unraisable(object.py(), Some(object));
        }
    }
}

/// The raw file or the socket, if it is of exactly the class that Python's own functions make, and Python has its GIL, by
/// which these objects' own code excludes others.
fn plain<'py>(object: &Bound<'py, PyAny>, side: Side) -> PyResult<Option<Bound<'py, PyAny>>> {
    static FILES: Once<Vec<Py<PyType>>> = Once::new();
    static SOCKETS: Once<Vec<Py<PyType>>> = Once::new();
    let py = object.py();
    let (found, module, names): (_, _, &[&str]) = match side {
        Side::Source => (&FILES, "io", &["FileIO", "BufferedReader"]),
        Side::Sink => (&SOCKETS, "socket", &["socket"]),
    };
    let classes = found.get_or_try_init(py, || {
        let module = py.import(module)?;
        let class = |name: &&str| Ok(module.getattr(*name)?.cast_into::<PyType>()?.unbind());
        names.iter().map(class).collect::<PyResult<Vec<_>>>()
    })?;
    let object = match &classes[..] {
        // What is behind its buffer could be anything.
        [_, buffered] if object.get_type().is(buffered) && is_bare(object)? => object.getattr(intern!(py, "raw"))?,
        _ => object.clone(),
    };
    let plain = object.get_type().is(&classes[0]) && (side == Side::Sink || is_bare(&object)?) && has_gil(py)?;
    Ok(plain.then_some(object))
}

/// Whether a file has no attributes of its own but those that `open()` and [`Closing`] give to it: none that reads in its place.
/// Sockets can have none.
fn is_bare(file: &Bound<'_, PyAny>) -> PyResult<bool> {
    let usual = |name: Bound<'_, PyAny>| name.eq(intern!(file.py(), "name")).and_then(|is| Ok(is || name.eq("close")?));
    attributes(file)?.keys().iter().map(usual).try_fold(true, |all, one| Ok(all && one?))
}

fn release_user(socket: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = socket.py();
    if add_user(socket, -1)? <= 0 && socket.getattr(intern!(py, "_closed"))?.is_truthy()? {
        socket.call_method0(intern!(py, "close"))?;
    }
    Ok(())
}

fn add_user(socket: &Bound<'_, PyAny>, change: i32) -> PyResult<i32> {
    let name = intern!(socket.py(), "_io_refs");
    let users = socket.getattr(name)?.extract::<i32>()? + change;
    socket.setattr(name, users)?;
    Ok(users)
}

/// The `close` of a raw file while the kernel reads from it for us: it waits for that, which takes no longer than a read of
/// as much, and closes then.
#[pyclass(frozen, module = "zcio._zcio")]
struct Closing {
    raw: Py<PyAny>,
    /// Whose threads the users are: in a child of `os.fork()` there are none, and the lock may be held by nobody.
    process: Process,
    users: Mutex<Users>,
    changed: Condvar,
}

struct Users {
    count: usize,
    /// Somebody waits to close it: no more users.
    closing: bool,
}

impl Closing {
    /// One more user of the file. `None` if it is being closed, or somebody else has given it a `close` of its own.
    fn of<'py>(raw: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, Self>>> {
        let (attributes, name) = (attributes(raw)?, intern!(raw.py(), "close"));
        match attributes.get_item(name)?.map(Bound::cast_into::<Self>) {
            Some(Ok(hook)) if hook.get().process.is_this() => {
                let mut users = hook.get().users();
                let joins = !users.closing;
                users.count += usize::from(joins);
                drop(users);
                return Ok(joins.then_some(hook));
            }
            Some(Err(_)) => return Ok(None),
            Some(Ok(_)) | None => {}
        }
        let users = Mutex::new(Users { count: 1, closing: false });
        let raw = raw.clone().unbind();
        let hook = Self { raw, process: Process::this(), users, changed: Condvar::new() };
        let hook = Bound::new(attributes.py(), hook)?;
        attributes.set_item(name, &hook)?;
        Ok(Some(hook))
    }

    fn release(&self, raw: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut users = self.users();
        users.count -= 1;
        let (last, closing) = (users.count == 0, users.closing);
        drop(users);
        if last {
            attributes(raw)?.del_item(intern!(raw.py(), "close"))?;
        }
        // Waking nobody would be a system call, too.
        if last && closing {
            self.changed.notify_all();
        }
        Ok(())
    }

    fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Closing {
    fn __call__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (raw, close) = (self.raw.bind(py), intern!(py, "close"));
        if self.process.is_this() {
            py.detach(|| {
                let mut users = self.users();
                users.closing = true;
                while users.count > 0 {
                    users = self.changed.wait(users).unwrap_or_else(PoisonError::into_inner);
                }
            });
        } else if let Some(hook) = attributes(raw)?.get_item(close)?
            && hook.cast::<Self>().is_ok_and(|hook| std::ptr::eq(hook.get(), self))
        {
            attributes(raw)?.del_item(close)?;
        }
        raw.call_method0(close)
    }
}

/// An object's own attributes, which go before those of its class.
fn attributes<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    Ok(object.getattr(intern!(object.py(), "__dict__"))?.cast_into()?)
}

fn has_gil(py: Python<'_>) -> PyResult<bool> {
    static ENABLED: Once<bool> = Once::new();
    let ask = || match py.import("sys")?.getattr_opt("_is_gil_enabled")? {
        Some(ask) => ask.call0()?.is_truthy(),
        // Before 3.13 there is no interpreter without it.
        None => Ok(true),
    };
    ENABLED.get_or_try_init(py, ask).copied()
}
