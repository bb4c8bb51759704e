//! A fan-out that an event loop drives: the private class behind `zcio.aio.FanOut`; see `step` for how its steps behave.
//!
//! A step takes one window of the source, 1 MiB at most, and gives each sink what it takes of it now.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use zcio::apart::{Held, Process};
use zcio::{Endpoint, FanOut, FanOutReport, FanOutStep, Kind, Side};

use crate::descriptors::End;
use crate::errors;
use crate::fan_out::{described, record, take_pending};
use crate::holds::{Lodging, gather, send};
use crate::interrupt::{Watch, detached, opened};
use crate::step::{Interest, PIECE, Pages, THREAD_BYTES, THREAD_TIME, answer, ended, event, over, taken};
use crate::transfer::{Request, sync_position};

/// How far the source may be read beyond what every sink has: a window is on its way to a slow sink, one more waits for it,
/// and one is read.
const AHEAD: u64 = 3 * PIECE;

/// A fan-out to be stepped.
#[pyclass(frozen, module = "zcio._zcio")]
pub struct FanOutSteps {
    state: Mutex<Option<State>>,
    moved: AtomicU64,
    process: Process,
}

/// Fields are dropped in order: what uses the ends before the ends.
struct State {
    moving: Lodging<Moving>,
    /// The source, then the sinks.
    ends: Vec<End>,
    request: Request,
    taken_before: Vec<u8>,
    /// Where the file object that is the source began.
    position: Option<u64>,
}

/// What has descriptors, where the ends are.
struct Moving {
    fan_out: Option<FanOut<'static>>,
    pages: Pages,
    /// Every step may wait.
    slow: bool,
    /// The source has its bytes still, whoever has taken them.
    keeps: bool,
    /// What the loop waits for instead of a stream's descriptor where the ends are.
    waited_for: HashMap<RawFd, RawFd>,
    /// For as long as the fan-out.
    held: Vec<Held>,
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
        let mut position = None;
        // The source is flushed once for each sink, which changes nothing.
        for sink in &ends[1..] {
            position = request.begin(py, &ends[0], sink)?.or(position);
        }
        gather(&mut ends).map_err(|error| errors::exception(py, &error, &[], &[]))?;
        let moving = Moving {
            fan_out: None,
            pages: Pages::default(),
            slow: true,
            keeps: true,
            waited_for: HashMap::new(),
            held: Vec::new(),
        };
        let moving = Lodging::new(ends.iter().find_map(End::held), moving);
        let state = State { moving, ends, request, taken_before, position };
        Ok(Self { state: Mutex::new(Some(state)), moved: AtomicU64::new(0), process: Process::this() })
    }

    /// Opens the ends; false if it is not to wait, and might have to because of a path.
    fn open(&self, py: Python<'_>, wait: bool) -> PyResult<bool> {
        let mut guard = taken(&self.state, self.process)?;
        let state = guard.as_mut().ok_or_else(over)?;
        detached(py, || state.open(wait))?.map_err(|error| errors::exception(py, &error, &state.all(), &[]))
    }

    /// Whether the next step may wait for a disk.
    fn may_wait(&self, py: Python<'_>) -> PyResult<bool> {
        let mut guard = taken(&self.state, self.process)?;
        let state = guard.as_mut().ok_or_else(over)?;
        let (moving, moved) = (state.moving.value(), self.bytes());
        if moving.slow || moving.pages.are_known(moved, AHEAD) {
            return Ok(moving.slow);
        }
        let cold = detached(py, || state.moving.run(|moving, _| moving.pages.are_cold(moved, AHEAD)))?;
        cold.map_err(|error| errors::exception(py, &error, &[], &[]))
    }

    /// Moves what it can now; in a thread (patient) as much as a cancelled task may wait for.
    fn step<'py>(&self, py: Python<'py>, patient: bool) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let mut guard = taken(&self.state, self.process)?;
        let state = guard.as_mut().ok_or_else(over)?;
        let result = detached(py, || state.moving.run(|moving, _| moving.step(patient)))?;
        let Moving { fan_out: Some(fan_out), waited_for, .. } = state.moving.value() else { return Err(over()) };
        self.moved.store(fan_out.report().map_or(0, |report| report.bytes), Ordering::Relaxed);
        match result.and_then(|result| result) {
            Ok(FanOutStep::Done) => Ok(None),
            Ok(FanOutStep::Moved(_)) => answer(py, Some(&[])),
            Ok(FanOutStep::Blocked) => {
                let here = |fd| waited_for.get(&fd).copied().unwrap_or(fd);
                let interests: Vec<Interest> =
                    fan_out.interests().map(|(fd, readiness)| (here(fd.as_raw_fd()), event(readiness))).collect();
                answer(py, Some(&interests))
            }
            Err(error) => Err(errors::exception(py, &error, &state.all(), &[])),
        }
    }

    /// The descriptor of a sink (by its order, from 0), if it had one before and can be waited for.
    fn sink(&self, index: usize) -> PyResult<Option<i32>> {
        let guard = taken(&self.state, self.process)?;
        let end = guard.as_ref().ok_or_else(over)?.ends.get(index + 1);
        let end = end.ok_or_else(|| PyRuntimeError::new_err("there is no such sink"))?;
        Ok(end.stream())
    }

    /// Bytes that every sink has which did not fail.
    #[getter]
    fn bytes(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Ends it, leaves file objects where it came to, and hands out its record, if it has begun, with what each sink lacks
    /// of a socket's or pipe's bytes; and those that no sink has had, if it has not begun.
    fn close<'py>(&self, py: Python<'py>) -> PyResult<(Option<Bound<'py, PyAny>>, Bound<'py, PyBytes>)> {
        let Some(mut state) = ended(&self.state, self.process)? else {
            return Ok((None, PyBytes::new(py, b"")));
        };
        let sinks = state.ends.len() - 1;
        let outcome = detached(py, || state.moving.run(|moving, _| moving.end(sinks)))?;
        let (report, undelivered) = outcome.map_err(|error| errors::exception(py, &error, &[], &[]))?;
        let begun = report.is_some();
        let report = report.map(|report| record(py, &report, &undelivered)).transpose()?;
        let position = state.position.map(|start| start + self.bytes());
        for sink in &state.ends[1..] {
            sync_position(py, &state.ends[0], sink, position)?;
        }
        let rest = if begun { &[] } else { undelivered.first().unwrap_or(&state.taken_before).as_slice() };
        Ok((report, PyBytes::new(py, rest)))
    }
}

impl State {
    fn all(&self) -> Vec<&End> {
        self.ends.iter().collect()
    }

    fn open(&mut self, wait: bool) -> zcio::error::Result<bool> {
        if !send(&mut self.ends, wait, &mut Watch::new(None))? {
            return Ok(false);
        }
        // `ends` outlive the fan-out: see the order of the fields.
        let (ends, request, taken_before) = (&self.ends, &self.request, &mut self.taken_before);
        let opened = self.moving.run(|moving, caller| {
            let (source, sinks) = (&ends[0], &ends[1..]);
            let (source, sinks) = if wait {
                opened(&mut Watch::new(None), caller, || {
                    let source = source.endpoint()?;
                    Ok((source, sinks.iter().map(End::endpoint).collect::<Result<Vec<_>, _>>()?))
                })?
            } else {
                let sinks = sinks.iter().map(End::endpoint_now).collect::<Result<Option<Vec<_>>, _>>();
                let Some(sinks) = sinks? else { return Ok(false) };
                let Some(source) = source.endpoint_now()? else { return Ok(false) };
                (source, sinks)
            };
            for (end, endpoint) in ends.iter().zip([&source].into_iter().chain(&sinks)) {
                let there = endpoint.descriptor().map(|fd| fd.as_raw_fd());
                moving.waited_for.extend(there.zip(end.stream()));
            }
            moving.begin(request, source, sinks, std::mem::take(taken_before));
            zcio::error::Result::Ok(true)
        })??;
        if opened {
            let held: Vec<_> = self.ends.iter_mut().filter_map(End::take_held).collect();
            self.moving.value().held = held;
        }
        Ok(opened)
    }
}

impl Moving {
    fn begin(
        &mut self,
        request: &Request,
        source: Endpoint<'static>,
        sinks: Vec<Endpoint<'static>>,
        taken_before: Vec<u8>,
    ) {
        let from = source.facts().kind;
        let to_disk = sinks.iter().any(|sink| sink.facts().kind.is_seekable());
        self.slow = from == Kind::BlockDevice || (to_disk && !from.is_stream());
        self.keeps = from.is_seekable();
        self.pages = Pages::of(&source, request.offset, 0);
        self.fan_out = Some(described(request, source, sinks).taken_before(taken_before));
    }

    fn step(&mut self, patient: bool) -> zcio::error::Result<FanOutStep> {
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

    fn end(&mut self, sinks: usize) -> (Option<FanOutReport>, Vec<Vec<u8>>) {
        let Some(mut fan_out) = self.fan_out.take() else { return (None, Vec::new()) };
        let report = fan_out.report();
        let undelivered = take_pending(&mut fan_out, self.keeps, sinks);
        drop(fan_out);
        self.held.clear();
        (report, undelivered)
    }
}
