//! `zcio.SharedRegion`: memory that other processes map too, and its way to them.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyOSError, PyTimeoutError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyFrozenSet, PyTuple};
use zcio::region::{Peer, Seals};

use crate::files;
use crate::holds::Hold;
use crate::interrupt::detached;
use crate::once::{Once, intern};
use crate::region::Region;
use crate::region_errors;
use crate::region_options::count;

/// The seals by the names that the core prints.
const SEALS: [(&str, Seals); 5] = [
    ("shrink", Seals::SHRINK),
    ("grow", Seals::GROW),
    ("write", Seals::WRITE),
    ("future_write", Seals::FUTURE_WRITE),
    ("seal", Seals::SEAL),
];

/// A Region of memory that several processes share: a sealed memfd, without a name that could be left behind.
///
/// Made by `SharedRegion.create`, and received by `SharedRegion.receive` from an `AF_UNIX` socket, by `multiprocessing`
/// (as an argument, through a queue or a pipe, with every start method), `concurrent.futures`, or whatever pickles (joblib,
/// cloudpickle, dask). A pickle holds no bytes of it: it says where another process of the same user and machine finds the
/// memory, for as long as the sender keeps the region open. The memory goes with its last holder; no resource tracker looks
/// after it, and nothing is left in /dev/shm.
///
/// Seals are promises that nobody can take back: "shrink" and "grow" about its length; "write" that nobody writes any more;
/// "`future_write`" that only those write who have it mapped now; "seal" that no further seals come.
#[pyclass(frozen, extends = Region, module = "zcio")]
pub struct SharedRegion;

impl SharedRegion {
    fn make(py: Python<'_>, memory: zcio::SharedRegion) -> PyResult<Py<Self>> {
        // Teaches multiprocessing about this class, when there is the first object of it.
        static PICKLED: Once<Py<PyAny>> = Once::new();
        PICKLED.import(py, "zcio._sharing", "reduce_region")?;
        Py::new(py, PyClassInitializer::from(Region::shared(memory)).add_subclass(Self))
    }
}

fn seals_of(names: &Bound<'_, PyAny>) -> PyResult<Seals> {
    let mut seals = Seals::NONE;
    for name in names.try_iter()? {
        let name: String = name?.extract()?;
        let found = SEALS.iter().find(|(known, _)| *known == name);
        let Some((_, seal)) = found else {
            let known: Vec<_> = SEALS.iter().map(|(known, _)| *known).collect();
            return Err(PyValueError::new_err(format!("unknown seal {name:?}; the seals are {}", known.join(", "))));
        };
        seals = seals | *seal;
    }
    Ok(seals)
}

fn peer_of(user: Option<u32>, process: Option<i32>, anyone: bool) -> PyResult<Peer> {
    match (user, process, anyone) {
        (None, None, false) => Ok(Peer::SameUser),
        (Some(user), None, false) => Ok(Peer::User(user)),
        (None, Some(process), false) => Ok(Peer::Process(process)),
        (None, None, true) => Ok(Peer::Anyone),
        _ => Err(PyTypeError::new_err("only one of user, process and anyone can be given")),
    }
}

#[pymethods]
impl SharedRegion {
    /// Maps the shared memory that a path leads to: that of another process under `/proc/<pid>/fd/<number>`, its `fileno()`. With
    /// mode "r" for reading alone.
    ///
    /// It must be a memfd that is sealed against shrinking; `PermissionError` otherwise. A file is mapped by `Region.open`.
    #[staticmethod]
    #[pyo3(signature = (path, mode="r+"))]
    fn open(py: Python<'_>, path: &Bound<'_, PyAny>, mode: &str) -> PyResult<Py<Self>> {
        let access = match mode {
            "r" => libc::O_RDONLY,
            "r+" => libc::O_RDWR,
            _ => return Err(PyValueError::new_err(format!("unknown mode {mode:?}; it is \"r\" or \"r+\""))),
        };
        // What is no memory is refused afterwards, and is not to be waited for.
        let flags = access | libc::O_NONBLOCK | libc::O_NOCTTY;
        let fd = py.import(intern!(py, "os"))?.call_method1(intern!(py, "open"), (path, flags))?.extract()?;
        // SAFETY: opened just now, for this.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let memory = detached(py, || zcio::SharedRegion::from_fd(fd, Seals::NONE))?;
        let name = path.clone().unbind();
        Self::make(py, memory.map_err(|error| region_errors::exception(py, &error, Some(&name)))?)
    }

    /// Makes `length` bytes of zeroes, with memory behind every one of them, sealed against shrinking.
    ///
    /// `OSError` with ENOSPC if the system has less memory than that.
    #[staticmethod]
    fn create(py: Python<'_>, #[pyo3(from_py_with = count)] length: u64) -> PyResult<Py<Self>> {
        let memory = detached(py, || {
            let memory = zcio::SharedRegion::create(length)?;
            memory.seal(Seals::SHRINK)?;
            Ok(memory)
        })?;
        Self::make(py, memory.map_err(|error| region_errors::exception(py, &error, None))?)
    }

    /// Takes over the descriptor of a memfd that came by some way of the caller's own. It must be sealed against shrinking,
    /// and have the demanded seals; `PermissionError` otherwise.
    #[staticmethod]
    #[pyo3(signature = (fd, *, seals=None))]
    fn from_fd(py: Python<'_>, fd: RawFd, seals: Option<&Bound<'_, PyAny>>) -> PyResult<Py<Self>> {
        let demanded = seals.map_or(Ok(Seals::NONE), seals_of)?;
        if fd < 0 {
            return Err(PyValueError::new_err(format!("a file descriptor cannot be negative ({fd})")));
        }
        // SAFETY: the caller hands the descriptor over.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let memory = detached(py, || zcio::SharedRegion::from_fd(fd, demanded))?;
        Self::make(py, memory.map_err(|error| region_errors::exception(py, &error, None))?)
    }

    /// Adds seals. "write" makes this region read-only: `BufferError` while views exist here, `OSError` with EBUSY while
    /// somebody else has it mapped for writing.
    #[pyo3(signature = (*seals))]
    fn seal(slf: &Bound<'_, Self>, seals: &Bound<'_, PyTuple>) -> PyResult<()> {
        let seals = seals_of(seals)?;
        let region = slf.as_super().get();
        let shared = region.core_shared()?;
        region.run(slf.py(), || shared.seal(seals))
    }

    /// The seals it has now.
    #[getter]
    fn seals<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyFrozenSet>> {
        let region = slf.as_super().get();
        let shared = region.core_shared()?;
        let seals = region.run(slf.py(), || shared.seals())?;
        PyFrozenSet::new(slf.py(), SEALS.iter().filter(|(_, seal)| seals.contains(*seal)).map(|(name, _)| *name))
    }

    /// Makes it longer, with memory behind every new byte. `BufferError` while views exist here. Others see the new part after
    /// `refresh()`.
    fn grow(slf: &Bound<'_, Self>, #[pyo3(from_py_with = count)] length: u64) -> PyResult<()> {
        let region = slf.as_super().get();
        let shared = region.core_shared()?;
        region.run(slf.py(), || shared.grow(length))
    }

    /// Maps what another process has added. `BufferError` while views exist here.
    fn refresh(slf: &Bound<'_, Self>) -> PyResult<()> {
        let region = slf.as_super().get();
        let shared = region.core_shared()?;
        region.run(slf.py(), || shared.refresh())
    }

    /// A descriptor of the memory. It belongs to the region, and is closed with it; another one, if somebody else has closed
    /// it or has put another file in its place.
    fn fileno(slf: &Bound<'_, Self>) -> PyResult<RawFd> {
        slf.as_super().get().number(slf.py())
    }

    /// For pickles of every kind, which say where another process of this machine finds the memory.
    fn __reduce_ex__<'py>(slf: &Bound<'py, Self>, protocol: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        static REDUCE: Once<Py<PyAny>> = Once::new();
        let _ = protocol;
        REDUCE.import(slf.py(), "zcio._sharing", "reduce_for_anyone")?.call1((slf,))
    }

    fn __copy__(slf: &Bound<'_, Self>) -> PyResult<()> {
        region_errors::refuse_copies(slf)
    }

    fn __deepcopy__(slf: &Bound<'_, Self>, memo: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = memo;
        region_errors::refuse_copies(slf)
    }

    /// Hands it to the process at the other end of an `AF_UNIX` socket: its descriptor, so that this takes microseconds
    /// whatever its length. The other side is `SharedRegion.receive`, in Java `SharedRegion.receive` too.
    ///
    /// The peer must belong to this process's effective user; or be that user, or that process; or anyone. It is
    /// `PermissionError` if it is not. The socket's timeout counts; a non-blocking one may raise `BlockingIOError`.
    #[pyo3(signature = (sock, *, user=None, process=None, anyone=false))]
    fn send(
        slf: &Bound<'_, Self>,
        sock: &Bound<'_, PyAny>,
        user: Option<u32>,
        process: Option<i32>,
        anyone: bool,
    ) -> PyResult<()> {
        let (peer, region) = (peer_of(user, process, anyone)?, slf.as_super().get());
        let shared = region.core_shared()?;
        Waiting::new(sock)?.run("POLLOUT", |fd| shared.send(fd, peer))
    }

    /// Takes what the process at the other end sends, if it is an accepted peer (see `send`) and the memory has the demanded
    /// seals, "shrink" always among them. `PermissionError` otherwise.
    ///
    /// It can be written if its seals allow that. Demand "write" if the bytes must not change any more.
    #[staticmethod]
    #[pyo3(signature = (sock, *, seals=None, user=None, process=None, anyone=false))]
    fn receive(
        py: Python<'_>,
        sock: &Bound<'_, PyAny>,
        seals: Option<&Bound<'_, PyAny>>,
        user: Option<u32>,
        process: Option<i32>,
        anyone: bool,
    ) -> PyResult<Py<Self>> {
        let (peer, seals) = (peer_of(user, process, anyone)?, seals.map_or(Ok(Seals::NONE), seals_of)?);
        let waiting = Waiting::new(sock)?;
        // Not only when something has come: nothing may ever come from a stranger.
        peer.check(waiting.fd()?).map_err(|error| region_errors::exception(py, &error, None))?;
        let memory = waiting.run("POLLIN", |fd| zcio::SharedRegion::receive(fd, peer, seals))?;
        Self::make(py, memory)
    }
}

/// A socket, and how long to wait for it. It is held: memory must not go to whoever has its number after a close.
struct Waiting<'py> {
    py: Python<'py>,
    socket: Hold,
    /// `None`: for ever. Zero: not at all.
    timeout: Option<Duration>,
}

impl<'py> Waiting<'py> {
    fn new(socket: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = socket.py();
        let number = || socket.call_method0(intern!(py, "fileno"))?.extract::<RawFd>();
        let closed = || PyValueError::new_err("the socket is closed");
        // First of all what is closed says so.
        if number()? < 0 {
            return Err(closed());
        }
        files::transparent(socket, "sock")?;
        let held = match number()? {
            closed_now if closed_now < 0 => return Err(closed()),
            number => Hold::of_number(py, number)?,
        };
        let timeout: Option<f64> = match socket.getattr_opt(intern!(py, "gettimeout"))? {
            Some(gettimeout) => gettimeout.call0()?.extract()?,
            None => None,
        };
        let timeout = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Ok(Self { py, socket: held, timeout })
    }

    /// `OSError` for what is no stream, and so no socket.
    fn fd(&self) -> PyResult<BorrowedFd<'_>> {
        let not_a_socket = || PyOSError::new_err((libc::ENOTSOCK, "Socket operation on non-socket"));
        self.socket.stream().ok_or_else(not_a_socket)
    }

    /// Runs an operation when the socket is ready. Waiting is Python's own `poll()`, so that Ctrl-C works.
    fn run<T: Send>(
        &self,
        event: &str,
        operation: impl Fn(BorrowedFd<'_>) -> zcio::error::Result<T> + Sync,
    ) -> PyResult<T> {
        let (py, fd) = (self.py, self.fd()?);
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        loop {
            if self.timeout != Some(Duration::ZERO) {
                self.wait(fd, event, deadline)?;
            }
            match detached(py, || operation(fd))? {
                Ok(value) => return Ok(value),
                // Somebody else was quicker.
                Err(error) if error.errno() == Some(libc::EAGAIN) && self.timeout != Some(Duration::ZERO) => {}
                Err(error) => return Err(region_errors::exception(py, &error, None)),
            }
        }
    }

    fn wait(&self, fd: BorrowedFd<'_>, event: &str, deadline: Option<Instant>) -> PyResult<()> {
        let select = self.py.import(intern!(self.py, "select"))?;
        let poll = select.call_method0("poll")?;
        poll.call_method1("register", (fd.as_raw_fd(), select.getattr(event)?))?;
        let milliseconds = deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            left.as_micros().div_ceil(1000) as u64
        });
        if poll.call_method1("poll", (milliseconds,))?.is_truthy()? {
            return Ok(());
        }
        Err(PyTimeoutError::new_err("timed out"))
    }
}
