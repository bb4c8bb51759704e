//! What can be said when a region is opened, and the words for it: modes, advice, protection, ranges.

use std::ffi::OsString;
use std::ops;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyInt, PyString};
use zcio::apart::Held;
use zcio::region::guard;
use zcio::{Access, Protection, RegionOptions};

use crate::files;
use crate::holds::Hold;
use crate::once::intern;
use crate::shared_region::SharedRegion;

/// A range of a region, as the core takes it.
pub type Range = (ops::Bound<u64>, ops::Bound<u64>);

/// From `offset` on, `length` bytes or all that follow.
pub fn range(offset: u64, length: Option<u64>) -> Range {
    let end = length.map_or(ops::Bound::Unbounded, |length| ops::Bound::Excluded(offset.saturating_add(length)));
    (ops::Bound::Included(offset), end)
}

/// How long something is to be, or where it is to begin: `ValueError` for what no length can be.
pub fn count(object: &Bound<'_, PyAny>) -> PyResult<u64> {
    object.extract().map_err(|error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(object.py()) {
            return PyValueError::new_err(format!("{object} is no number of bytes"));
        }
        error
    })
}

/// As [`count`], and None.
pub fn optional_count(object: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
    if object.is_none() { Ok(None) } else { count(object).map(Some) }
}

/// How a file is mapped, by the names that `numpy.memmap` gave to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Read,
    Write,
    Create,
    Copy,
}

impl Mode {
    pub fn of(name: &str) -> PyResult<Self> {
        match name {
            "r" => Ok(Self::Read),
            "r+" => Ok(Self::Write),
            "w+" => Ok(Self::Create),
            "c" => Ok(Self::Copy),
            _ => Err(PyValueError::new_err(format!("unknown mode {name:?}; it is \"r\", \"r+\", \"w+\" or \"c\""))),
        }
    }

    fn access(self) -> Access {
        match self {
            Self::Read => Access::ReadOnly,
            Self::Write | Self::Create => Access::ReadWrite,
            Self::Copy => Access::Private,
        }
    }
}

/// The mode that a region shows.
pub fn mode_name(access: Access) -> &'static str {
    match access {
        Access::ReadOnly => "r",
        Access::ReadWrite => "r+",
        Access::Private => "c",
    }
}

pub fn protection_of(name: &str) -> PyResult<Protection> {
    match name {
        "none" => Ok(Protection::None),
        "r" => Ok(Protection::Read),
        "rw" => Ok(Protection::ReadWrite),
        _ => Err(PyValueError::new_err(format!("unknown protection {name:?}; it is \"none\", \"r\" or \"rw\""))),
    }
}

/// What is to be mapped.
pub enum File {
    Path(PathBuf),
    Number(RawFd),
}

impl File {
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = object.py();
        if object.is_instance_of::<PyInt>() && !object.is_instance_of::<PyBool>() {
            return Self::of_number(object.extract()?);
        }
        let named = object.is_instance_of::<PyString>() || object.is_instance_of::<PyBytes>();
        if !named && let Some(fileno) = object.getattr_opt(intern!(py, "fileno"))? {
            // First of all: what is closed, and what has no descriptor, says so itself.
            fileno.call0()?;
            if !object.is_instance_of::<SharedRegion>() {
                files::transparent(object, "file")?;
            }
            return Self::of_number(fileno.call0()?.extract()?);
        }
        if !named && !object.hasattr(intern!(py, "__fspath__"))? {
            return Err(PyTypeError::new_err(format!(
                "expected a path (str, bytes, os.PathLike), a file descriptor (int) or a binary file, not '{}'",
                object.get_type().name()?
            )));
        }
        let os = py.import(intern!(py, "os"))?;
        let bytes: Vec<u8> = os.call_method1(intern!(py, "fsencode"), (object,))?.extract()?;
        if bytes.contains(&0) {
            return Err(PyValueError::new_err("embedded null byte"));
        }
        Ok(Self::Path(OsString::from_vec(bytes).into()))
    }

    fn of_number(number: RawFd) -> PyResult<Self> {
        if number < 0 {
            return Err(PyValueError::new_err(format!("a file descriptor cannot be negative ({number})")));
        }
        Ok(Self::Number(number))
    }
}

/// The core's words for `reserve=`.
pub fn reserving(options: RegionOptions, reserve: Option<bool>) -> RegionOptions {
    match reserve {
        Some(true) => options.reserve(),
        Some(false) => options.no_reserve(),
        None => options,
    }
}

/// Everything about a file to be mapped. Opening it may wait: without the GIL.
pub struct Opening {
    pub mode: Mode,
    pub offset: u64,
    pub length: Option<u64>,
    /// Room for its stores: asked for now, or not even counted.
    pub reserve: Option<bool>,
    pub guard: bool,
    pub closefd: bool,
}

impl Opening {
    /// Finds what is wrong with the combination before anything is opened.
    pub fn check(&self, file: &File) -> PyResult<()> {
        match (file, self.mode) {
            (File::Path(_), Mode::Create) if self.length.is_none() => {
                Err(PyValueError::new_err("mode \"w+\" makes a new file, and needs a length"))
            }
            (File::Number(_), Mode::Create) => {
                Err(PyValueError::new_err("mode \"w+\" makes a new file, and needs a path; use \"r+\""))
            }
            (File::Path(_), _) if self.closefd => {
                Err(PyValueError::new_err("closefd is for descriptors: a path is opened and closed by the region"))
            }
            _ => Ok(()),
        }
    }

    /// What keeps a descriptor of the caller's, until it is mapped: before anything else of Python's runs.
    pub fn hold(&self, py: Python<'_>, file: &File) -> PyResult<Option<Hold>> {
        match file {
            File::Number(number) if !self.closefd => Hold::of_number(py, *number).map(Some),
            _ => Ok(None),
        }
    }

    pub fn open(&self, file: &File, hold: Option<&Hold>) -> zcio::error::Result<zcio::Region> {
        if self.guard {
            guard::install()?;
        }
        let mut options = reserving(RegionOptions::new(), self.reserve).access(self.mode.access()).offset(self.offset);
        if let Some(length) = self.length {
            options = options.length(length);
        }
        match (file, hold) {
            (File::Path(path), _) if self.mode == Mode::Create => options.create(path),
            (File::Path(path), _) => options.open(path),
            (File::Number(_), Some(hold)) => zcio::apart::run(hold.held(), |_| {
                let opened = hold.descriptor().and_then(|file| options.map(file));
                hold.held().into_iter().for_each(Held::release);
                opened
            })?,
            // SAFETY: the caller says that the descriptor is handed over.
            (File::Number(number), None) => options.map_owning(unsafe { OwnedFd::from_raw_fd(*number) }),
        }
    }
}
