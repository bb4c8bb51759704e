//! `zcio.Region`: a mapping that numpy and others live on, and that cannot be pulled away under them.
//!
//! Everything is the core's; this is arguments in, bytes and exceptions out. Views are lent by the buffer protocol
//! (`lend`), each of them a lasting one of the core, because `numpy.ndarray(buffer=…)` gives its view back and goes on
//! reading for as long as it has the object. Single bytes and contiguous assignments go through checked copies, which never fault; `region[a:b]` is a
//! `memoryview` and costs no copy.

use std::ffi::c_int;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyBufferError, PyIndexError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyMemoryView, PySlice, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};
use zcio::region::Populate;
use zcio::{Access, Advice, Error, ErrorKind};

use crate::interrupt::detached;
use crate::lend::{self, Borrowed, Memory};
use crate::once::{Once, intern};
use crate::region_errors;
use crate::region_made::{Kind, Made};
use crate::region_options::{File, Mode, Opening, count, mode_name, optional_count, protection_of, range, reserving};
use crate::residency::{Residency, items};

/// A mapped file, or memory of no file, as a buffer: what `mmap.mmap` is, but no use of it crashes.
///
/// Made by `Region.open`, `Region.anonymous` and `Region.receiving`. numpy, pyarrow and memoryview use it without a copy:
/// `numpy.asarray(region)`, `pyarrow.py_buffer(region)`; `region[a:b]` is a memoryview, `region[i]` a number. A class made of this
/// one inherits them: they make an object of it, without calling its `__init__`.
/// All offsets and lengths are in bytes; where a method takes both, they default to the whole region. Any method of a
/// closed region raises `ValueError`. Methods can be called from any thread.
///
/// Where the file was cut short by somebody else, `read`, `write` and the other methods raise `zcio.FaultedError`. A load
/// through a view (an array, a memoryview) would kill the process; with guard=True it reads zeroes instead, and the next
/// call of a method, `check()`, or the end of the with block raises `FaultedError`.
#[pyclass(frozen, subclass, weakref, module = "zcio")]
pub struct Region {
    kind: Kind,
    /// The path, as the caller gave it: any object, which may even know this one. Locked for no more than a look.
    name: Mutex<Option<Py<PyAny>>>,
}

impl Region {
    pub fn shared(memory: zcio::SharedRegion) -> Self {
        Self { kind: Kind::shared(memory), name: Mutex::new(None) }
    }

    pub fn core(&self) -> &zcio::Region {
        self.kind.core()
    }

    /// See [`Kind::core_shared`].
    pub fn core_shared(&self) -> PyResult<&zcio::SharedRegion> {
        self.kind.core_shared()
    }

    fn lock_name(&self) -> MutexGuard<'_, Option<Py<PyAny>>> {
        self.name.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, py: Python<'_>, error: &Error) -> PyErr {
        region_errors::exception(py, error, self.name(py).as_ref())
    }

    /// Fills in a buffer over all of it in the name of `owner`, which must keep this region.
    ///
    /// # Safety
    /// As [`lend::lend`].
    pub unsafe fn lend(&self, owner: Bound<'_, PyAny>, buffer: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let view = self.core().lasting_view(..).map_err(|error| {
            // SAFETY: Python's own buffer structure; it must say that nothing has been lent.
            unsafe { (*buffer).obj = std::ptr::null_mut() };
            self.failed(owner.py(), &error)
        })?;
        let (start, length, writable) = (view.as_mut_ptr(), view.len(), view.is_writable());
        // SAFETY: the view keeps the memory, and goes into the loan; the owner keeps the addresses beyond that.
        unsafe { lend::lend(owner, Memory { start, length, writable, view: Some(view) }, buffer, flags) }
    }

    /// See [`Kind::number`].
    pub fn number(&self, py: Python<'_>) -> PyResult<RawFd> {
        self.core_shared()?;
        self.run(py, || self.kind.number())
    }

    fn made<'py>(
        class: &Bound<'py, PyType>,
        region: Result<zcio::Region, Error>,
        name: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let region = region.map_err(|error| region_errors::exception(class.py(), &error, name.as_ref()))?;
        Made::of(class, Self { kind: Kind::Plain(region), name: Mutex::new(name) })
    }

    /// Runs an operation of the core without the GIL.
    pub fn run<T: Send>(&self, py: Python<'_>, operation: impl FnOnce() -> Result<T, Error> + Send) -> PyResult<T> {
        detached(py, operation)?.map_err(|error| self.failed(py, &error))
    }

    fn index(&self, key: &Bound<'_, PyAny>) -> PyResult<u64> {
        let (index, length): (i64, _) = (key.extract()?, self.core().len() as i64);
        let place = if index < 0 { index + length } else { index };
        u64::try_from(place)
            .ok()
            .filter(|&place| place < length as u64)
            .ok_or_else(|| PyIndexError::new_err("region index out of range"))
    }
}

#[pymethods]
impl Region {
    #[new]
    #[pyo3(signature = (*made))]
    fn new(made: &Bound<'_, PyTuple>) -> PyResult<Self> {
        Made::take(made)
    }

    /// Maps a file: a path, a file descriptor, or a binary file.
    ///
    /// mode is that of `numpy.memmap`: "r" to read; "r+" to read and write the file; "w+" to make a new one of `length`
    /// bytes, or to overwrite it; "c" for a private copy (copy-on-write), where the file is not changed. offset need not be
    /// a multiple of the page size; without length it goes to the end of the file.
    ///
    /// reserve=True, where stores go to a file, gives every hole in it storage now: `OSError` with ENOSPC instead of SIGBUS
    /// later. reserve=False, for private copies, asks the system not to count them as memory that may be needed
    /// (`MAP_NORESERVE`).
    ///
    /// guard=True makes a file that is cut short under the region an exception instead of the end of the process, also for
    /// those who read it through views. It installs a handler for SIGBUS, once, which stays and protects every region of
    /// the process, and hands on what is not about them. Call `faulthandler.enable()` before, not after.
    ///
    /// A descriptor is only used for the call, unless closefd=True gives it to the region, which closes it, also if this
    /// fails. A region that was opened from a path or with closefd=True can be resized together with its file. If somebody
    /// else closes that descriptor, or puts another file in its place, that one is neither cut nor closed, and a resize with
    /// the file is `OSError` with EBADF.
    #[classmethod]
    #[pyo3(signature = (file, mode="r", *, offset=0, length=None, reserve=None, guard=false, closefd=false))]
    #[allow(clippy::too_many_arguments)] // Keywords, in Python.
    fn open<'py>(
        cls: &Bound<'py, PyType>,
        file: &Bound<'_, PyAny>,
        mode: &str,
        #[pyo3(from_py_with = count)] offset: u64,
        #[pyo3(from_py_with = optional_count)] length: Option<u64>,
        reserve: Option<bool>,
        guard: bool,
        closefd: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = cls.py();
        let opening = Opening { mode: Mode::of(mode)?, offset, length, reserve, guard, closefd };
        let place = File::new(file)?;
        opening.check(&place)?;
        let name = matches!(place, File::Path(_)).then(|| file.clone().unbind());
        let hold = opening.hold(py, &place)?;
        Self::made(cls, detached(py, || opening.open(&place, hold.as_ref()))?, name)
    }

    /// Private memory of no file: `length` bytes of zeroes, readable and writable.
    ///
    /// `huge_pages` is the size in bytes of the hugetlb pages to take it from (2 MiB, 1 GiB), which the administrator has
    /// reserved; the length is rounded up to whole ones. `advise("huge_page")` asks for transparent ones instead.
    /// reserve=False asks the system not to count it as memory that may be needed (`MAP_NORESERVE`).
    #[classmethod]
    #[pyo3(signature = (length, *, huge_pages=None, reserve=None))]
    fn anonymous<'py>(
        cls: &Bound<'py, PyType>,
        #[pyo3(from_py_with = count)] length: u64,
        huge_pages: Option<u64>,
        reserve: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut options = reserving(zcio::RegionOptions::new(), reserve).length(length);
        if let Some(size) = huge_pages {
            options = options.huge_pages(size);
        }
        Self::made(cls, detached(cls.py(), || options.anonymous())?, None)
    }

    /// Memory to receive into from a TCP socket by `transfer(sock, region, mechanism="zerocopy_receive")`, which puts pages of the
    /// socket's queue in the place of its own: `length` bytes, for reading, and filled by nothing else.
    ///
    /// Zeroes at first, and again where a transfer begins to fill it, as far as its count goes.
    #[classmethod]
    fn receiving<'py>(
        cls: &Bound<'py, PyType>,
        #[pyo3(from_py_with = count)] length: u64,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::made(cls, detached(cls.py(), || zcio::Region::receiving(length))?, None)
    }

    /// The path it was opened from, as it was given; None if there was none.
    #[getter]
    fn name(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.lock_name().as_ref().map(|name| name.clone_ref(py))
    }

    /// How it is mapped: "r", "r+" or "c". Anonymous regions are "c".
    #[getter]
    fn mode(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.core().access().map(mode_name).map_err(|error| self.failed(py, &error))
    }

    /// Whether `close()` has been called.
    #[getter]
    fn closed(&self) -> bool {
        self.core().is_closed()
    }

    /// Copies bytes out of it. Fewer than asked for only at its end.
    #[pyo3(signature = (offset=0, length=None))]
    fn read<'py>(&self, py: Python<'py>, offset: u64, length: Option<u64>) -> PyResult<Bound<'py, PyBytes>> {
        let region = self.core();
        let length = region.len().saturating_sub(offset).min(length.unwrap_or(u64::MAX)) as usize;
        self.run(py, || region.check())?;
        PyBytes::new_with(py, length, |bytes| {
            region_errors::whole(self.run(py, || region.read_at(offset, bytes))?, length)
        })
    }

    /// Copies bytes out of it into a writable buffer; gives back how many, fewer than fit only at its end.
    #[pyo3(signature = (buffer, offset=0))]
    fn read_into(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>, offset: u64) -> PyResult<usize> {
        let buffer = Borrowed::new_writable(buffer)?;
        self.run(py, buffer.read_from(self.core(), offset))
    }

    /// Copies bytes into it; gives back how many. A region does not grow: fewer than were given only at its end.
    ///
    /// `TypeError` if it is read-only.
    #[pyo3(signature = (data, offset=0))]
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>, offset: u64) -> PyResult<usize> {
        let region = self.core();
        if matches!(region.access(), Ok(Access::ReadOnly)) {
            return Err(PyTypeError::new_err("the region is mapped read-only"));
        }
        let data = Borrowed::new(data)?;
        self.run(py, data.write_to(region, offset))
    }

    /// A binary file over it, for whoever takes nothing else (`numpy.load`, `zipfile`, `pandas.read_csv`, `torch.load`): it copies, at
    /// a position of its own, and can be written if the region can. It does not grow: `OSError` with ENOSPC at its end. Closing
    /// it leaves the region open.
    fn file<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        static REGION_FILE: Once<Py<PyAny>> = Once::new();
        REGION_FILE.import(slf.py(), "zcio._region_file", "region_file")?.call1((slf,))
    }

    /// Tells the kernel how a range will be used: one of ADVICE, see madvise(2).
    #[pyo3(signature = (advice, offset=0, length=None))]
    fn advise(&self, py: Python<'_>, advice: &str, offset: u64, length: Option<u64>) -> PyResult<()> {
        let advice: Advice =
            advice.parse().map_err(|error: Error| PyValueError::new_err(error.message().to_owned()))?;
        self.run(py, || self.core().advise(range(offset, length), advice))
    }

    /// Brings the pages of a range in now, so that using them causes no page fault; write=True for writing.
    #[pyo3(signature = (offset=0, length=None, *, write=false))]
    fn populate(&self, py: Python<'_>, offset: u64, length: Option<u64>, write: bool) -> PyResult<()> {
        let purpose = if write { Populate::Write } else { Populate::Read };
        self.run(py, || self.core().populate(range(offset, length), purpose))
    }

    /// Keeps a range in memory (mlock2(2)): brought in now, or with `on_fault=True` when it is first used.
    #[pyo3(signature = (offset=0, length=None, *, on_fault=false))]
    fn lock(&self, py: Python<'_>, offset: u64, length: Option<u64>, on_fault: bool) -> PyResult<()> {
        let (region, range) = (self.core(), range(offset, length));
        self.run(py, || if on_fault { region.lock_on_fault(range) } else { region.lock(range) })
    }

    /// Lets the kernel reclaim a range again. Locks do not nest.
    #[pyo3(signature = (offset=0, length=None))]
    fn unlock(&self, py: Python<'_>, offset: u64, length: Option<u64>) -> PyResult<()> {
        self.run(py, || self.core().unlock(range(offset, length)))
    }

    /// Writes the changed pages of a range back to the file, and waits for the disk unless wait=False.
    #[pyo3(signature = (offset=0, length=None, *, wait=true))]
    fn flush(&self, py: Python<'_>, offset: u64, length: Option<u64>, wait: bool) -> PyResult<()> {
        let (region, range) = (self.core(), range(offset, length));
        self.run(py, || if wait { region.flush(range) } else { region.flush_async(range) })
    }

    /// Which pages of a range are in memory.
    #[pyo3(signature = (offset=0, length=None))]
    fn residency(&self, py: Python<'_>, offset: u64, length: Option<u64>) -> PyResult<Residency> {
        self.run(py, || self.core().residency(range(offset, length))).map(Residency::from)
    }

    /// Changes what may be done with a range (mprotect(2)): "none", "r" or "rw". Its ends must be page boundaries or the
    /// region's own.
    ///
    /// `BufferError` if a right would be taken away while views (memoryviews, arrays) exist, because a store through one of
    /// them would end the process. A view taken later covers no page's right more than all have: it is read-only while a
    /// part of the region is "r", and refused (`ValueError`) while a part is "none". Until all of the region is given a right
    /// in one call, that part counts. `write` and `read_into` are checked and raise `FaultedError` where they may not go.
    /// `PermissionError` if the file was not open for writing.
    #[pyo3(signature = (protection, offset=0, length=None))]
    fn protect(&self, py: Python<'_>, protection: &str, offset: u64, length: Option<u64>) -> PyResult<()> {
        let protection = protection_of(protection)?;
        self.run(py, || self.core().protect(range(offset, length), protection))
    }

    /// Makes it longer or shorter, and with truncate=True its file too: cut where a shorter region ends, made longer if it ends
    /// before a longer one. What other programs have appended meanwhile stays. `BufferError` while views exist.
    #[pyo3(signature = (length, *, truncate=false))]
    fn resize(&self, py: Python<'_>, #[pyo3(from_py_with = count)] length: u64, truncate: bool) -> PyResult<()> {
        let region = self.core();
        self.run(py, || if truncate { region.resize_with_file(length) } else { region.resize(length) })
    }

    /// `FaultedError` if the guard had to put zeroes in the place of a page: what views read since may be zeroes, and what
    /// they wrote may be lost. It does not go away. `ValueError` if the region is closed.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.run(py, || self.core().check())
    }

    /// Releases the file and the memory now. Closing again does nothing.
    ///
    /// `BufferError` while views (memoryviews, arrays) exist, as for `mmap.close()`, and the region stays open. With
    /// strict=False it is closed under them: they read zeroes from then on, and what is written to them goes nowhere. So do
    /// arrays that have the region without a view of it (`numpy.ndarray(buffer=region)`), which nobody can know of, in either
    /// case.
    #[pyo3(signature = (*, strict=true))]
    fn close(&self, py: Python<'_>, strict: bool) -> PyResult<()> {
        let region = self.core();
        let closed = detached(py, || if strict { region.close_unviewed() } else { region.close() })?;
        closed.map_err(|error| match error.errno() {
            Some(libc::EBUSY) => PyBufferError::new_err(
                "cannot close exported pointers exist: release the views of the region first, or let them read zeroes by \
                 close(strict=False)",
            ),
            _ => self.failed(py, &error),
        })?;
        self.kind.forget_number();
        Ok(())
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        let py = slf.py();
        slf.get().check(py)?;
        Ok(slf)
    }

    /// Closes it, as `close()` does, and says so if what was read in the block may have been zeroes. An exception that is on
    /// its way is not replaced: it gets a note.
    #[pyo3(signature = (kind, value, traceback, /))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let _ = (kind, traceback);
        let harm = match self.core().check() {
            Err(error) if error.kind() == ErrorKind::Faulted => Some(error),
            _ => None,
        };
        let note = |text: String| value.call_method1(intern!(py, "add_note"), (text,)).map(drop);
        match (self.close(py, true), harm) {
            (closed, None) if value.is_none() => closed,
            (closed, Some(harm)) if value.is_none() => {
                let raised = self.failed(py, &harm);
                closed.or_else(|open| raised.add_note(py, format!("the zcio.Region is still open: {open}")))?;
                Err(raised)
            }
            (closed, harm) => {
                closed.or_else(|open| note(format!("the zcio.Region is still open: {open}")))?;
                harm.map_or(Ok(()), |_| note("the zcio.Region had lost pages".to_owned()))
            }
        }
    }

    #[allow(clippy::needless_pass_by_value)] // The protocol's signature.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Never waits: whoever holds the lock also holds a reference, so that there is nothing to collect.
        self.name.try_lock().map_or(Ok(()), |name| visit.call(&*name))
    }

    fn __clear__(&self) {
        // Dropped without the lock: its destructor may ask for the name.
        let name = self.lock_name().take();
        drop(name);
    }

    fn __len__(&self) -> usize {
        self.core().len() as usize
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, region) = (slf.py(), slf.get());
        if key.is_instance_of::<PySlice>() {
            return PyMemoryView::from(slf)?.get_item(key);
        }
        region.check(py)?;
        let (place, mut byte) = (region.index(key)?, [0]);
        match region.core().read_at(place, &mut byte) {
            Ok(1) => Ok(PyInt::new(py, byte[0]).into_any()),
            Ok(_) => Err(PyIndexError::new_err("region index out of range")),
            Err(error) => Err(region.failed(py, &error)),
        }
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        items(slf)
    }

    fn __setitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, region) = (slf.py(), slf.get());
        region.check(py)?;
        let Ok(slice) = key.cast::<PySlice>() else {
            let place = region.index(key)?;
            let byte = PyBytes::new(py, &[value.extract()?]);
            return region_errors::whole(region.write(py, &byte, place)?, 1);
        };
        let wanted = slice.indices(region.core().len() as isize)?;
        if wanted.step != 1 {
            return PyMemoryView::from(slf)?.set_item(key, value);
        }
        let given = Borrowed::new(value)?.len();
        if given != wanted.slicelength {
            let message = format!("a region does not change its length: {} bytes, not {given}", wanted.slicelength);
            return Err(PyValueError::new_err(message));
        }
        region_errors::whole(region.write(py, value, wanted.start as u64)?, given)
    }

    #[allow(clippy::unused_self)] // The protocol's signature.
    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = key;
        Err(PyTypeError::new_err("a region does not change its length"))
    }

    /// Of every protocol, and for copies: Python's own answer to the oldest is an object that cannot be made again.
    fn __reduce_ex__(slf: &Bound<'_, Self>, protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = protocol;
        region_errors::refuse_copies(slf.as_any())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (class, region) = (slf.get_type().name()?.to_string(), slf.get());
        let name = match region.name(slf.py()) {
            Some(name) => format!(" {}", name.bind(slf.py()).repr()?),
            None => String::new(),
        };
        Ok(match region.core().access() {
            Ok(access) => format!("<zcio.{class}{name} mode='{}' length={}>", mode_name(access), region.core().len()),
            Err(error) if error.kind() == ErrorKind::Closed => format!("<zcio.{class}{name} closed>"),
            Err(_) => format!("<zcio.{class}{name} faulted>"),
        })
    }

    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, buffer: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        // SAFETY: Python's own buffer structure, and the region is its own owner.
        unsafe { slf.get().lend(slf.as_any().clone(), buffer, flags) }
    }

    #[allow(clippy::unused_self)] // The protocol's signature.
    unsafe fn __releasebuffer__(&self, buffer: *mut ffi::Py_buffer) {
        // SAFETY: Python gives back what `__getbuffer__` filled in, once.
        unsafe { lend::take_back(buffer) };
    }
}
