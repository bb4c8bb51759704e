//! `zcio.fan_out`: one source to many sinks.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use zcio::{Error, FanOut, FanOutReport, Side};

use crate::descriptors::End;
use crate::interrupt::{Watch, detached};
use crate::records;
use crate::relay::{failure, with_report};
use crate::transfer::{Request, callable, exception, opened, settle};

/// Sends one source to many sinks: each one gets exactly the same bytes, shared by reference where the kernel can.
///
/// src and each of sinks are what `transfer()` takes, but for buffers; offset and count are as there, as is progress, which is
/// called with the bytes that every sink has. A slow sink holds the others back. A sink that fails is reported in the
/// `FanOutReport` with its exception and its count, and the rest go on; when none is left its exception is raised, with
/// .report.
#[pyfunction]
#[pyo3(signature = (src, sinks, *, offset=None, count=None, progress=None))]
pub fn fan_out<'py>(
    py: Python<'py>,
    src: &Bound<'py, PyAny>,
    sinks: &Bound<'py, PyAny>,
    offset: Option<&Bound<'py, PyAny>>,
    count: Option<&Bound<'py, PyAny>>,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut request = Request::new([offset, count, None, None], "auto", "aliased", false)?;
    let progress = callable(progress)?;
    let source = End::new(src, Side::Source)?;
    let mut ends = Vec::new();
    for sink in sinks.try_iter()? {
        ends.push(End::new(&sink?, Side::Sink)?);
    }
    let mut position = None;
    // The source is flushed once for each sink, which changes nothing.
    for sink in &ends {
        position = request.begin(py, &source, sink)?.or(position);
    }
    let timeout = ends.iter().chain([&source]).filter_map(|end| end.timeout).min();
    let mut watch = Watch::new(timeout).telling(progress);
    let (result, report) = detached(py, || run(&request, &source, &ends, &mut watch))?;

    let moved = report.as_ref().map_or(0, |report| report.bytes);
    let mut positioned = Ok(());
    for sink in &ends {
        positioned = positioned.and(settle(py, &source, sink, position.map(|start| start + moved)));
    }
    let told = watch.finish(py, moved);
    let report = report.map(|report| record(py, report)).transpose()?;
    if let Err(error) = result {
        let all: Vec<&End> = ends.iter().chain([&source]).collect();
        let raised = exception(py, "fan_out", watch.into_stop(), &error, &all, &[]);
        return Err(match &report {
            Some(report) => with_report(py, raised, report),
            None => raised,
        });
    }
    positioned.and(told)?;
    Ok(report.expect("a fan-out that succeeded has begun"))
}

/// Without the GIL.
fn run(request: &Request, source: &End, sinks: &[End], watch: &mut Watch) -> (Result<(), Error>, Option<FanOutReport>) {
    let fan_out = opened(watch, || {
        let mut fan_out = FanOut::new(source.endpoint(Side::Source)?);
        for sink in sinks {
            fan_out = fan_out.sink(sink.endpoint(Side::Sink)?);
        }
        Ok(fan_out)
    });
    let mut fan_out = match fan_out {
        Ok(fan_out) => fan_out,
        Err(error) => return (Err(error), None),
    };
    if let Some(offset) = request.offset {
        fan_out = fan_out.offset(offset);
    }
    if let Some(count) = request.count {
        fan_out = fan_out.count(count);
    }
    watch.begin();
    let result = fan_out.run_watched(|moved| watch.look(moved)).map(drop);
    (result, fan_out.report())
}

fn record(py: Python<'_>, report: FanOutReport) -> PyResult<Bound<'_, PyAny>> {
    let sinks = report.sinks.into_iter().map(|sink| {
        let error = sink.error.as_ref().map(|error| failure(py, error));
        let attempts = records::attempts(py, sink.attempts)?;
        records::SINK.make(py, (sink.bytes, sink.mechanism.name(), attempts, error))
    });
    let sinks = PyTuple::new(py, sinks.collect::<PyResult<Vec<_>>>()?)?;
    records::FAN_OUT.make(
        py,
        (
            report.bytes,
            report.requested,
            report.mechanism.name(),
            records::attempts(py, report.attempts)?,
            sinks,
            report.system_calls,
            report.waits,
            report.elapsed.as_secs_f64(),
        ),
    )
}
