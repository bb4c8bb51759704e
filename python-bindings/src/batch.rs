//! `zcio.batch`: many small transfers in one call.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyList, PyTuple};
use zcio::apart::{Caller, Process};
use zcio::batch::{BatchProgress, End as Place};
use zcio::{Batch, Item, Side, Visibility};

use crate::descriptors::{End, open};
use crate::errors;
use crate::generated::reports::batch_report;
use crate::holds;
use crate::interrupt::{Watch, detached, opened};
use crate::lend::is_builtin;
use crate::observed::observed;
use crate::relay::with_report;
use crate::report::ItemReport;
use crate::step::{ended, over};
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
///
/// Blocking sockets among the dst are in non-blocking mode until it returns: another thread that receives from one of them
/// meanwhile may get `BlockingIOError`.
#[pyfunction]
#[pyo3(signature = (items, *, visibility="aliased"))]
pub fn batch<'py>(py: Python<'py>, items: &Bound<'py, PyAny>, visibility: &str) -> PyResult<Bound<'py, PyAny>> {
    observed(py, "batch", || Prepared::new(items, visibility)?.run(py, None))
}

/// A batch that another thread than the one that has made it runs: its ends are what they were when it was made.
#[pyclass(frozen, module = "zcio._zcio")]
pub struct PreparedBatch {
    batch: Mutex<Option<Prepared>>,
    process: Process,
}

#[pymethods]
impl PreparedBatch {
    #[new]
    fn new(items: &Bound<'_, PyAny>, visibility: &str) -> PyResult<Self> {
        Ok(Self { batch: Mutex::new(Some(Prepared::new(items, visibility)?)), process: Process::this() })
    }

    /// Once. check is called every 100 ms at least, and what it raises stops the batch.
    fn run<'py>(&self, py: Python<'py>, check: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let prepared = ended(&self.batch, self.process)?.ok_or_else(over)?;
        observed(py, "batch", || prepared.run(py, Some(check)))
    }
}

struct Prepared {
    ends: Vec<End>,
    requests: Vec<Request>,
    visibility: Visibility,
}

impl Prepared {
    fn new(items: &Bound<'_, PyAny>, visibility: &str) -> PyResult<Self> {
        let visibility = visibility_of(visibility)?;
        let (mut ends, mut requests) = (Ends::of(items), Vec::new());
        for item in items.try_iter()? {
            requests.push(Request::new(&item?, &mut ends)?);
        }
        Ok(Self { ends: ends.list, requests, visibility })
    }

    fn run<'py>(self, py: Python<'py>, check: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let Self { mut ends, requests, visibility } = self;
        for file in ends.iter().filter_map(|end| end.file.as_ref()) {
            file.flush(py)?;
        }
        let timeout = requests.iter().filter_map(|request| ends[request.sink].timeout).min();
        let mut watch = Watch::new(timeout).asking(check);
        let report = detached(py, || {
            holds::gather(&mut ends)?;
            let mut sent = Sent::default();
            holds::run_gathered(&ends, &mut watch, |ends, watch, caller| {
                let items =
                    requests.iter().map(|request| request.item(ends)).collect::<zcio::error::Result<Vec<_>>>()?;
                watch.begin();
                let mut batch = Batch::new().visibility(visibility);
                let watch = RefCell::new(watch);
                let look = |progress: BatchProgress| {
                    let mut watch = watch.borrow_mut();
                    let watch = &mut **watch;
                    caller.call(|| watch.look(progress.bytes))
                };
                Ok(batch.run_opened(&items, look, |path, side| {
                    let mut watch = watch.borrow_mut();
                    let watch = &mut **watch;
                    if !zcio::apart::is_here() {
                        return opened(watch, caller, || open(path, side));
                    }
                    caller.call(|| sent.open(path, side, watch))?.endpoint()
                }))
            })?
        })?;
        let mut report = report.map_err(|error| errors::exception(py, &error, &[], &[]))?;
        let mut positioned = Ok(());
        for end in requests.iter().map(|request| &ends[request.sink]).filter(|end| end.is_unchanged(py)) {
            positioned = positioned.and(end.file.as_ref().map_or(Ok(()), |file| file.refresh(py)));
        }
        if let Some(stop) = watch.into_stop() {
            let error = report.stopped();
            return Err(exception(py, "batch", Some(stop), &error, &[], &[]));
        }
        let results =
            std::mem::take(&mut report.items).into_iter().zip(&requests).map(|(result, request)| match result {
                Ok(item) => Ok(Bound::new(py, ItemReport::from(item))?.into_any()),
                Err(error) => {
                    let raised = errors::exception(py, &error, &[&ends[request.source], &ends[request.sink]], &[]);
                    Ok(raised.into_value(py).into_bound(py).into_any())
                }
            });
        let results = PyTuple::new(py, results.collect::<PyResult<Vec<_>>>()?)?;
        let report = batch_report(py, &report, results.into_any())?;
        positioned.map_err(|raised| with_report(py, raised, &report))?;
        Ok(report)
    }
}

/// The paths of the item that is at work, opened by the calling thread: two at a time, because there may be any number.
#[derive(Default)]
struct Sent {
    source: Option<zcio::apart::Sent>,
    sink: Option<zcio::apart::Sent>,
}

impl Sent {
    fn open(&mut self, path: &Path, side: Side, watch: &mut Watch) -> zcio::error::Result<&zcio::apart::Sent> {
        let place = if side == Side::Source { &mut self.source } else { &mut self.sink };
        // The one of an item before, which is over.
        *place = None;
        let end = opened(watch, &Caller::HERE, || open(path, side))?.send()?;
        Ok(place.insert(end))
    }
}

/// The ends of all items. An object or a number that is that of many is one end, with one descriptor: the core keeps the
/// order of what goes to one. Between two items the caller's code may run, and close the one that a number meant before.
#[derive(Default)]
pub struct Ends {
    pub list: Vec<End>,
    known: HashMap<Known, usize>,
    /// Those in it live as long, so that no other object gets their address.
    objects: Vec<Py<PyAny>>,
    /// The end that was asked for last, and what it was asked for.
    last: Option<(Known, usize)>,
    /// Whether code of the caller's may have run since an end was looked at: a number may mean something else now.
    disturbed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Known {
    Number(i32, Side),
    Object(usize, Side),
}

impl Ends {
    /// Those that come from this, one after the other.
    pub fn of(items: &Bound<'_, PyAny>) -> Self {
        // A generator is code of the caller's.
        let quiet = items.is_exact_instance_of::<PyList>() || items.is_exact_instance_of::<PyTuple>();
        Self { disturbed: !quiet, ..Self::default() }
    }

    /// Code of the caller's may have run.
    pub fn disturb(&mut self) {
        self.disturbed = true;
    }

    /// The place of an end.
    pub fn add(&mut self, object: &Bound<'_, PyAny>, side: Side) -> PyResult<usize> {
        // An object that is no number would be an exception first.
        let number = if object.is_exact_instance_of::<PyInt>() { object.extract::<i32>().ok() } else { None };
        let known = number.map_or(Known::Object(object.as_ptr() as usize, side), |number| Known::Number(number, side));
        let last = self.last.filter(|(last, _)| *last == known).map(|(_, place)| place);
        if let Some(place) = last.or_else(|| self.known.get(&known).copied())
            && (!self.disturbed || self.list[place].is_still(object)?)
        {
            self.last = Some((known, place));
            return Ok(place);
        }
        // To look at an object may run code of the caller's, and a socket is asked for more when it is held.
        self.disturbed |= !self.list.is_empty() && !matches!(known, Known::Number(..));
        let end = End::new(object, side)?;
        self.disturbed |= end.stream().is_some() && !matches!(known, Known::Number(..));
        self.list.push(end);
        self.objects.push(object.clone().unbind());
        let place = self.list.len() - 1;
        self.known.insert(known, place);
        self.last = Some((known, place));
        Ok(place)
    }
}

struct Request {
    /// Places among the ends.
    source: usize,
    sink: usize,
    offset: u64,
    count: Option<u64>,
}

impl Request {
    fn new(item: &Bound<'_, PyAny>, ends: &mut Ends) -> PyResult<Self> {
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
        let source = ends.add(&parts.get_item(0)?, Side::Source)?;
        if ends.list[source].is_memory() {
            return Err(PyValueError::new_err("the source of an item is a file; transfer() sends a buffer"));
        }
        let sink = ends.add(&parts.get_item(1)?, Side::Sink)?;
        if ends.list[sink].is_memory() {
            let message =
                "the sink of an item is a file, a pipe or a socket; transfer() fills a buffer, reads() many of them";
            return Err(PyValueError::new_err(message));
        }
        let asked = Self { source, sink, offset: part(2, "offset")?.unwrap_or(0), count: part(3, "count")? };
        if (2..parts.len()).any(|index| parts.get_item(index).is_ok_and(|given| !is_builtin(&given))) {
            ends.disturb();
        }
        Ok(asked)
    }

    fn item<'a>(&self, ends: &'a [End]) -> zcio::error::Result<Item<'a>> {
        let item = Item::new(place(&ends[self.source])?, place(&ends[self.sink])?).offset(self.offset);
        Ok(match self.count {
            Some(count) => item.count(count),
            None => item,
        })
    }
}

/// Where the ends are.
fn place(end: &End) -> zcio::error::Result<Place<'_>> {
    match (end.path(), end.hold()) {
        (Some(path), _) => Ok(path.into()),
        (None, Some(hold)) => hold.descriptor().map(Into::into),
        (None, None) => unreachable!("a buffer is refused before"),
    }
}
