//! `zcio.copy`: a file out of a file.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use zcio::copy::Copy;
use zcio::{Reflink, Side};

use crate::descriptors::End;
use crate::generated::reports::copy_report;
use crate::interrupt::{Watch, detached};
use crate::observed::observed;
use crate::transfer::{callable, exception};

/// Copies the file src as dst: its bytes and its holes, without reading them where the file system can share blocks.
///
/// Both are paths of regular files; symbolic links are followed. A new dst has the read, write and execute bits of src
/// less the umask, and gets its name when it is complete. An existing dst is overwritten and keeps its mode, owner and
/// other links; `create_new=True` refuses it, also if somebody else makes it meanwhile. With replace=True the copy is
/// made beside dst and takes its place in one moment: whoever opens dst finds the old file or the whole new one. With
/// fsync=True the copy is on its disk when this returns, its name too.
///
/// reflink is "auto" (share blocks where the file system can), "always" (or fail) or "never". `preserve_mode` gives the copy
/// the read, write and execute bits of src, whatever the umask is (set-user-ID, set-group-ID and sticky stay behind, because
/// the owner does), `preserve_times` its times of access and change. progress is called with the bytes of data copied so far,
/// as in `transfer()`, for the last time before a new dst gets its name.
///
/// Raises `TransferError` with .moved, as `transfer()` does; it is also `shutil.SameFileError` if src and dst are the same
/// file, `shutil.SpecialFileError` for a FIFO, a socket or a device, and `FileExistsError`, `IsADirectoryError` and so on.
/// What a signal handler or progress raises has .moved as well. A new dst is not there then.
#[pyfunction]
#[pyo3(signature = (
    src, dst, *, reflink="auto", preserve_mode=false, preserve_times=false, create_new=false, replace=false, fsync=false,
    progress=None
))]
#[allow(clippy::too_many_arguments, clippy::fn_params_excessive_bools)] // Keywords, in Python.
pub fn copy<'py>(
    py: Python<'py>,
    src: &Bound<'py, PyAny>,
    dst: &Bound<'py, PyAny>,
    reflink: &str,
    preserve_mode: bool,
    preserve_times: bool,
    create_new: bool,
    replace: bool,
    fsync: bool,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    observed(py, "copy", || {
        let reflink = match reflink {
            "auto" => Reflink::Auto,
            "always" => Reflink::Always,
            "never" => Reflink::Never,
            _ => {
                let message = format!("unknown reflink {reflink:?}; it is \"auto\", \"always\" or \"never\"");
                return Err(PyValueError::new_err(message));
            }
        };
        let mut watch = Watch::new(None).telling(callable(progress)?);
        let ends = [End::new(src, Side::Source)?, End::new(dst, Side::Sink)?];
        let [Some(from), Some(to)] = [ends[0].path(), ends[1].path()] else {
            return Err(PyTypeError::new_err("copy() takes two paths; `transfer()` takes open files"));
        };
        let copy = Copy::new(from, to)
            .reflink(reflink)
            .preserve_mode(preserve_mode)
            .preserve_times(preserve_times)
            .create_new(create_new)
            .atomic(replace)
            .durable(fsync);
        let result = detached(py, || copy.run_watched(|moved| watch.look(moved)))?;
        let report = match result {
            Ok(report) => report,
            Err(error) => return Err(exception(py, "copy", watch.into_stop(), &error, &[&ends[0], &ends[1]], &[])),
        };
        copy_report(py, &report)
    })
}
