//! `zcio.relay`: two sockets joined, and the record of it that the stepped relay makes as well.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use zcio::{Direction, Relay, Side};

use crate::descriptors::End;
use crate::errors;
use crate::generated::reports::{direction_report, relay_report};
use crate::holds;
use crate::interrupt::{Progress, Watch, check, detached};
use crate::observed::observed;
use crate::once::intern;
use crate::transfer::{callable, done, exception};

/// Joins two connected stream sockets: what comes out of one goes into the other, in both directions at once, until both
/// have ended. The end of one side is passed on and the other direction goes on.
///
/// a and b are socket objects or descriptors. While nothing moves for the shortest timeout of the two, the relay raises
/// `TimeoutError`. progress is called with two counts: from a to b, and from b to a.
///
/// Returns a `RelayReport`. When a direction breaks (`ConnectionResetError`, `BrokenPipeError`, …) the exception is raised as
/// soon as the other one has no more to give for the moment; its .report says how both stand, with the bytes that were
/// taken and could not be delivered. What a signal handler or progress raises has .report as well.
///
/// Blocking sockets are in non-blocking mode until it returns, for other threads, too.
#[pyfunction]
#[pyo3(signature = (a, b, *, progress=None))]
pub fn relay<'py>(
    py: Python<'py>,
    a: &Bound<'py, PyAny>,
    b: &Bound<'py, PyAny>,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    observed(py, "relay", || {
        let mut progress = callable(progress)?.map(Progress::new);
        let mut ends = [End::new(a, Side::Source)?, End::new(b, Side::Source)?];
        if ends.iter().any(|end| end.path().is_some()) {
            return Err(PyValueError::new_err("relay() joins two sockets, and one end is a path"));
        }
        let timeout = ends.iter().filter_map(|end| end.timeout).min();
        let mut watch = Watch::new(timeout);
        let mut relay = detached(py, || joined(&mut ends))?.map_err(|error| errors::exception(py, &error, &[], &[]))?;
        watch.begin();
        let result = detached(py, || {
            relay.run_watched(|forward, backward| {
                watch.look_and(forward + backward, |py| tell(py, progress.as_mut(), forward, backward))
            })
        })?;
        if let Err(error) = result {
            check(py, watch.process)?;
            let report = record(py, &mut relay)?;
            let raised = exception(py, "relay", watch.into_stop(), &error, &[], &[]);
            return Err(with_report(py, raised, &report));
        }
        let report = relay.report();
        let (forward, backward) = (report.forward.bytes, report.backward.bytes);
        let report = record(py, &mut relay)?;
        match tell(py, progress.as_mut(), forward, backward) {
            Ok(()) => Ok(report),
            Err(raised) => Err(done(py, raised, forward + backward, &report)),
        }
    })
}

/// The relay of two ends, which outlive it.
pub fn joined(ends: &mut [End; 2]) -> zcio::error::Result<Relay<'static>> {
    holds::gather(ends)?;
    let join = || zcio::error::Result::Ok(Relay::new(ends[0].endpoint()?, ends[1].endpoint()?));
    match ends.iter().find_map(End::held) {
        // A file, which is refused where it is.
        Some(held) => Err(held.run(|_| join()?.step())?.expect_err("a relay has no use for a file")),
        None => join(),
    }
}

fn tell(py: Python<'_>, progress: Option<&mut Progress>, forward: u64, backward: u64) -> PyResult<()> {
    progress.map_or(Ok(()), |progress| progress.tell(py, &[forward, backward]))
}

/// The exception with `.report`, where it takes attributes.
pub fn with_report(py: Python<'_>, raised: PyErr, report: &Bound<'_, PyAny>) -> PyErr {
    let _ = raised.value(py).setattr(intern!(py, "report"), report);
    raised
}

/// How a relay stands; for one that will not go on, because it hands out what could not be delivered.
pub fn record<'py>(py: Python<'py>, relay: &mut Relay<'_>) -> PyResult<Bound<'py, PyAny>> {
    let report = relay.report();
    let mut direction = |direction, part| {
        // Should the bytes be lost, what happened to the relay still matters more.
        let undelivered = relay.take_undelivered(direction).unwrap_or_default();
        direction_report(py, part, &undelivered)
    };
    let forward = direction(Direction::Forward, &report.forward)?;
    let backward = direction(Direction::Backward, &report.backward)?;
    relay_report(py, &report, forward, backward)
}
