//! What regions are made of: the memory, and the object that it becomes.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use zcio::region::Kept;

use crate::once::intern;
use crate::region::Region;
use crate::shared_region::SharedRegion;

/// What an object is to be made of: the only argument of the class's `__new__`, which nobody else can make. So an inherited
/// constructor makes an object of the class that it is called on.
#[pyclass(frozen)]
pub struct Made(Mutex<Option<Region>>);

impl Made {
    /// An object of that class: `Region`, or one made of it in Python.
    pub fn of<'py>(class: &Bound<'py, PyType>, region: Region) -> PyResult<Bound<'py, PyAny>> {
        let py = class.py();
        if class.is_subclass_of::<SharedRegion>()? {
            return Err(PyTypeError::new_err("shared memory is made by create(), open(), from_fd() or receive()"));
        }
        py.get_type::<Region>().getattr(intern!(py, "__new__"))?.call1((class, Self(Mutex::new(Some(region)))))
    }

    pub fn take(arguments: &Bound<'_, PyTuple>) -> PyResult<Region> {
        let made = arguments.get_item(0).ok().and_then(|made| made.cast_into::<Self>().ok());
        let region = made.and_then(|made| made.get().0.lock().unwrap_or_else(PoisonError::into_inner).take());
        let ways = "a Region is made by Region.open(), Region.anonymous() or Region.receiving()";
        region.ok_or_else(|| PyTypeError::new_err(ways))
    }
}

/// The memory.
pub enum Kind {
    Plain(zcio::Region),
    Shared {
        memory: zcio::SharedRegion,
        /// What `fileno()` gave out.
        number: Mutex<Option<Kept>>,
    },
}

impl Kind {
    pub fn shared(memory: zcio::SharedRegion) -> Self {
        Self::Shared { memory, number: Mutex::new(None) }
    }

    pub fn core(&self) -> &zcio::Region {
        match self {
            Self::Plain(region) => region,
            Self::Shared { memory, .. } => memory.region(),
        }
    }

    /// `TypeError` for what is no shared region, which an assignment to `__class__` can make of it.
    pub fn core_shared(&self) -> PyResult<&zcio::SharedRegion> {
        match self {
            Self::Shared { memory, .. } => Ok(memory),
            Self::Plain(_) => Err(PyTypeError::new_err("this region is not shared memory")),
        }
    }

    /// A descriptor of the shared memory that lives until the region is closed; -1 for a region that is not shared.
    pub fn number(&self) -> zcio::error::Result<RawFd> {
        let Self::Shared { memory, number } = self else { return Ok(-1) };
        let mut slot = number.lock().unwrap_or_else(PoisonError::into_inner);
        // Asked even if it is there: a closed region has none.
        memory.region().check()?;
        if let Some(Ok(fd)) = slot.as_ref().map(Kept::get) {
            return Ok(fd.as_raw_fd());
        }
        let kept = Kept::new(memory.try_clone_fd()?)?;
        let number = kept.get()?.as_raw_fd();
        *slot = Some(kept);
        Ok(number)
    }

    /// Closes that descriptor.
    pub fn forget_number(&self) {
        if let Self::Shared { number, .. } = self {
            *number.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}
