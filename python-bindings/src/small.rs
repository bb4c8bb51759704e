//! The short way of `zcio.transfer` for a few kilobytes of a file to a TCP socket, where looking at the arguments closely
//! would take longer than sending them.
//!
//! Only for a bare number, or an object of exactly the class that `open()` and `socket` make: those have no surprises. A
//! socket object is duplicated here as well, so that a close in another thread cannot lead the bytes to another file.

use std::os::fd::AsFd;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyInt, PyType};
use zcio::transfer::{Attempted, Begun};
use zcio::{Side, Transfer};

use crate::descriptors::{borrow, duplicate};
use crate::errors;
use crate::interrupt::detached;

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
    let kept = if dst.is_exact_instance_of::<PyInt>() { None } else { Some(duplicate(py, sink)?) };
    let attempted = detached(py, || {
        let sink = kept.as_ref().map_or_else(|| borrow(sink), AsFd::as_fd);
        Transfer::attempt(borrow(source), sink, offset, count)
    })?;
    attempted.map_err(|error| errors::exception(py, &error, &[], &[]))
}

/// Classes of a module, looked up once.
type Classes = (PyOnceLock<Vec<Py<PyType>>>, Side);

static FILES: Classes = (PyOnceLock::new(), Side::Source);
static SOCKETS: Classes = (PyOnceLock::new(), Side::Sink);

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
    let class = object.get_type();
    let plain = if found[0].is(&class) {
        true
    } else if found.get(1).is_some_and(|buffered| buffered.is(&class)) {
        // What is behind its buffer could be anything.
        found[0].is(object.getattr(intern!(py, "raw"))?.get_type())
    } else {
        false
    };
    if !plain {
        return Ok(None);
    }
    let number = object.call_method0(intern!(py, "fileno")).and_then(|number| number.extract()).ok();
    Ok(number.filter(|&number: &i32| number >= 0))
}
