//! An object of exactly the class that `open()` and `socket` make, kept open while its number is used: those have no surprises, and
//! to keep one takes no system call.

use std::os::fd::RawFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyType};
use zcio::apart::Process;
use zcio::transfer::{Place, Waits};
use zcio::{Kind, Side};

use crate::holds::borrow;
use crate::once::{Once, intern};

/// A descriptor, and the object that keeps it open until this is dropped, whoever closes it meanwhile.
pub struct Kept<'py> {
    pub number: RawFd,
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
    pub fn new(end: &Bound<'py, PyAny>, side: Side) -> PyResult<Option<Self>> {
        if end.is_exact_instance_of::<PyInt>() {
            let number = end.extract().ok().filter(|&number: &RawFd| number >= 0);
            return Ok(number.map(|number| Self { number, object: None }));
        }
        let Some(object) = keep(end, side)? else { return Ok(None) };
        // Kept first and asked then, so that nothing comes in between.
        let mut kept = Self { number: -1, object: Some(object) };
        let number = kept.object.as_ref().map(|(object, _)| object.call_method0(intern!(object.py(), "fileno")));
        kept.number = number.and_then(|number| number.ok()?.extract().ok()).unwrap_or(-1);
        Ok((kept.number >= 0).then_some(kept))
    }
}

fn keep<'py>(end: &Bound<'py, PyAny>, side: Side) -> PyResult<Option<(Bound<'py, PyAny>, Keeper<'py>)>> {
    if let Some(socket) = plain(end, Class::Socket)? {
        return Ok(add_user(&socket, 1).is_ok().then_some((socket, Keeper::Count)));
    }
    let class = if side == Side::Source { Class::Reader } else { Class::Writer };
    let Some(file) = plain(end, class)? else { return Ok(None) };
    Ok(Closing::of(&file)?.map(|hook| (file, Keeper::Hook(hook))))
}

impl Kept<'_> {
    /// Whether it is a bare number, whose owner may give it another meaning.
    pub fn is_number(&self) -> bool {
        self.object.is_none()
    }

    /// The place that a file is; `None` for anything else. Whether it has a position Python remembers, when it was asked once.
    pub fn place(&self, is_asked: bool) -> PyResult<Option<Place<'static>>> {
        let Some((file, Keeper::Hook(_))) = &self.object else { return Ok(None) };
        let is_seekable = is_asked && file.call_method0(intern!(file.py(), "seekable"))?.is_truthy()?;
        Ok(Some(Place { fd: borrow(self.number), is_seekable }))
    }

    /// What the socket object knows of itself: which stream it is, and whether it waits.
    pub fn stream(&self) -> PyResult<Option<(Kind, Waits)>> {
        // As the class in C says it: Python's own makes an enum of each number.
        static ASK: Once<[Py<PyAny>; 4]> = Once::new();
        let Some((socket, Keeper::Count)) = &self.object else { return Ok(None) };
        let py = socket.py();
        let ask = ASK.get_or_try_init(py, || {
            let class = py.import("_socket")?.getattr("socket")?;
            let ask = |name| Ok::<_, PyErr>(class.getattr(name)?.getattr("__get__")?.unbind());
            Ok([ask("family")?, ask("type")?, ask("proto")?, ask("timeout")?])
        })?;
        let number = |which: usize| ask[which].bind(py).call1((socket,))?.extract::<i32>();
        let is_tcp = [0, libc::IPPROTO_TCP, libc::IPPROTO_MPTCP].contains(&number(2)?);
        let kind = match number(0)? {
            _ if number(1)? & 0xf != libc::SOCK_STREAM => return Ok(None),
            libc::AF_INET | libc::AF_INET6 if is_tcp => Kind::Tcp,
            libc::AF_UNIX => Kind::UnixStream,
            _ => return Ok(None),
        };
        let timeout: Option<f64> = ask[3].bind(py).call1((socket,))?.extract()?;
        Ok(Some((kind, if timeout == Some(0.0) { Waits::Never } else { Waits::Asked })))
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

/// What an end may be an object of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Reader,
    Writer,
    Socket,
}

/// The raw file or the socket, if it is of exactly the class that Python's own functions make, and Python has its GIL, by
/// which these objects' own code excludes others.
pub fn plain<'py>(object: &Bound<'py, PyAny>, class: Class) -> PyResult<Option<Bound<'py, PyAny>>> {
    static READERS: Once<Vec<Py<PyType>>> = Once::new();
    static WRITERS: Once<Vec<Py<PyType>>> = Once::new();
    static SOCKETS: Once<Vec<Py<PyType>>> = Once::new();
    let py = object.py();
    let (found, module, names): (_, _, &[&str]) = match class {
        Class::Reader => (&READERS, "io", &["FileIO", "BufferedReader"]),
        Class::Writer => (&WRITERS, "io", &["FileIO", "BufferedWriter"]),
        Class::Socket => (&SOCKETS, "socket", &["socket"]),
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
    let plain = object.get_type().is(&classes[0]) && (class == Class::Socket || is_bare(&object)?) && has_gil(py)?;
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
