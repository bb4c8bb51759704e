//! Transfers: from the Java side's request to the core's, and back from the core's report to the Java record.

use std::os::fd::{AsRawFd, RawFd};

use jni::Env;
use jni::objects::{JLongArray, JObject, JObjectArray};
use jni::sys::jlong;
use zcio::transfer::{Attempted, Begun, Origin, Stream, Waits};
use zcio::{CachePolicy, Endpoint, Kind, Visibility};

use crate::descriptors::{Descriptor, Given, Waiting};
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
        Ok(Self { source, sink, options, waiting: Waiting::of(numbers.number()), begun: Begun::default() })
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

    /// The short way to a stream that this thread is the writer of, where nothing was asked for that it does not do.
    fn try_first(&mut self) -> zcio::error::Result<Option<zcio::Report>> {
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
        let (file, memory) = (self.source.file(), self.source.memory());
        let source = file.map(Origin::File).or(memory.as_ref().map(Origin::Memory));
        let (Some(source), Some(sink), true) = (source, self.sink.written(), cache == CachePolicy::default()) else {
            return Ok(None);
        };
        let sink = Stream { fd: sink.0, kind: sink.1, waits: Waits::Woken };
        match zcio::Transfer::first(source, sink, offset, count)? {
            Attempted::Done(report) => Ok(Some(report)),
            Attempted::Begun(begun) => {
                self.begun = begun;
                Ok(None)
            }
        }
    }

    /// Opens the ends; `None` if the sink is a FIFO that nobody reads yet.
    fn open(&self, env: &mut Env<'local>) -> Result<Option<Running>, Failure> {
        let sources = Descriptor::of(env, &self.source, self.waiting)?;
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
        let mut transfer = self.options.apply(zcio::Transfer::new(source.endpoint, sink)).begun(self.begun);
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
    /// @return null, or a report of more than numbers, or an empty array if the sink is a FIFO that nobody reads yet
    pub fn run<'local>(
        env: &mut Env<'local>,
        source: &JObject<'local>,
        sink: &JObject<'local>,
        call: &JLongArray<'local>,
        watch: &LongPredicate<'local>,
    ) -> Result<JObjectArray<'local>, Failure> {
        let mut request = Request::new(env, source, sink, call)?;
        match request.try_first() {
            Ok(None) => {}
            Ok(Some(report)) => return Ok(packed_into(env, &report, call)?),
            Err(error) => return Err(request.failure(env, error)),
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
