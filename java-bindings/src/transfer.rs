//! Transfers: from the Java side's request to the core's, and back from the core's report to the Java record.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use jni::Env;
use jni::objects::{JLongArray, JObject, JObjectArray};
use jni::sys::jlong;
use zcio::transfer::{Attempted, Begun, Origin, Place, Stream, Unfinished, Waits};
use zcio::{CachePolicy, Endpoint, Kind, Visibility};

use crate::awake::Waiting;
use crate::descriptors::{Descriptor, Given};
use crate::errors::{Failure, Trouble};
use crate::generated::options::TransferOptions;
use crate::natives::LongPredicate;
use crate::packed::{Packed, nothing, packed, packed_into};
use crate::running::{Machine, Running};
use crate::send_timeout::SendTimeout;

/// What a step takes out of memory where a signal is all that ends a call: a region that is closed is noticed after it.
const MEMORY_STEP: u64 = 1 << 20;

/// The ends, and what is asked of the core.
struct Request<'a, 'local> {
    source: Given<'a, 'local>,
    sink: Given<'a, 'local>,
    options: TransferOptions,
    waiting: Waiting,
    /// The source, if it is a path that was opened already.
    opened: Option<Endpoint<'static>>,
    /// What a first try has done.
    begun: Begun,
}

impl<'a, 'local> Request<'a, 'local> {
    fn new(
        env: &Env<'_>,
        source: &'a JObject<'local>,
        sink: &'a JObject<'local>,
        numbers: &JLongArray<'_>,
    ) -> Result<Self, Failure> {
        let mut numbers = Packed::of(env, numbers)?;
        let (source, sink) = (Given::new(source, &mut numbers), Given::new(sink, &mut numbers));
        let mut options = TransferOptions::read(&mut numbers);
        if source.is_shut() {
            options.count = Some(0);
        }
        Ok(Self {
            source,
            sink,
            options,
            waiting: Waiting::of(numbers.number()),
            opened: None,
            begun: Begun::default(),
        })
    }

    /// The most it writes after the sink was asked whether it takes any. A stream is asked instead of the sink, and a file may
    /// grow.
    fn length(&self, source: &Endpoint<'_>) -> Option<u64> {
        let facts = source.facts();
        match facts.kind {
            Kind::Memory => Some(facts.size),
            Kind::File | Kind::BlockDevice => self.options.count,
            _ => None,
        }
    }

    /// Opens a source that is a path, for the writer of a stream, whom nothing else may hold up; false if it is no file.
    fn open_file(&mut self, env: &mut Env<'local>) -> Result<bool, Failure> {
        let (Some(path), Some(_)) = (self.source.path(env)?, self.sink.written()) else { return Ok(true) };
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            return Ok(false);
        }
        match Endpoint::open(path) {
            Ok(end) => self.opened = Some(end),
            Err(error) => return Err(self.failure(env, error)),
        }
        Ok(true)
    }

    /// The short way, where nothing was asked for that it does not do.
    fn try_first(&mut self, env: &mut Env<'local>) -> std::result::Result<Option<zcio::Report>, Unfinished> {
        let TransferOptions {
            offset,
            sink_offset: None,
            count,
            mechanism: None,
            visibility: Visibility::Aliased,
            cache,
        } = self.options
        else {
            return Ok(None);
        };
        if cache != CachePolicy::default() {
            return Ok(None);
        }
        let attempted = match (self.sink.written(), count) {
            (Some(sink), _) => self.first_to(env, sink, offset, count)?,
            (None, Some(count)) => self.first_into(env, offset, count),
            (None, None) => None,
        };
        match attempted {
            Some(Attempted::Done(report)) => return Ok(Some(report)),
            Some(Attempted::Begun(begun)) => self.begun = begun,
            None => {}
        }
        Ok(None)
    }

    /// To a stream that this thread is the writer of.
    fn first_to(
        &self,
        env: &mut Env<'local>,
        sink: (BorrowedFd<'static>, Kind),
        offset: Option<u64>,
        count: Option<u64>,
    ) -> std::result::Result<Option<Attempted>, Unfinished> {
        let memory = self.source.memory();
        let known = memory.as_ref().map(Origin::Memory).or(self.opened.as_ref().map(Origin::Opened));
        let source = known.or_else(|| self.source.file(env).ok().map(Origin::File));
        let sink = Stream { fd: sink.0, kind: sink.1, waits: Waits::Woken };
        source.map(|source| zcio::Transfer::first(source, sink, offset, count)).transpose()
    }

    /// From one file channel to another, which may be of a file or of a FIFO.
    fn first_into(&self, env: &mut Env<'local>, offset: Option<u64>, count: u64) -> Option<Attempted> {
        let (source, sink) = (self.source.file(env).ok()?, self.sink.file(env).ok()?);
        Some(zcio::Transfer::first_into(source, Place { fd: sink, is_seekable: false }, offset, count))
    }

    /// Opens the ends; `None` if the sink is a FIFO that nobody reads yet.
    fn open(&mut self, env: &mut Env<'local>) -> Result<Option<Running>, Failure> {
        let sources = match self.opened.take() {
            Some(end) => Descriptor::Registered(end),
            None => Descriptor::of(env, &self.source, self.waiting)?,
        };
        let sinks = Descriptor::of(env, &self.sink, self.waiting)?;
        // The source first: a sink must not be made for a source that is not there.
        let opened = sources.source().and_then(|source| Ok((source, sinks.sink()?)));
        let (source, sink) = match opened {
            Ok((source, Some(sink))) => (source, sink),
            Ok((_, None)) => return Ok(None),
            Err(error) => return Err(self.failure(env, error)),
        };
        self.source.require_selectable(&source.endpoint, self.waiting)?;
        self.sink.require_selectable(&sink, self.waiting)?;
        let send_timeout = match self.waiting {
            Waiting::InPoll if self.sink.written().is_some() => None,
            Waiting::InPoll => SendTimeout::limit(&sink, self.length(&source.endpoint)),
            Waiting::Parked | Waiting::InSelector => None,
        };
        let ends = vec![number(&source.endpoint), number(&sink)];
        let of_memory = source.endpoint.facts().kind == Kind::Memory;
        let mut transfer = self.options.apply(zcio::Transfer::new(source.endpoint, sink)).begun(self.begun.clone());
        if of_memory && self.sink.written().is_some() {
            transfer = transfer.step_size(MEMORY_STEP);
        }
        Ok(Some(Running::new(Machine::Transfer(transfer), ends, source.fifo, send_timeout)))
    }

    /// An error about one of the ends has the name that the caller gave to it.
    fn failure(&self, env: &mut Env<'local>, error: zcio::Error) -> Failure {
        named(env, error, &self.source, &self.sink).map_or_else(|failure| failure, Failure::Transfer)
    }

    /// Runs to the end.
    fn run(
        &self,
        env: &mut Env<'local>,
        running: &mut Running,
        watch: &LongPredicate<'_>,
    ) -> Result<zcio::Report, Failure> {
        let result = running.run(env, watch);
        let Machine::Transfer(transfer) = &mut running.machine else { unreachable!("it was made by `open`") };
        match result {
            Ok(()) => Ok(transfer.report().expect("a transfer that is over has a report")),
            Err(Failure::Transfer(trouble)) => {
                // Should the pipe that holds the bytes be unreadable, the error that is being reported says more than that one.
                let undelivered = transfer.take_undelivered().unwrap_or_default();
                let named = named(env, trouble.error, &self.source, &self.sink)?;
                Err(Failure::Transfer(Trouble { undelivered, report: trouble.report, ..named }))
            }
            Err(other) => Err(other),
        }
    }
}

/// An error of an operation from one path to another, with the name of the one that it is about as the caller wrote it.
pub(crate) fn named<'local>(
    env: &mut Env<'local>,
    error: zcio::Error,
    source: &Given<'_, 'local>,
    sink: &Given<'_, 'local>,
) -> Result<Trouble, Failure> {
    let file = match error.path() {
        None => None,
        path if source.path(env)?.as_deref() == path => source.name(env)?,
        _ => sink.name(env)?,
    };
    Ok(Trouble { file, ..Trouble::of(error) })
}

/// An end's descriptor; -1 for memory.
pub(crate) fn number(end: &Endpoint<'_>) -> RawFd {
    end.descriptor().map_or(-1, |fd| fd.as_raw_fd())
}

/// The bridge to the native code's transfers. Not an API.
pub(crate) enum NativeTransfer {}

impl NativeTransfer {
    /// Moves bytes until the end, waiting as needed.
    ///
    /// @param source what {@link PackedEnds#object} gives
    /// @param sink   what {@link PackedEnds#object} gives
    /// @param call   numbers of the source, of the sink, and of the options; those of the report when it returns null
    /// @param watch  asked at least every 100 ms whether to stop
    /// @return null, or a report of more than numbers, or an empty array if the sink is a FIFO that nobody reads yet, or if the writer
    ///         of a stream must not wait for such a source
    pub fn run<'local>(
        env: &mut Env<'local>,
        source: &JObject<'local>,
        sink: &JObject<'local>,
        call: &JLongArray<'local>,
        watch: &LongPredicate<'local>,
    ) -> Result<JObjectArray<'local>, Failure> {
        let mut request = Request::new(env, source, sink, call)?;
        if !request.open_file(env)? {
            return Ok(nothing(env)?);
        }
        match request.try_first(env) {
            Ok(None) => {}
            Ok(Some(report)) => return Ok(packed_into(env, &report, call)?),
            Err(Unfinished { error, report }) => {
                let named = named(env, error, &request.source, &request.sink)?;
                return Err(Failure::Transfer(Trouble { report, ..named }));
            }
        }
        let Some(mut running) = request.open(env)? else { return Ok(nothing(env)?) };
        let report = request.run(env, &mut running, watch)?;
        Ok(packed_into(env, &report, call)?)
    }

    /// Opens the ends and moves nothing yet; the arguments are those of {@link #run}.
    ///
    /// @return a handle; 0 if the sink is a FIFO that nobody reads yet
    pub fn start<'local>(
        env: &mut Env<'local>,
        source: &JObject<'local>,
        sink: &JObject<'local>,
        call: &JLongArray<'local>,
    ) -> Result<jlong, Failure> {
        Ok(Request::new(env, source, sink, call)?.open(env)?.map_or(0, Running::into_handle))
    }

    /// What has happened so far; null before the first step has begun to move.
    pub fn report<'local>(env: &mut Env<'local>, handle: jlong) -> jni::errors::Result<JObjectArray<'local>> {
        match &Running::of(handle).machine {
            Machine::Transfer(transfer) => match transfer.report() {
                Some(report) => packed(env, &report),
                None => Ok(JObjectArray::<JObject>::null()),
            },
            Machine::Relay(_) | Machine::FanOut(_) => Ok(JObjectArray::<JObject>::null()),
        }
    }
}
