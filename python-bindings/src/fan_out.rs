//! `zcio.fan_out`: one source to many sinks.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use zcio::apart::Caller;
use zcio::{Endpoint, Error, FanOut, FanOutReport, Side};

use crate::descriptors::End;
use crate::generated::reports::{fan_out_report, sink_report};
use crate::holds;
use crate::interrupt::{Watch, opened};
use crate::observed::observed;
use crate::relay::with_report;
use crate::transfer::{Request, callable, done, exception, sync_position};

/// Sends one source to many sinks: each one gets exactly the same bytes, shared by reference where the kernel can.
///
/// src and each of sinks are what `transfer()` takes, but for buffers; offset, count and visibility are as there, as is
/// progress, which is called with the bytes that every sink has. A slow sink holds the others back. A sink that fails is reported in the
/// `FanOutReport` with its exception and its count, and the rest go on; when none is left its exception is raised. Whatever
/// is raised after the first byte has .report, which says how far each sink has come, and what it lacks of a socket or pipe.
///
/// Sinks that are blocking sockets are in non-blocking mode until it returns: another thread that receives from one of them
/// meanwhile may get `BlockingIOError`. src is left as it is.
#[pyfunction]
#[pyo3(signature = (src, sinks, *, offset=None, count=None, visibility="aliased", progress=None))]
pub fn fan_out<'py>(
    py: Python<'py>,
    src: &Bound<'py, PyAny>,
    sinks: &Bound<'py, PyAny>,
    offset: Option<&Bound<'py, PyAny>>,
    count: Option<&Bound<'py, PyAny>>,
    visibility: &str,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    observed(py, "fan_out", || {
        let mut request = Request::new([offset, count, None, None], "auto", visibility, false)?;
        let progress = callable(progress)?;
        let mut ends = vec![End::new(src, Side::Source)?];
        for sink in sinks.try_iter()? {
            ends.push(End::new(&sink?, Side::Sink)?);
        }
        let mut position = None;
        // The source is flushed once for each sink, which changes nothing.
        for sink in &ends[1..] {
            position = request.begin(py, &ends[0], sink)?.or(position);
        }
        let timeout = ends.iter().filter_map(|end| end.timeout).min();
        let mut watch = Watch::new(timeout).telling(progress);
        let outcome = holds::run(py, &mut ends, &mut watch, |ends, watch, caller| run(&request, ends, watch, caller))?;
        let (result, report, undelivered) = outcome.unwrap_or_else(|error| (Err(error), None, Vec::new()));

        let moved = report.as_ref().map_or(0, |report| report.bytes);
        let mut positioned = Ok(());
        for sink in &ends[1..] {
            positioned = positioned.and(sync_position(py, &ends[0], sink, position.map(|start| start + moved)));
        }
        let told = watch.finish(py, moved);
        let report = report.map(|report| record(py, &report, &undelivered)).transpose()?;
        if let Err(error) = result {
            let all: Vec<&End> = ends[1..].iter().chain([&ends[0]]).collect();
            let raised = exception(py, "fan_out", watch.into_stop(), &error, &all, &[]);
            return Err(match &report {
                Some(report) => with_report(py, raised, report),
                None => raised,
            });
        }
        let report = report.expect("a fan-out that succeeded has begun");
        positioned.and(told).map_err(|raised| done(py, raised, moved, &report))?;
        Ok(report)
    })
}

/// What came of it, how it stands, and what each sink lacks.
type Outcome = (Result<(), Error>, Option<FanOutReport>, Vec<Vec<u8>>);

/// Without the GIL.
fn run(request: &Request, ends: &[End], watch: &mut Watch, caller: &Caller<'_>) -> Outcome {
    let sinks = &ends[1..];
    let endpoints = opened(watch, caller, || {
        let source = ends[0].endpoint()?;
        Ok((source, sinks.iter().map(End::endpoint).collect::<Result<Vec<_>, _>>()?))
    });
    let (source, endpoints) = match endpoints {
        Ok(endpoints) => endpoints,
        Err(error) => return (Err(error), None, Vec::new()),
    };
    let keeps = source.facts().kind.is_seekable();
    let mut fan_out = described(request, source, endpoints);
    watch.begin();
    let result = fan_out.run_watched(|moved| caller.call(|| watch.look(moved))).map(drop);
    let report = fan_out.report();
    // In a child of fork(2) they are its parent's.
    let undelivered = take_pending(&mut fan_out, keeps || watch.is_inherited(), sinks.len());
    (result, report, undelivered)
}

/// The fan-out that was asked for.
pub fn described<'a>(request: &Request, source: Endpoint<'a>, sinks: Vec<Endpoint<'a>>) -> FanOut<'a> {
    let mut fan_out = sinks.into_iter().fold(FanOut::new(source).visibility(request.visibility), FanOut::sink);
    if let Some(offset) = request.offset {
        fan_out = fan_out.offset(offset);
    }
    if let Some(count) = request.count {
        fan_out = fan_out.count(count);
    }
    fan_out
}

/// What each sink lacks of the bytes that exist only here: none of a source that keeps them, as a file does. For a fan-out
/// that will not go on. Should they be lost, what led here matters more.
pub fn take_pending(fan_out: &mut FanOut<'_>, keeps: bool, sinks: usize) -> Vec<Vec<u8>> {
    let mut lacking = |sink| if keeps { Vec::new() } else { fan_out.take_undelivered(sink).unwrap_or_default() };
    (0..sinks).map(&mut lacking).collect()
}

pub fn record<'py>(py: Python<'py>, report: &FanOutReport, undelivered: &[Vec<u8>]) -> PyResult<Bound<'py, PyAny>> {
    let sinks = report.sinks.iter().zip(undelivered).map(|(sink, undelivered)| sink_report(py, sink, undelivered));
    let sinks = PyTuple::new(py, sinks.collect::<PyResult<Vec<_>>>()?)?;
    fan_out_report(py, report, sinks.into_any())
}
