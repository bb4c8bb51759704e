//! `zcio.batch`: many small transfers in one call.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use zcio::batch::End as Place;
use zcio::{Batch, Item, Mechanism, Side};

use crate::descriptors::End;
use crate::errors;
use crate::interrupt::{Watch, detached};
use crate::records;
use crate::report::Attempt;
use crate::transfer::{exception, number, visibility_of};

/// Makes many small transfers in one call: files, whole or in part, to sockets, pipes or files.
///
/// Each item is a tuple (src, dst), (src, dst, offset) or (src, dst, offset, count), with src and dst as for `transfer()`, but
/// src a regular file; without offset it is sent from its beginning, and its position is left alone. What goes to the same
/// dst arrives in the order of the items, each one whole. Where `io_uring` is allowed, files are opened, read and closed
/// many at a time; elsewhere one transfer is made after the other. Do not read in one batch what it writes: whether an item
/// finds the old bytes of a file or those of an earlier item is not said. visibility is as for `transfer()`.
///
/// Returns a `BatchReport` whose .items are each item's `ItemReport`, or the exception that ended it: one item's failure is
/// its own. After an item that failed in the middle, later ones for the same dst fail too, unsent.
#[pyfunction]
#[pyo3(signature = (items, *, visibility="aliased"))]
pub fn batch<'py>(py: Python<'py>, items: &Bound<'py, PyAny>, visibility: &str) -> PyResult<Bound<'py, PyAny>> {
    let visibility = visibility_of(visibility)?;
    let mut requests = Vec::new();
    for item in items.try_iter()? {
        requests.push(Request::new(&item?)?);
    }
    for file in requests.iter().flat_map(|request| [&request.source.file, &request.sink.file]).flatten() {
        file.flush(py)?;
    }
    let timeout = requests.iter().filter_map(|request| request.sink.timeout).min();
    let mut watch = Watch::new(timeout);
    let report = detached(py, || {
        let items: Vec<_> = requests.iter().map(Request::item).collect();
        watch.begin();
        Batch::new().visibility(visibility).run_watched(&items, |progress| watch.look(progress.bytes))
    })?;
    for file in requests.iter().filter_map(|request| request.sink.file.as_ref()) {
        file.refresh(py)?;
    }
    if let Some(stop) = watch.into_stop() {
        let error = report.stopped();
        return Err(exception(py, "batch", Some(stop), &error, &[], &[]));
    }
    let results = report.items.into_iter().zip(&requests).map(|(result, request)| match result {
        Ok(item) => Ok(Bound::new(py, ItemReport::from(item))?.into_any()),
        Err(error) => {
            let raised = errors::exception(py, &error, &[&request.source, &request.sink], &[]);
            Ok(raised.into_value(py).into_bound(py).into_any())
        }
    });
    let results = PyTuple::new(py, results.collect::<PyResult<Vec<_>>>()?)?;
    let refusal = report.refusal.map(Attempt::from);
    records::BATCH.make(py, (results, refusal, report.system_calls, report.waits, report.elapsed.as_secs_f64()))
}

struct Request {
    source: End,
    sink: End,
    offset: u64,
    count: Option<u64>,
}

impl Request {
    fn new(item: &Bound<'_, PyAny>) -> PyResult<Self> {
        let parts = item.cast::<PyTuple>().ok().filter(|parts| (2..=4).contains(&parts.len()));
        let Some(parts) = parts else {
            let message = "an item is a tuple: (src, dst), (src, dst, offset) or (src, dst, offset, count)";
            return Err(PyValueError::new_err(format!("{message}, not {}", item.repr()?)));
        };
        let part = |index, name| -> PyResult<Option<u64>> {
            match parts.get_item(index) {
                Ok(object) if !object.is_none() => number(&object, name).map(Some),
                _ => Ok(None),
            }
        };
        let source = End::new(&parts.get_item(0)?, Side::Source)?;
        if source.is_memory() {
            return Err(PyValueError::new_err("the source of an item is a file; transfer() sends a buffer"));
        }
        let sink = End::new(&parts.get_item(1)?, Side::Sink)?;
        Ok(Self { source, sink, offset: part(2, "offset")?.unwrap_or(0), count: part(3, "count")? })
    }

    fn item(&self) -> Item<'_> {
        let item = Item::new(place(&self.source), place(&self.sink)).offset(self.offset);
        match self.count {
            Some(count) => item.count(count),
            None => item,
        }
    }
}

fn place(end: &End) -> Place<'_> {
    match (end.path(), end.descriptor()) {
        (Some(path), _) => path.into(),
        (None, Some(fd)) => fd.into(),
        (None, None) => unreachable!("a buffer is refused before"),
    }
}

/// What happened to one item of a batch.
#[pyclass(frozen, eq, hash, module = "zcio")]
#[derive(PartialEq, Eq, Hash)]
pub struct ItemReport {
    /// Bytes delivered to dst.
    #[pyo3(get)]
    bytes: u64,
    /// Bytes that were asked for; None for everything to the end of the file.
    #[pyo3(get)]
    requested: Option<u64>,
    mechanism: Mechanism,
}

#[pymethods]
impl ItemReport {
    #[new]
    fn new(bytes: u64, requested: Option<u64>, mechanism: &str) -> PyResult<Self> {
        Ok(Self { bytes, requested, mechanism: crate::report::named(mechanism)? })
    }

    /// 'uring' together with others, or what a transfer of its own chose.
    #[getter]
    fn mechanism(&self) -> &'static str {
        self.mechanism.name()
    }

    fn __getnewargs__(&self) -> (u64, Option<u64>, &'static str) {
        (self.bytes, self.requested, self.mechanism())
    }

    fn __repr__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        let requested = self.requested.into_pyobject(py)?.repr()?;
        let text = format!("ItemReport(bytes={}, requested={requested}, mechanism='{}')", self.bytes, self.mechanism());
        Ok(PyString::new(py, &text))
    }
}

impl From<zcio::ItemReport> for ItemReport {
    fn from(item: zcio::ItemReport) -> Self {
        Self { bytes: item.bytes, requested: item.requested, mechanism: item.mechanism }
    }
}
