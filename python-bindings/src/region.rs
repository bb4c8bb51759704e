//! `zcio.Region`: a mapping that numpy and others live on, and that cannot be pulled away under them.
//!
//! Everything is the core's; this is arguments in, bytes and exceptions out. Views are lent by the buffer protocol
//! (`lend`). Single bytes and contiguous assignments go through checked copies, which never fault; `region[a:b]` is a
//! `memoryview` and costs no copy.

use std::ffi::c_int;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyMemoryView, PySlice};
use zcio::region::Populate;
use zcio::{Access, Advice, Error, ErrorKind};

use crate::interrupt::detached;
use crate::lend::{self, Borrowed, Memory};
use crate::region_errors;
use crate::region_options::{File, Mode, Opening, mode_name, protection_of, range, with_room};
use crate::residency::Residency;

/// A mapped file, or memory of no file, as a buffer: what `mmap.mmap` is, but closing it never fails and never crashes.
///
/// Made by `Region.open` and `Region.anonymous`. numpy, pyarrow and memoryview use it without a copy:
/// `numpy.asarray(region)`, `pyarrow.py_buffer(region)`; `region[a:b]` is a memoryview, `region[i]` a number.
/// All offsets and lengths are in bytes; where a method takes both, they default to the whole region. Any method of a
/// closed region raises `ValueError`. Methods can be called from any thread.
///
/// Where the file was cut short by somebody else, `read`, `write` and the other methods raise `zcio.FaultedError`. A load
/// through a view (an array, a memoryview) would kill the process; with guard=True it reads zeroes instead, and the next
/// call of a method, `check()`, or the end of the with block raises `FaultedError`.
#[pyclass(frozen, subclass, weakref, module = "zcio")]
pub struct Region {
    kind: Kind,
    /// The path, as the caller gave it.
    name: Option<Py<PyAny>>,
}

enum Kind {
    Plain(zcio::Region),
    Shared {
        memory: zcio::SharedRegion,
        /// What `fileno()` gave out.
        number: Mutex<Option<OwnedFd>>,
    },
}

impl Region {
    pub fn shared(memory: zcio::SharedRegion) -> Self {
        Self { kind: Kind::Shared { memory, number: Mutex::new(None) }, name: None }
    }

    pub fn core(&self) -> &zcio::Region {
        match &self.kind {
            Kind::Plain(region) => region,
            Kind::Shared { memory, .. } => memory.region(),
        }
    }

    /// Panics for what is no shared region: `SharedRegion` is made with one.
    pub fn core_shared(&self) -> &zcio::SharedRegion {
        match &self.kind {
            Kind::Shared { memory, .. } => memory,
            Kind::Plain(_) => unreachable!("a SharedRegion is made of shared memory"),
        }
    }

    /// A descriptor of the shared memory that lives until the region is closed.
    pub fn number(&self, py: Python<'_>) -> PyResult<RawFd> {
        let Kind::Shared { memory, number } = &self.kind else { unreachable!("only a SharedRegion has fileno()") };
        self.run(py, || {
            let mut slot = number.lock().unwrap_or_else(PoisonError::into_inner);
            // Asked even if it is there: a closed region has none.
            memory.region().check()?;
            if slot.is_none() {
                *slot = Some(memory.try_clone_fd()?);
            }
            Ok(slot.as_ref().map_or(-1, AsRawFd::as_raw_fd))
        })
    }

    /// Runs an operation of the core without the GIL.
    pub fn run<T: Send>(&self, py: Python<'_>, operation: impl FnOnce() -> Result<T, Error> + Send) -> PyResult<T> {
        detached(py, operation)?.map_err(|error| region_errors::exception(py, &error, self.name.as_ref()))
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
    /// Maps a file: a path, a file descriptor, or an object with `fileno()`.
    ///
    /// mode is that of `numpy.memmap`: "r" to read; "r+" to read and write the file; "w+" to make a new one of `length`
    /// bytes, or to overwrite it; "c" for a private copy (copy-on-write), where the file is not changed. offset need not be
    /// a multiple of the page size; without length it goes to the end of the file.
    ///
    /// guard=True makes a file that is cut short under the region an exception instead of the end of the process, also for
    /// those who read it through views. It installs a handler for SIGBUS, once, which stays and protects every region of
    /// the process, and hands on what is not about them. Call `faulthandler.enable()` before, not after.
    ///
    /// A descriptor is only used for the call, unless closefd=True gives it to the region, which closes it, also if this
    /// fails. A region that was opened from a path or with closefd=True can be resized together with its file.
    ///
    /// reserve=True gives every byte its room in the file now: `OSError` (ENOSPC) at once instead of a store that fails later.
    /// reserve=False, for a private copy, does not count the memory that stores may need (`MAP_NORESERVE`).
    #[staticmethod]
    #[pyo3(signature = (file, mode="r", *, offset=0, length=None, guard=false, closefd=false, reserve=None))]
    #[allow(clippy::too_many_arguments)] // They are keywords.
    fn open(
        py: Python<'_>,
        file: &Bound<'_, PyAny>,
        mode: &str,
        offset: u64,
        length: Option<u64>,
        guard: bool,
        closefd: bool,
        reserve: Option<bool>,
    ) -> PyResult<Self> {
        let opening = Opening { mode: Mode::of(mode)?, offset, length, guard, closefd, reserve };
        let place = File::new(file)?;
        opening.check(&place)?;
        opening.create(file)?;
        let name = matches!(place, File::Path(_)).then(|| file.clone().unbind());
        let opened = detached(py, || opening.open(&place))?;
        match opened {
            Ok(region) => Ok(Self { kind: Kind::Plain(region), name }),
            Err(error) => Err(region_errors::exception(py, &error, name.as_ref())),
        }
    }

    /// Private memory of no file: `length` bytes of zeroes, readable and writable.
    ///
    /// `huge_pages` is the size in bytes of the hugetlb pages to take it from (2 MiB, 1 GiB), which the administrator has
    /// reserved; the length is rounded up to whole ones. `advise("huge_page")` asks for transparent ones instead.
    /// reserve=False does not count the memory beforehand (`MAP_NORESERVE`).
    #[staticmethod]
    #[pyo3(signature = (length, *, huge_pages=None, reserve=None))]
    fn anonymous(py: Python<'_>, length: u64, huge_pages: Option<u64>, reserve: Option<bool>) -> PyResult<Self> {
        let mut options = with_room(zcio::RegionOptions::new().length(length), reserve);
        if let Some(size) = huge_pages {
            options = options.huge_pages(size);
        }
        let region = detached(py, || options.anonymous())?;
        let region = region.map_err(|error| region_errors::exception(py, &error, None))?;
        Ok(Self { kind: Kind::Plain(region), name: None })
    }

    /// The path it was opened from, as it was given; None if there was none.
    #[getter]
    fn name(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.name.as_ref().map(|name| name.clone_ref(py))
    }

    /// How it is mapped: "r", "r+" or "c". Anonymous regions are "c".
    #[getter]
    fn mode(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.core().access().map(mode_name).map_err(|error| region_errors::exception(py, &error, self.name.as_ref()))
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
            let count = self.run(py, || region.read_at(offset, bytes))?;
            // Resized or closed between the two by another thread.
            if count == length { Ok(()) } else { Err(PyValueError::new_err("the region was resized meanwhile")) }
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

    /// Makes it longer or shorter, and with truncate=True its file too. `BufferError` while views exist.
    #[pyo3(signature = (length, *, truncate=false))]
    fn resize(&self, py: Python<'_>, length: u64, truncate: bool) -> PyResult<()> {
        let region = self.core();
        self.run(py, || if truncate { region.resize_with_file(length) } else { region.resize(length) })
    }

    /// `FaultedError` if the guard had to put zeroes in the place of a page: what views read since may be zeroes, and what
    /// they wrote may be lost. It does not go away. `ValueError` if the region is closed.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.run(py, || self.core().check())
    }

    /// Releases the file and the memory now, also while views exist: they read zeroes from then on, and what is written to
    /// them goes nowhere. Closing again does nothing.
    ///
    /// With strict=True it is `BufferError` while views exist, as for `mmap.close()`, and the region stays open.
    #[pyo3(signature = (*, strict=false))]
    fn close(&self, py: Python<'_>, strict: bool) -> PyResult<()> {
        let region = self.core();
        self.run(py, || if strict { region.close_unviewed() } else { region.close() })?;
        if let Kind::Shared { number, .. } = &self.kind {
            *number.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Ok(())
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        let py = slf.py();
        slf.get().check(py)?;
        Ok(slf)
    }

    /// Closes it, and then says so if what was read in the block may have been zeroes.
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
        self.close(py, false)?;
        match harm {
            Some(error) if value.is_none() => Err(region_errors::exception(py, &error, self.name.as_ref())),
            Some(_) => value.call_method1(intern!(py, "add_note"), ("the zcio.Region had lost pages",)).map(drop),
            None => Ok(()),
        }
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
            Err(error) => Err(region_errors::exception(py, &error, region.name.as_ref())),
        }
    }

    fn __setitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, region) = (slf.py(), slf.get());
        region.check(py)?;
        let Ok(slice) = key.cast::<PySlice>() else {
            let place = region.index(key)?;
            let byte = PyBytes::new(py, &[value.extract()?]);
            return region.write(py, &byte, place).map(drop);
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
        region.write(py, value, wanted.start as u64).map(drop)
    }

    #[allow(clippy::unused_self)] // The protocol's signature.
    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = key;
        Err(PyTypeError::new_err("a region does not change its length"))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (class, region) = (slf.get_type().name()?.to_string(), slf.get());
        let name = match &region.name {
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
        let region = slf.get();
        let view = region.core().view(..).map_err(|error| {
            // SAFETY: Python's own buffer structure; it must say that nothing has been lent.
            unsafe { (*buffer).obj = std::ptr::null_mut() };
            region_errors::exception(slf.py(), &error, region.name.as_ref())
        })?;
        let (start, length, writable) = (view.as_mut_ptr(), view.len(), view.is_writable());
        // SAFETY: the view keeps the memory, and goes into the loan.
        unsafe { lend::lend(slf.as_any().clone(), Memory { start, length, writable, view: Some(view) }, buffer, flags) }
    }

    #[allow(clippy::unused_self)] // The protocol's signature.
    unsafe fn __releasebuffer__(&self, buffer: *mut ffi::Py_buffer) {
        // SAFETY: Python gives back what `__getbuffer__` filled in, once.
        unsafe { lend::take_back(buffer) };
    }
}
