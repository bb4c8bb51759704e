//! `zcio.reads`: many reads of files into memory in one call.

use std::sync::Mutex;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use zcio::apart::Process;
use zcio::{Endpoint, Reads, Side};

use crate::batch::Ends;
use crate::descriptors::End;
use crate::errors;
use crate::generated::reports::reads_report;
use crate::holds;
use crate::interrupt::Watch;
use crate::lend::{ManyBorrowed, is_builtin};
use crate::observed::observed;
use crate::report::failure;
use crate::step::{ended, over};
use crate::transfer::{exception, number};

/// Reads files into memory, many reads in flight at a time.
///
/// Each item is a tuple (file, offset, into): a descriptor or a binary file, whose position is left alone; the offset of the
/// first byte; and a writable buffer, which is filled as far as the file goes: a bytearray, an array, a part of a `Region` or an
/// `AlignedBuffer`. depth is how many reads are in flight at a time: by `io_uring` where it is allowed, elsewhere by as many threads. A file that was
/// opened with `os.O_DIRECT` is read past the page cache, straight into the buffer if offset, address and length are multiples
/// of what the file asks for.
///
/// Returns a `ReadsReport` whose .reads are each read's count of bytes, fewer than its buffer holds only at the end of the file,
/// or the exception that ended it: one read's failure is its own. Nothing is written into a buffer afterwards.
#[pyfunction]
#[pyo3(signature = (items, *, depth=32))]
pub fn reads<'py>(py: Python<'py>, items: &Bound<'py, PyAny>, depth: usize) -> PyResult<Bound<'py, PyAny>> {
    observed(py, "reads", || Prepared::new(items, depth)?.run(py, None))
}

/// Reads that another thread than the one that has made them runs: their ends are what they were when they were made.
#[pyclass(frozen, module = "zcio._zcio")]
pub struct PreparedReads {
    reads: Mutex<Option<Prepared>>,
    process: Process,
}

#[pymethods]
impl PreparedReads {
    #[new]
    fn new(items: &Bound<'_, PyAny>, depth: usize) -> PyResult<Self> {
        Ok(Self { reads: Mutex::new(Some(Prepared::new(items, depth)?)), process: Process::this() })
    }

    /// Once. check is called every 100 ms at least, and what it raises stops the reads.
    fn run<'py>(&self, py: Python<'py>, check: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let prepared = ended(&self.reads, self.process)?.ok_or_else(over)?;
        observed(py, "reads", || prepared.run(py, Some(check)))
    }
}

struct Prepared {
    ends: Vec<End>,
    requests: Vec<Request>,
    /// Of each request, in their order.
    memory: ManyBorrowed,
    depth: usize,
}

struct Request {
    /// The place of the file among the ends.
    file: usize,
    offset: u64,
}

impl Request {
    fn new(item: &Bound<'_, PyAny>, ends: &mut Ends, memory: &mut ManyBorrowed) -> PyResult<Self> {
        let parts = item.cast::<PyTuple>().ok().filter(|parts| parts.len() == 3);
        let Some(parts) = parts else {
            return Err(PyValueError::new_err(format!(
                "an item is a tuple, (file, offset, into), not {}",
                item.repr()?
            )));
        };
        let place = ends.add(&parts.get_item(0)?, Side::Source)?;
        if ends.list[place].hold().is_none() {
            let message = "the file of a read must be a file descriptor (int) or a binary file: open a path before";
            return Err(PyTypeError::new_err(message));
        }
        let (offset, into) = (parts.get_item(1)?, parts.get_item(2)?);
        if !is_builtin(&offset) || !is_builtin(&into) {
            ends.disturb();
        }
        let offset = number(&offset, "offset")?;
        memory.add(&into)?;
        Ok(Self { file: place, offset })
    }
}

impl Prepared {
    fn new(items: &Bound<'_, PyAny>, depth: usize) -> PyResult<Self> {
        let (mut ends, mut requests, mut memory) = (Ends::of(items), Vec::new(), ManyBorrowed::default());
        for item in items.try_iter()? {
            requests.push(Request::new(&item?, &mut ends, &mut memory)?);
        }
        Ok(Self { ends: ends.list, requests, memory, depth })
    }

    fn run<'py>(self, py: Python<'py>, check: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let Self { mut ends, requests, memory, depth } = self;
        for file in ends.iter().filter_map(|end| end.file.as_ref()) {
            file.flush(py)?;
        }
        let mut watch = Watch::new(None).asking(check);
        let report = holds::run(py, &mut ends, &mut watch, |ends, watch, caller| {
            // The ring's descriptor, too, is where the ends are.
            let mut reads = Reads::new(depth)?;
            let files = ends.iter().map(End::endpoint).collect::<zcio::error::Result<Vec<Endpoint<'_>>>>()?;
            let asked = requests.iter().enumerate();
            let mut asked: Vec<_> =
                asked.map(|(place, request)| memory.filled_from(place, &files[request.file], request.offset)).collect();
            Ok(reads.run_watched(&mut asked, |progress| caller.call(|| watch.look(progress.bytes))))
        })?;
        let report = report.and_then(|report| report).map_err(|error| errors::exception(py, &error, &[], &[]))?;
        if let Some(stop) = watch.into_stop() {
            return Err(exception(py, "reads", Some(stop), &report.stopped(), &[], &[]));
        }
        let results = report.reads.iter().map(|result| match result {
            Ok(count) => Ok(count.into_pyobject(py)?.into_any()),
            Err(error) => Ok(failure(py, error).into_bound(py)),
        });
        let results = PyTuple::new(py, results.collect::<PyResult<Vec<_>>>()?)?;
        reads_report(py, &report, results.into_any())
    }
}
