//! Transfers that an event loop drives: the private class behind `zcio.aio.Transfer`. Relays and fan-outs are in `step_relay` and
//! `step_fan_out`.
//!
//! `step()` moves what it can without waiting for a stream and says what to wait for. Streams are switched to
//! `O_NONBLOCK` for the time, so that no socket in blocking mode stops the loop. Where an end is a file that was open, steps are
//! made where that is held ([`crate::holds`]), while the caller waits; the loop waits for duplicates of its streams. A file has
//! no readiness: whether a step may wait for a disk is asked of the page cache (`may_wait`), and such a step is for a thread.
//!
//! A step holds its lock while the GIL is released, so nobody may wait for that lock with the GIL: it is only ever tried.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use zcio::apart::{Held, Process};
use zcio::{Endpoint, Kind, Mechanism, NonBlockingGuard, Readiness, Side, Step, Transfer};

use crate::descriptors::End;
use crate::errors;
use crate::holds::{Lodging, borrow, gather, send};
use crate::interrupt::{Watch, check, detached, opened};
use crate::report::Report;
use crate::small;
use crate::transfer::{Request, sync_position};

/// The most that is moved at once: some 0.2 ms.
pub const PIECE: u64 = 1 << 20;
/// How long a step in the loop goes on, piece by piece. A step made where a file is held costs two switches of threads, and the
/// loop makes one after the other for longer than this before it lets others have their turn (`_TURN` in `_loops.py`).
const LOOP_TIME: Duration = Duration::from_millis(2);
/// How far the page cache is asked about at once.
const WINDOW: u64 = 8 << 20;
/// The most that a thread moves, in bytes and in time, before it reports back: a cancelled task waits for this.
pub const THREAD_BYTES: u64 = 32 << 20;
pub const THREAD_TIME: Duration = Duration::from_millis(20);

/// What to wait for: a descriptor, and 1 for readable, 2 for writable (as in `selectors`), 0 to ask again a little later.
pub type Interest = (i32, u8);

/// What a step says: None when all is done, an empty tuple to be called again, or what to wait for, any of it.
pub fn answer<'py>(py: Python<'py>, interests: Option<&[Interest]>) -> PyResult<Option<Bound<'py, PyTuple>>> {
    interests.map(|interests| PyTuple::new(py, interests)).transpose()
}

pub fn event(readiness: Readiness) -> u8 {
    match readiness {
        Readiness::Readable => 1,
        Readiness::Writable => 2,
    }
}

/// The state of what that process began.
pub fn taken<T>(state: &Mutex<T>, process: Process) -> PyResult<MutexGuard<'_, T>> {
    Python::attach(|py| check(py, process))?;
    match state.try_lock() {
        Ok(state) => Ok(state),
        Err(TryLockError::Poisoned(state)) => Ok(state.into_inner()),
        Err(TryLockError::WouldBlock) => Err(PyRuntimeError::new_err("a step of this is being made in another thread")),
    }
}

/// The state, for the end of it; a child of `os.fork()` leaves it alone, as one that has ended.
pub fn ended<T>(state: &Mutex<Option<T>>, process: Process) -> PyResult<Option<T>> {
    if process.is_this() { Ok(taken(state, process)?.take()) } else { Ok(None) }
}

pub fn over() -> PyErr {
    PyRuntimeError::new_err("this is over")
}

/// What is known of the source's pages: whether a step may have to wait for a disk.
#[derive(Default)]
pub struct Pages {
    /// The source and where it began, if it is a file; open as long as the endpoint is.
    file: Option<(RawFd, u64)>,
    /// Before this its pages were found in memory.
    cached: u64,
}

impl Pages {
    /// Of a source that is read from this offset on, or from its position, which is behind what has been moved already.
    pub fn of(source: &Endpoint<'_>, offset: Option<u64>, moved: u64) -> Self {
        let file = source.descriptor().filter(|_| source.facts().kind == Kind::File);
        Self {
            file: file.map(|fd| (fd.as_raw_fd(), offset.unwrap_or_else(|| position_of(fd).saturating_sub(moved)))),
            cached: 0,
        }
    }

    /// Whether the next `length` bytes, after those moved, are known not to be cold.
    pub fn are_known(&self, moved: u64, length: u64) -> bool {
        self.file.is_none_or(|(_, start)| start + moved + length <= self.cached)
    }

    /// Whether some of the next `length` bytes, after those moved, are not in memory. What cannot be found out counts as cold.
    pub fn are_cold(&mut self, moved: u64, length: u64) -> bool {
        let Some((fd, start)) = self.file else { return false };
        let at = start + moved;
        if at + length <= self.cached {
            return false;
        }
        for window in [WINDOW, length] {
            if zcio::residency(borrow(fd), at, window).is_ok_and(|found| found.is_complete()) {
                self.cached = at + window;
                return false;
            }
        }
        true
    }
}

/// A transfer to be stepped.
#[pyclass(frozen, module = "zcio._zcio")]
pub struct TransferSteps {
    state: Mutex<Option<TransferState>>,
    moved: AtomicU64,
    process: Process,
}

/// Fields are dropped in order: what uses the ends before the ends.
struct TransferState {
    moving: Lodging<Moving>,
    /// The streams, in non-blocking mode.
    unblocked: Vec<NonBlockingGuard<'static>>,
    ends: [End; 2],
    request: Request,
    taken_before: Vec<u8>,
    /// Where the file object that is the source began.
    position: Option<u64>,
}

/// What has descriptors, where the ends are.
struct Moving {
    transfer: Option<Transfer<'static>>,
    pages: Pages,
    /// Every step may wait.
    slow: bool,
    /// What an error left, which `close` hands out as well.
    undelivered: Vec<u8>,
    /// For as long as the transfer.
    held: Vec<Held>,
}

#[pymethods]
impl TransferSteps {
    #[new]
    #[allow(clippy::too_many_arguments)] // Those of transfer().
    fn new(
        py: Python<'_>,
        src: &Bound<'_, PyAny>,
        dst: &Bound<'_, PyAny>,
        offset: Option<&Bound<'_, PyAny>>,
        count: Option<&Bound<'_, PyAny>>,
        mechanism: &str,
        visibility: &str,
        dst_offset: Option<&Bound<'_, PyAny>>,
        read_ahead: Option<&Bound<'_, PyAny>>,
        drop_behind: bool,
        taken_before: Vec<u8>,
    ) -> PyResult<Self> {
        let request = Request::new([offset, count, dst_offset, read_ahead], mechanism, visibility, drop_behind)?;
        let ends = [End::new(src, Side::Source)?, End::new(dst, Side::Sink)?];
        Self::of(py, request, ends, taken_before)
    }

    /// Moves what goes the short way, without a wait: the report, if that is all, or what is to be stepped.
    #[staticmethod]
    fn begin<'py>(
        py: Python<'py>,
        src: &Bound<'py, PyAny>,
        dst: &Bound<'py, PyAny>,
        offset: Option<&Bound<'py, PyAny>>,
        count: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut part = match small::attempt(src, dst, offset, count, true)? {
            small::Attempt::Done(report) => return Ok(Bound::new(py, Report::from(report))?.into_any()),
            small::Attempt::Begun(part) => part,
        };
        let mut request = Request::new([offset, count, None, None], "auto", "aliased", false)?;
        request.begun = std::mem::take(&mut part.begun);
        let ends = part.ends(src, dst)?;
        Ok(Bound::new(py, Self::of(py, request, ends, Vec::new())?)?.into_any())
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
        let moved = self.moved.load(Ordering::Relaxed);
        let moving = state.moving.value();
        if moving.slow || moving.pages.are_known(moved, PIECE) {
            return Ok(moving.slow);
        }
        let cold = detached(py, || state.moving.run(|moving, _| moving.pages.are_cold(moved, PIECE)))?;
        cold.map_err(|error| errors::exception(py, &error, &[], &[]))
    }

    /// Moves what it can now; in a thread (patient) as much as a cancelled task may wait for.
    fn step<'py>(&self, py: Python<'py>, patient: bool) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let mut guard = taken(&self.state, self.process)?;
        let state = guard.as_mut().ok_or_else(over)?;
        let result = detached(py, || state.moving.run(|moving, _| moving.step(&self.moved, patient)))?;
        match result.and_then(|result| result) {
            Ok(Step::Done) => Ok(None),
            Ok(Step::Moved(_)) => answer(py, Some(&[])),
            Ok(Step::Blocked(side)) => answer(py, Some(&[(state.waited_for(side)?, event(side.readiness()))])),
            Ok(Step::Completing) => answer(py, Some(&[(0, 0)])),
            Err(error) => {
                self.moved.store(error.moved(), Ordering::Relaxed);
                let undelivered = state.moving.value().undelivered.clone();
                Err(errors::exception(py, &error, &state.all(), &undelivered))
            }
        }
    }

    /// The descriptor of dst, if it had one before and can be waited for.
    fn sink(&self) -> PyResult<Option<i32>> {
        let guard = taken(&self.state, self.process)?;
        Ok(guard.as_ref().ok_or_else(over)?.ends[1].stream())
    }

    /// What has been done; None before the first step.
    fn report(&self) -> PyResult<Option<Report>> {
        let mut guard = taken(&self.state, self.process)?;
        let state = guard.as_mut().ok_or_else(over)?;
        Ok(state.moving.value().transfer.as_ref().and_then(Transfer::report).map(Report::from))
    }

    /// Bytes delivered so far.
    #[getter]
    fn bytes(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Ends it, leaves file objects where it came to, and hands out the bytes that were taken and not delivered.
    fn close<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let Some(mut state) = ended(&self.state, self.process)? else { return Ok(PyBytes::new(py, b"")) };
        let undelivered = detached(py, || {
            let undelivered = state.moving.run(|moving, _| {
                let undelivered = moving.take_pending();
                moving.transfer = None;
                moving.held.clear();
                undelivered
            });
            state.unblocked.clear();
            undelivered
        })?;
        let mut undelivered = undelivered.map_err(|error| errors::exception(py, &error, &[], &[]))?;
        undelivered.append(&mut state.taken_before);
        let position = state.position.map(|start| start + self.bytes());
        sync_position(py, &state.ends[0], &state.ends[1], position)?;
        Ok(PyBytes::new(py, &undelivered))
    }
}

impl TransferSteps {
    fn of(py: Python<'_>, mut request: Request, mut ends: [End; 2], taken_before: Vec<u8>) -> PyResult<Self> {
        let position = request.begin(py, &ends[0], &ends[1])?;
        gather(&mut ends).map_err(|error| errors::exception(py, &error, &[], &[]))?;
        let moving =
            Moving { transfer: None, pages: Pages::default(), slow: true, undelivered: Vec::new(), held: Vec::new() };
        let moving = Lodging::new(ends.iter().find_map(End::held), moving);
        let moved = AtomicU64::new(request.begun.moved());
        let state = TransferState { moving, unblocked: Vec::new(), ends, request, taken_before, position };
        Ok(Self { state: Mutex::new(Some(state)), moved, process: Process::this() })
    }
}

impl TransferState {
    fn all(&self) -> Vec<&End> {
        self.ends.iter().collect()
    }

    fn open(&mut self, wait: bool) -> zcio::error::Result<bool> {
        // Nothing is touched that would have to be touched again.
        if !wait && self.ends[1].path().is_some() {
            return Ok(false);
        }
        if !send(&mut self.ends, wait, &mut Watch::new(None))? {
            return Ok(false);
        }
        for fd in self.ends.iter().filter_map(End::stream) {
            self.unblocked.push(NonBlockingGuard::new(borrow(fd))?);
        }
        // `ends` outlive the transfer: see the order of the fields.
        let (ends, request, taken_before) = (&self.ends, &self.request, &mut self.taken_before);
        let opened = self.moving.run(|moving, caller| {
            let [source, sink] = ends;
            let (source, sink) = if wait {
                opened(&mut Watch::new(None), caller, || Ok((source.endpoint()?, sink.endpoint()?)))?
            } else if let Some(source) = source.endpoint_now()? {
                (source, sink.endpoint()?)
            } else {
                return Ok(false);
            };
            moving.begin(source, sink, request, taken_before).map(|()| true)
        })??;
        if opened {
            let held: Vec<_> = self.ends.iter_mut().filter_map(End::take_held).collect();
            self.moving.value().held = held;
        } else {
            self.unblocked.clear();
        }
        Ok(opened)
    }

    /// What the loop can wait for, instead of an end where it is.
    fn waited_for(&mut self, side: Side) -> PyResult<RawFd> {
        if let Some(fd) = self.ends[usize::from(side == Side::Sink)].stream() {
            return Ok(fd);
        }
        let transfer = self.moving.value().transfer.as_ref().ok_or_else(over)?;
        Ok(transfer.descriptor(side).as_raw_fd())
    }
}

impl Moving {
    fn begin(
        &mut self,
        source: Endpoint<'static>,
        sink: Endpoint<'static>,
        request: &Request,
        taken_before: &mut Vec<u8>,
    ) -> zcio::error::Result<()> {
        // Kept so by the state; and a FIFO that was opened here.
        let (source, sink) = (source.nonblocking()?, sink.nonblocking()?);
        let (from, to) = (*source.facts(), *sink.facts());
        let Request { mechanism, cache, .. } = request;
        let patient = matches!(mechanism, Some(Mechanism::DirectIo | Mechanism::Uring));
        let to_disk = to.kind.is_seekable();
        self.slow = patient || (to_disk && (!from.kind.is_stream() || cache.drop_behind));
        self.slow |= from.kind == Kind::BlockDevice;
        self.pages = Pages::of(&source, request.offset, request.begun.moved());
        let transfer = request.transfer(source, sink).step_size(PIECE);
        self.transfer = Some(transfer.taken_before(std::mem::take(taken_before)));
        Ok(())
    }

    fn step(&mut self, moved: &AtomicU64, patient: bool) -> zcio::error::Result<Step> {
        let Some(transfer) = &mut self.transfer else { return Ok(Step::Done) };
        let (started, mut sum) = (Instant::now(), 0);
        loop {
            match transfer.step() {
                Ok(Step::Moved(count)) => {
                    moved.fetch_add(count, Ordering::Relaxed);
                    sum += count;
                    // In the loop no page may be waited for, and a step that moved nothing may be signals alone.
                    let goes_on = patient || (count > 0 && self.pages.are_known(moved.load(Ordering::Relaxed), PIECE));
                    let time = if patient { THREAD_TIME } else { LOOP_TIME };
                    if !goes_on || sum >= THREAD_BYTES || started.elapsed() >= time {
                        return Ok(Step::Moved(sum));
                    }
                }
                Ok(step) => return Ok(step),
                Err(error) => {
                    self.undelivered = self.take_pending();
                    return Err(error);
                }
            }
        }
    }

    /// Bytes that exist only here. Should they be lost, what led here matters more.
    fn take_pending(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.undelivered);
        bytes.extend(self.transfer.as_mut().and_then(|transfer| transfer.take_undelivered().ok()).unwrap_or_default());
        bytes
    }
}

fn position_of(fd: BorrowedFd<'_>) -> u64 {
    // SAFETY: lseek(2) with integers.
    let position = unsafe { libc::lseek(fd.as_raw_fd(), 0, libc::SEEK_CUR) };
    u64::try_from(position).unwrap_or(0)
}
