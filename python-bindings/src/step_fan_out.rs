//! A fan-out that an event loop drives: the private class behind `zcio.aio.FanOut`; see `step` for how its steps behave.
//!
//! A step takes one window of the source, 1 MiB at most, and gives each sink what it takes of it now.

use std::os::fd::AsRawFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use zcio::{FanOut, FanOutStep, Kind, Side};

use crate::descriptors::End;
use crate::errors;
use crate::fan_out::{described, record, surrender};
use crate::interrupt::{Watch, detached};
use crate::step::{Interest, PIECE, Pages, THREAD_BYTES, THREAD_TIME, answer, event, over, taken};
use crate::transfer::{Request, opened, settle};

/// How far the source may be read beyond what every sink has: a window is on its way to a slow sink, one more waits for it,
/// and one is read.
const AHEAD: u64 = 3 * PIECE;

/// A fan-out to be stepped.
#[pyclass(frozen, module = "zcio._zcio")]
pub struct FanOutSteps {
    state: Mutex<Option<State>>,
    moved: AtomicU64,
}

/// Fields are dropped in order: what uses the ends before the ends.
struct State {
    fan_out: Option<FanOut<'static>>,
    /// The source, then the sinks.
    ends: Vec<End>,
    request: Request,
    taken_before: Vec<u8>,
    /// Where the file object that is the source began.
    position: Option<u64>,
    pages: Pages,
    /// Every step may wait.
    slow: bool,
    /// The source has its bytes still, whoever has taken them.
    keeps: bool,
}

#[pymethods]
impl FanOutSteps {
    #[new]
    fn new(
        py: Python<'_>,
        src: &Bound<'_, PyAny>,
        sinks: &Bound<'_, PyAny>,
        offset: Option<&Bound<'_, PyAny>>,
        count: Option<&Bound<'_, PyAny>>,
        visibility: &str,
        taken_before: Vec<u8>,
    ) -> PyResult<Self> {
        let mut request = Request::new([offset, count, None, None], "auto", visibility, false)?;
        let mut ends = vec![End::new(src, Side::Source)?];
        for sink in sinks.try_iter()? {
            ends.push(End::new(&sink?, Side::Sink)?);
        }
        for end in &mut ends {
            end.keep(py)?;
        }
        let mut position = None;
        // The source is flushed once for each sink, which changes nothing.
        for sink in &ends[1..] {
            position = request.begin(py, &ends[0], sink)?.or(position);
        }
        let state = State {
            fan_out: None,
            ends,
            request,
            taken_before,
            position,
            pages: Pages::default(),
            slow: true,
            keeps: true,
        };
        Ok(Self { state: Mutex::new(Some(state)), moved: AtomicU64::new(0) })
    }

    /// Opens the ends; false if it is not to wait, and might have to because of a path.
    fn open(&self, py: Python<'_>, wait: bool) -> PyResult<bool> {
        let mut guard = taken(&self.state)?;
        let state = guard.as_mut().ok_or_else(over)?;
        detached(py, || state.open(wait))?.map_err(|error| errors::exception(py, &error, &state.all(), &[]))
    }

    /// Whether the next step may wait for a disk.
    fn may_wait(&self, py: Python<'_>) -> PyResult<bool> {
        let mut guard = taken(&self.state)?;
        let state = guard.as_mut().ok_or_else(over)?;
        Ok(state.slow || py.detach(|| state.pages.are_cold(self.bytes(), AHEAD)))
    }

    /// Moves what it can now; in a thread (patient) as much as a cancelled task may wait for.
    fn step<'py>(&self, py: Python<'py>, patient: bool) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let mut guard = taken(&self.state)?;
        let state = guard.as_mut().ok_or_else(over)?;
        for end in &state.ends {
            end.check_open(py)?;
        }
        let result = detached(py, || state.step(patient))?;
        let Some(fan_out) = &state.fan_out else { return Err(over()) };
        self.moved.store(fan_out.report().map_or(0, |report| report.bytes), Ordering::Relaxed);
        match result {
            Ok(FanOutStep::Done) => Ok(None),
            Ok(FanOutStep::Moved(_)) => answer(py, Some(&[])),
            Ok(FanOutStep::Blocked) => {
                let interests: Vec<Interest> =
                    fan_out.interests().map(|(fd, readiness)| (fd.as_raw_fd(), event(readiness))).collect();
                answer(py, Some(&interests))
            }
            Err(error) => Err(errors::exception(py, &error, &state.all(), &[])),
        }
    }

    /// The descriptor of a sink (by its order, from 0), if it had one before.
    fn sink(&self, index: usize) -> PyResult<Option<i32>> {
        let guard = taken(&self.state)?;
        let end = guard.as_ref().ok_or_else(over)?.ends.get(index + 1);
        let end = end.ok_or_else(|| PyRuntimeError::new_err("there is no such sink"))?;
        Ok(end.descriptor().map(|fd| fd.as_raw_fd()))
    }

    /// Bytes that every sink has which did not fail.
    #[getter]
    fn bytes(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Ends it, leaves file objects where it came to, and hands out its record, if it has begun, with what each sink lacks
    /// of a socket's or pipe's bytes; and those that no sink has had, if it has not begun.
    fn close<'py>(&self, py: Python<'py>) -> PyResult<(Option<Bound<'py, PyAny>>, Bound<'py, PyBytes>)> {
        let Some(mut state) = taken(&self.state)?.take() else { return Ok((None, PyBytes::new(py, b""))) };
        let (report, undelivered) = detached(py, || {
            let Some(mut fan_out) = state.fan_out.take() else { return (None, Vec::new()) };
            let report = fan_out.report();
            let undelivered = surrender(&mut fan_out, state.keeps, state.ends.len() - 1);
            (report, undelivered)
        })?;
        let begun = report.is_some();
        let report = report.map(|report| record(py, report, &undelivered)).transpose()?;
        let position = state.position.map(|start| start + self.bytes());
        if state.ends.iter().all(|end| end.check_open(py).is_ok()) {
            for sink in &state.ends[1..] {
                settle(py, &state.ends[0], sink, position)?;
            }
        }
        let rest = if begun { &[] } else { undelivered.first().unwrap_or(&state.taken_before).as_slice() };
        Ok((report, PyBytes::new(py, rest)))
    }
}

impl State {
    fn all(&self) -> Vec<&End> {
        self.ends.iter().collect()
    }

    fn open(&mut self, wait: bool) -> zcio::Result<bool> {
        // `ends` outlive the fan-out: see the order of the fields.
        let (source, sinks) = (&self.ends[0], &self.ends[1..]);
        let (source, sinks) = if wait {
            opened(&mut Watch::new(None), || {
                let source = source.endpoint(Side::Source)?;
                Ok((source, sinks.iter().map(|sink| sink.endpoint(Side::Sink)).collect::<Result<Vec<_>, _>>()?))
            })?
        } else {
            let sinks = sinks.iter().map(|sink| sink.endpoint_now(Side::Sink)).collect::<Result<Option<Vec<_>>, _>>();
            let Some(sinks) = sinks? else { return Ok(false) };
            let Some(source) = source.endpoint_now(Side::Source)? else { return Ok(false) };
            (source, sinks)
        };
        let from = source.facts().kind;
        let to_disk = sinks.iter().any(|sink| sink.facts().kind.is_seekable());
        self.slow = from == Kind::BlockDevice || (to_disk && !from.is_stream());
        self.keeps = from.is_seekable();
        self.pages = Pages::of(&source, self.request.offset);
        let taken_before = std::mem::take(&mut self.taken_before);
        self.fan_out = Some(described(&self.request, source, sinks).taken_before(taken_before));
        Ok(true)
    }

    fn step(&mut self, patient: bool) -> zcio::Result<FanOutStep> {
        let Some(fan_out) = &mut self.fan_out else { return Ok(FanOutStep::Done) };
        let (started, mut sum) = (Instant::now(), 0);
        loop {
            match fan_out.step()? {
                FanOutStep::Moved(count) => {
                    sum += count;
                    if !patient || sum >= THREAD_BYTES || started.elapsed() >= THREAD_TIME {
                        return Ok(FanOutStep::Moved(sum));
                    }
                }
                step => return Ok(step),
            }
        }
    }
}
