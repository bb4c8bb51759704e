//! The short way of `zcio.transfer` for a few kilobytes of a file to a TCP socket, where looking at the arguments closely
//! would take longer than sending them.
//!
//! Only for a bare number, or an object of exactly the class that `open()` and `socket` make: those have no surprises. A
//! socket object is kept open meanwhile (`Kept`), so that a close in another thread cannot lead the bytes to another file.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyType};
use zcio::transfer::{Attempted, Begun};
use zcio::{Side, Transfer};

use crate::descriptors::{borrow, duplicate};
use crate::errors;
use crate::interrupt::detached;
use crate::once::Once;

/// Makes the transfer, if it can be made the short way; else says what has been sent of it.
pub fn attempt(
    py: Python<'_>,
    src: &Bound<'_, PyAny>,
    dst: &Bound<'_, PyAny>,
    offset: &Bound<'_, PyAny>,
    count: &Bound<'_, PyAny>,
) -> PyResult<Attempted> {
    let nothing = Attempted::Begun(Begun::default());
    // What is wrong with them is told where they are looked at more closely.
    let (Ok(offset), Ok(count @ 1..=Attempted::MOST)) = (offset.extract(), count.extract()) else { return Ok(nothing) };
    let (Some(source), Some(sink)) = (number(src, &FILES)?, number(dst, &SOCKETS)?) else { return Ok(nothing) };
    let kept = Kept::new(dst, sink)?;
    let attempted = detached(py, || {
        Transfer::attempt(borrow(source), kept.duplicate().unwrap_or_else(|| borrow(sink)), offset, count)
    });
    kept.release(dst)?;
    attempted?.map_err(|error| errors::exception(py, &error, &[], &[]))
}

/// Classes of a module, looked up once.
type Classes = (Once<Vec<Py<PyType>>>, Side);

static FILES: Classes = (Once::new(), Side::Source);
static SOCKETS: Classes = (Once::new(), Side::Sink);

/// The descriptor of a bare number or of an object of one of these classes; `None` for anything else, and anything closed.
fn number(object: &Bound<'_, PyAny>, classes: &Classes) -> PyResult<Option<i32>> {
    let py = object.py();
    if object.is_exact_instance_of::<PyInt>() {
        return Ok(object.extract().ok().filter(|&number: &i32| number >= 0));
    }
    let found = classes.0.get_or_try_init(py, || {
        let (module, names): (_, &[&str]) = match classes.1 {
            Side::Source => ("io", &["FileIO", "BufferedReader"]),
            Side::Sink => ("socket", &["socket"]),
        };
        let module = py.import(module)?;
        let class = |name: &&str| Ok(module.getattr(*name)?.cast_into::<PyType>()?.unbind());
        names.iter().map(class).collect::<PyResult<Vec<_>>>()
    })?;
    let raw;
    let object = match &found[..] {
        // What is behind its buffer could be anything.
        [_, buffered] if object.get_type().is(buffered) => {
            raw = object.getattr(intern!(py, "raw"))?;
            &raw
        }
        _ => object,
    };
    if !object.get_type().is(&found[0]) {
        return Ok(None);
    }
    let number = object.call_method0(intern!(py, "fileno")).and_then(|number| number.extract()).ok();
    Ok(number.filter(|&number: &i32| number >= 0))
}

/// A socket object that stays open until this is released, whoever closes it meanwhile.
enum Kept {
    /// A bare number: its owner is the caller.
    Caller,
    /// By the object's own count of users, as `socket.makefile()` keeps it: the last of them makes a close come true. It is
    /// cheaper than a duplicate, which takes two system calls.
    Counted,
    Duplicate(OwnedFd),
}

impl Kept {
    fn new(socket: &Bound<'_, PyAny>, number: i32) -> PyResult<Self> {
        let py = socket.py();
        if socket.is_exact_instance_of::<PyInt>() {
            return Ok(Self::Caller);
        }
        // The count belongs to Python's own code, which changes it without a lock but the GIL.
        if has_gil(py)? && add_user(socket, 1).is_ok() {
            return Ok(Self::Counted);
        }
        duplicate(py, number).map(Self::Duplicate)
    }

    fn duplicate(&self) -> Option<BorrowedFd<'_>> {
        if let Self::Duplicate(fd) = self { Some(fd.as_fd()) } else { None }
    }

    fn release(self, socket: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = socket.py();
        if let Self::Counted = self
            && add_user(socket, -1)? <= 0
            && socket.getattr(intern!(py, "_closed"))?.is_truthy()?
        {
            socket.call_method0(intern!(py, "close"))?;
        }
        Ok(())
    }
}

fn add_user(socket: &Bound<'_, PyAny>, change: i32) -> PyResult<i32> {
    let name = intern!(socket.py(), "_io_refs");
    let users = socket.getattr(name)?.extract::<i32>()? + change;
    socket.setattr(name, users)?;
    Ok(users)
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
