//! Transfers: from the Java side's request to the core's, and back from the core's report to the Java record.

use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use jni::objects::{JByteArray, JClass, JObject, JString, JValue};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, NativeMethod, jni_sig, jni_str};
use zcio::{CachePolicy, Endpoint, Kind, KnownBy, Mechanism, Report, Visibility};

use crate::descriptors::{Descriptor, Given, Waiting};
use crate::errors::{Failure, Trouble};
use crate::natives::native;
use crate::reports;
use crate::running::{Machine, Running};
use crate::send_timeout::SendTimeout;
use crate::upcalls::upcalls;

/// What is asked of the core.
struct Request {
    offset: Option<u64>,
    sink_offset: Option<u64>,
    count: Option<u64>,
    mechanism: Option<Mechanism>,
    visibility: Visibility,
    cache: CachePolicy,
}

impl Request {
    fn apply<'fd>(&self, mut transfer: zcio::Transfer<'fd>) -> zcio::Transfer<'fd> {
        if let Some(offset) = self.offset {
            transfer = transfer.offset(offset);
        }
        if let Some(offset) = self.sink_offset {
            transfer = transfer.sink_offset(offset);
        }
        if let Some(count) = self.count {
            transfer = transfer.count(count);
        }
        if let Some(mechanism) = self.mechanism {
            transfer = transfer.mechanism(mechanism);
        }
        transfer.visibility(self.visibility).cache(self.cache)
    }

    /// The most it writes after the sink was asked whether it takes any. A stream is asked instead of the sink, and a file may
    /// grow.
    fn length(&self, source: &Endpoint<'_>) -> Option<u64> {
        let facts = source.facts();
        match facts.kind {
            Kind::Memory => Some(facts.size),
            Kind::File | Kind::BlockDevice => self.count,
            _ => None,
        }
    }
}

/// Opens the ends; `None` if the sink is a FIFO that nobody reads yet.
fn open(
    env: &mut Env<'_>,
    given: &[Given<'_, '_>; 2],
    request: &Request,
    waiting: Waiting,
) -> Result<Option<Running>, Failure> {
    let [source, sink] = given;
    let sources = Descriptor::of(env, source, waiting)?;
    let sinks = Descriptor::of(env, sink, waiting)?;
    let source_path = if let Descriptor::Path(path) = &sources { Some(path.clone()) } else { None };
    // The source first: a sink must not be made for a source that is not there.
    let opened = sources.source().and_then(|source| Ok((source, sinks.sink()?)));
    let (source_end, sink_end) = match opened {
        Ok((source, Some(sink))) => (source, sink),
        Ok((_, None)) => return Ok(None),
        Err(error) => {
            let about_source = source_path.as_deref().map(|path| path.as_os_str().as_bytes())
                == error.path().map(|path| path.as_os_str().as_bytes());
            let file = named(env, if about_source { source } else { sink })?;
            return Err(Failure::Transfer(Trouble { error, file, undelivered: Vec::new() }));
        }
    };
    let send_timeout = match waiting {
        Waiting::InPoll => SendTimeout::limit(&sink_end, request.length(&source_end.endpoint)),
        Waiting::Parked | Waiting::InSelector => None,
    };
    let ends = vec![number(&source_end.endpoint), number(&sink_end)];
    let transfer = request.apply(zcio::Transfer::new(source_end.endpoint, sink_end));
    Ok(Some(Running::new(Machine::Transfer(transfer), ends, source_end.fifo, send_timeout)))
}

/// An end's descriptor; -1 for memory.
pub(crate) fn number(end: &Endpoint<'_>) -> RawFd {
    end.descriptor().map_or(-1, |fd| fd.as_raw_fd())
}

/// A path as the caller wrote it; `None` for another end.
pub(crate) fn named(env: &mut Env<'_>, given: &Given<'_, '_>) -> Result<Option<String>, Failure> {
    if given.path.is_null() {
        return Ok(None);
    }
    let name = env.call_method(given.object, jni_str!("toString"), jni_sig!(() -> java.lang.String), &[])?;
    let name = name.into_object()?;
    Ok(Some(env.cast_local::<JString>(name)?.try_to_string(env)?))
}

/// Runs a transfer to its end.
fn run_between<'local>(
    env: &mut Env<'local>,
    given: &[Given<'_, '_>; 2],
    request: &Request,
    watch: &JObject<'_>,
) -> Result<JObject<'local>, Failure> {
    let Some(mut running) = open(env, given, request, Waiting::InPoll)? else { return Ok(JObject::null()) };
    let result = running.run(env, watch);
    let Machine::Transfer(transfer) = &mut running.machine else { unreachable!("it was made above") };
    match result {
        Ok(()) => report_object(env, &transfer.report().expect("a transfer that is over has a report")),
        Err(Failure::Transfer(mut trouble)) => {
            // Should the pipe that holds the bytes be unreadable, the error that is being reported says more than that one.
            trouble.undelivered = transfer.take_undelivered().unwrap_or_default();
            trouble.file = match trouble.error.path().map(|path| path.as_os_str().as_bytes().to_vec()) {
                None => None,
                Some(path) => {
                    let from = !given[0].path.is_null() && env.convert_byte_array(given[0].path)? == path;
                    named(env, &given[usize::from(!from)])?
                }
            };
            Err(Failure::Transfer(trouble))
        }
        Err(other) => Err(other),
    }
}

fn report_object<'local>(env: &mut Env<'local>, report: &Report) -> Result<JObject<'local>, Failure> {
    let upcalls = upcalls(env)?;
    let attempts = reports::attempts(env, &report.attempts)?;
    let arguments = [
        JValue::Long(report.bytes as i64),
        JValue::Long(report.requested.map_or(-1, |requested| requested as i64)),
        JValue::Int(place(Mechanism::ALL, report.mechanism)),
        JValue::Bool(report.automatic),
        JValue::Object(&attempts),
        JValue::Long(report.system_calls as i64),
        JValue::Long(report.waits as i64),
        JValue::Int(report.copies.count.map_or(-1, i32::from)),
        JValue::Int(place(KnownBy::ALL, report.copies.known_by)),
        JValue::Long(report.elapsed.as_nanos() as i64),
    ];
    Ok(upcalls.report(env, &arguments.map(|argument| argument.as_jni()))?)
}

/// Where a value stands in the core's list, which is the Java side's, too.
fn place<T: PartialEq>(all: &[T], value: T) -> i32 {
    all.iter().position(|each| *each == value).map_or(-1, |place| place as i32)
}

/// Negative numbers and a null name stand for what was not said.
fn request(
    env: &Env<'_>,
    offset: jlong,
    sink_offset: jlong,
    count: jlong,
    mechanism: &JString<'_>,
    snapshot: jboolean,
    read_ahead: jlong,
    drop_behind: jboolean,
) -> Result<Request, Failure> {
    let mechanism = if mechanism.is_null() { None } else { Some(mechanism.try_to_string(env)?.parse()?) };
    Ok(Request {
        offset: u64::try_from(offset).ok(),
        sink_offset: u64::try_from(sink_offset).ok(),
        count: u64::try_from(count).ok(),
        mechanism,
        visibility: visibility(snapshot),
        cache: CachePolicy { read_ahead: u64::try_from(read_ahead).ok(), drop_behind },
    })
}

/// What the Java side says by a flag.
pub fn visibility(snapshot: jboolean) -> Visibility {
    if snapshot { Visibility::Snapshot } else { Visibility::Aliased }
}

fn run<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    source: JObject<'local>,
    source_path: JByteArray<'local>,
    address: jlong,
    length: jlong,
    sink: JObject<'local>,
    sink_path: JByteArray<'local>,
    offset: jlong,
    sink_offset: jlong,
    count: jlong,
    mechanism: JString<'local>,
    snapshot: jboolean,
    read_ahead: jlong,
    drop_behind: jboolean,
    watch: JObject<'local>,
) -> Result<JObject<'local>, Failure> {
    let request = request(env, offset, sink_offset, count, &mechanism, snapshot, read_ahead, drop_behind)?;
    let source = Given { object: &source, path: &source_path, memory: (address, length) };
    let sink = Given { object: &sink, path: &sink_path, memory: (0, -1) };
    run_between(env, &[source, sink], &request, &watch)
}

fn start<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    source: JObject<'local>,
    source_path: JByteArray<'local>,
    address: jlong,
    length: jlong,
    sink: JObject<'local>,
    sink_path: JByteArray<'local>,
    offset: jlong,
    sink_offset: jlong,
    count: jlong,
    mechanism: JString<'local>,
    snapshot: jboolean,
    read_ahead: jlong,
    drop_behind: jboolean,
    waiting: jint,
) -> Result<jlong, Failure> {
    let request = request(env, offset, sink_offset, count, &mechanism, snapshot, read_ahead, drop_behind)?;
    let source = Given { object: &source, path: &source_path, memory: (address, length) };
    let sink = Given { object: &sink, path: &sink_path, memory: (0, -1) };
    let running = open(env, &[source, sink], &request, Waiting::of(waiting))?;
    Ok(running.map_or(0, Running::into_handle))
}

/// `static native Report report(long handle)`; null before the first step has begun to move.
fn report<'local>(env: &mut Env<'local>, _class: JClass<'local>, handle: jlong) -> Result<JObject<'local>, Failure> {
    match &Running::of(handle).machine {
        Machine::Transfer(transfer) => match transfer.report() {
            Some(report) => report_object(env, &report),
            None => Ok(JObject::null()),
        },
        Machine::Relay(_) | Machine::FanOut(_) => Ok(JObject::null()),
    }
}

/// What `NativeTransfer` declares.
#[allow(unsafe_code)] // The macro's.
pub(crate) const METHODS: &[NativeMethod] = &[
    native!(
        fn run(
            source: java.lang.Object,
            source_path: [byte],
            address: long,
            length: long,
            sink: java.lang.Object,
            sink_path: [byte],
            offset: long,
            sink_offset: long,
            count: long,
            mechanism: java.lang.String,
            snapshot: boolean,
            read_ahead: long,
            drop_behind: boolean,
            watch: java.util.function.LongPredicate
        ) -> java.lang.Object
    ),
    native!(
        fn start(
            source: java.lang.Object,
            source_path: [byte],
            address: long,
            length: long,
            sink: java.lang.Object,
            sink_path: [byte],
            offset: long,
            sink_offset: long,
            count: long,
            mechanism: java.lang.String,
            snapshot: boolean,
            read_ahead: long,
            drop_behind: boolean,
            waiting: int
        ) -> long
    ),
    native!(fn report(handle: long) -> java.lang.Object),
];
