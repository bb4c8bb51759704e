//! The short way of `zcio.transfer` for a few kilobytes of a file to a TCP socket, where looking at the arguments closely
//! would take longer than sending them.
//!
//! Only for a bare number, or an object of exactly the class that `open()` and `socket` make: those have no surprises. Such an
//! object is kept open meanwhile (`Kept`), so that a close in another thread cannot lead to another file. A bare number is
//! handed to the kernel right away, as `os.sendfile` does; where a second look at it is needed, it is held before that.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyType};
use zcio::transfer::{Attempted, Begun};
use zcio::{Side, Transfer};

use crate::descriptors::End;
use crate::errors;
use crate::holds::{Hold, borrow};
use crate::interrupt::detached;
use crate::once::{Once, intern};

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
            None => Ok([End::new(src, Side::Source)?, End::new(dst, Side::Sink)?]),
        }
    }
}

/// Makes the transfer, if it can be made the short way; else says what has been sent of it.
pub fn attempt(
    py: Python<'_>,
    src: &Bound<'_, PyAny>,
    dst: &Bound<'_, PyAny>,
    offset: &Bound<'_, PyAny>,
    count: &Bound<'_, PyAny>,
) -> PyResult<Attempt> {
    let nothing = || Ok(Attempt::Begun(Part::default()));
    // What is wrong with them is told where they are looked at more closely.
    let (Ok(offset), Ok(count @ 1..=Attempted::MOST)) = (offset.extract(), count.extract()) else { return nothing() };
    let Some(source) = Kept::new(src, Side::Source)? else { return nothing() };
    let Some(sink) = Kept::new(dst, Side::Sink)? else { return nothing() };
    let (from, to) = (source.number, sink.duplicate.as_ref().map_or_else(|| borrow(sink.number), AsFd::as_fd));
    let numbers = [(source.object.is_none(), from), (sink.object.is_none(), sink.number)];
    let attempted = detached(py, || {
        let attempted = Transfer::attempt(borrow(from), to, offset, count)?;
        // Before anybody else has the GIL.
        let rest = matches!(attempted, Attempted::Begun(begun) if begun.has_moved());
        let holds = numbers.map(|(bare, number)| (rest && bare).then(|| Hold::new(number)));
        Ok((attempted, holds))
    })?;
    let (attempted, holds) = attempted.map_err(|error| errors::exception(py, &error, &[], &[]))?;
    let begun = match attempted {
        Attempted::Done(report) => return Ok(Attempt::Done(report)),
        Attempted::Begun(begun) => begun,
    };
    let ends = if begun.has_moved() {
        let [from, to] = holds;
        Some(Box::new([end(src, from, Side::Source)?, end(dst, to, Side::Sink)?]))
    } else {
        None
    };
    Ok(Attempt::Begun(Part { begun, ends }))
}

/// The end for the rest: what is held already, or what the object, which is still kept, has.
fn end(object: &Bound<'_, PyAny>, hold: Option<zcio::Result<Hold>>, side: Side) -> PyResult<End> {
    match hold {
        Some(hold) => {
            let hold = hold.map_err(|error| errors::exception(object.py(), &error, &[], &[]))?;
            Ok(End::of_hold(hold, side))
        }
        None => End::new(object, side),
    }
}

/// A descriptor, and the object that keeps it open until this is dropped, whoever closes it meanwhile.
struct Kept<'py> {
    number: i32,
    /// `None` for a bare number, whose owner is the caller.
    object: Option<(Bound<'py, PyAny>, Keeper<'py>)>,
    duplicate: Option<OwnedFd>,
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
            let number = end.extract().ok().filter(|&number: &i32| number >= 0);
            return Ok(number.map(|number| Self { number, object: None, duplicate: None }));
        }
        let Some(object) = plain(end, side)? else { return Ok(None) };
        let keeper = match side {
            Side::Source => Closing::of(&object)?.map(Keeper::Hook),
            Side::Sink => add_user(&object, 1).is_ok().then_some(Keeper::Count),
        };
        let Some(keeper) = keeper else { return Ok(None) };
        // Kept first and asked then, so that nothing comes in between.
        let mut kept = Self { number: -1, object: Some((object, keeper)), duplicate: None };
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
        [_, buffered] if object.get_type().is(buffered) => object.getattr(intern!(py, "raw"))?,
        _ => object.clone(),
    };
    Ok((object.get_type().is(&classes[0]) && has_gil(py)?).then_some(object))
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
/// 16 KiB, and closes then.
#[pyclass(frozen, module = "zcio._zcio")]
struct Closing {
    raw: Py<PyAny>,
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
        if let Some(found) = attributes.get_item(name)? {
            let Ok(hook) = found.cast_into::<Self>() else { return Ok(None) };
            let mut users = hook.get().users();
            let joins = !users.closing;
            users.count += usize::from(joins);
            drop(users);
            return Ok(joins.then_some(hook));
        }
        let users = Mutex::new(Users { count: 1, closing: false });
        let hook = Bound::new(raw.py(), Self { raw: raw.clone().unbind(), users, changed: Condvar::new() })?;
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
        py.detach(|| {
            let mut users = self.users();
            users.closing = true;
            while users.count > 0 {
                users = self.changed.wait(users).unwrap_or_else(PoisonError::into_inner);
            }
        });
        self.raw.bind(py).call_method0(intern!(py, "close"))
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
