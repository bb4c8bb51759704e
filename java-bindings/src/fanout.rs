//! Fan-outs: a source, any number of sinks, and the report of each.

use jni::objects::{JByteArray, JClass, JLongArray, JObject, JObjectArray, JValue};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, NativeMethod, jni_sig, jni_str};
use zcio::{FanOut, SinkReport, Visibility};

use crate::descriptors::{Descriptor, Given, Waiting};
use crate::errors::{Failure, Trouble};
use crate::natives::native;
use crate::reports;
use crate::running::{Machine, Running};
use crate::transfer::{named, number, visibility};

/// What the Java side gives: the source first, then the sinks, and the offsets of all of them (negative for none).
struct Ends<'local> {
    objects: JObjectArray<'local>,
    paths: JObjectArray<'local, JByteArray<'local>>,
    offsets: Vec<i64>,
}

/// `None` if a sink is a FIFO that nobody reads yet.
fn open(
    env: &mut Env<'_>,
    ends: &Ends<'_>,
    count: i64,
    visibility: Visibility,
    waiting: Waiting,
) -> Result<Option<Running>, Failure> {
    let mut fan_out: Option<FanOut<'static>> = None;
    let (mut numbers, mut fifo) = (Vec::new(), false);
    for (index, &offset) in ends.offsets.iter().enumerate() {
        let object = ends.objects.get_element(env, index)?;
        let path = ends.paths.get_element(env, index)?;
        let given = Given { object: &object, path: &path, memory: (0, -1) };
        let descriptor = Descriptor::of(env, &given, waiting)?;
        let opened = match &fan_out {
            None => descriptor.source().map(|opened| {
                fifo = opened.fifo;
                Some(opened.endpoint)
            }),
            Some(_) => descriptor.sink(),
        };
        let end = match opened {
            Ok(Some(end)) => end,
            Ok(None) => return Ok(None),
            Err(error) => {
                let file = named(env, &given)?;
                return Err(Failure::Transfer(Trouble { error, file, undelivered: Vec::new() }));
            }
        };
        numbers.push(number(&end));
        let offset = u64::try_from(offset).ok();
        fan_out = Some(match (fan_out, offset) {
            (None, None) => FanOut::new(end),
            (None, Some(offset)) => FanOut::new(end).offset(offset),
            (Some(fan_out), None) => fan_out.sink(end),
            (Some(fan_out), Some(offset)) => fan_out.sink_at(end, offset),
        });
        env.delete_local_ref(object);
        env.delete_local_ref(path);
    }
    let fan_out = fan_out.expect("there is a source").visibility(visibility);
    let fan_out = if let Ok(count) = u64::try_from(count) { fan_out.count(count) } else { fan_out };
    Ok(Some(Running::new(Machine::FanOut(fan_out), numbers, fifo, None)))
}

fn start<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    objects: JObjectArray<'local>,
    paths: JObjectArray<'local, JByteArray<'local>>,
    offsets: JLongArray<'local>,
    count: jlong,
    snapshot: jboolean,
    waiting: jint,
) -> Result<jlong, Failure> {
    let mut numbers = vec![0; offsets.len(env)?];
    offsets.get_region(env, 0, &mut numbers)?;
    let ends = Ends { objects, paths, offsets: numbers };
    Ok(open(env, &ends, count, visibility(snapshot), Waiting::of(waiting))?.map_or(0, Running::into_handle))
}

/// `static native FanOutReport report(long handle)`; null before the first step has begun to move.
fn report<'local>(env: &mut Env<'local>, class: JClass<'local>, handle: jlong) -> Result<JObject<'local>, Failure> {
    let Machine::FanOut(fan_out) = &Running::of(handle).machine else { return Ok(JObject::null()) };
    let Some(report) = fan_out.report() else { return Ok(JObject::null()) };
    let object = env.find_class(jni_str!("java/lang/Object"))?;
    let sinks = env.new_object_array(report.sinks.len() as i32, &object, JObject::null())?;
    for (index, sink) in report.sinks.iter().enumerate() {
        let sink = sink_report(env, &class, sink)?;
        sinks.set_element(env, index, &sink)?;
        env.delete_local_ref(sink);
    }
    let mechanism = reports::name(env, Some(report.mechanism))?;
    let attempts = reports::attempts(env, &report.attempts)?;
    let arguments = [
        JValue::Long(report.bytes as i64),
        JValue::Long(report.requested.map_or(-1, |requested| requested as i64)),
        JValue::Object(&mechanism),
        JValue::Object(&attempts),
        JValue::Object(&sinks),
        JValue::Long(report.system_calls as i64),
        JValue::Long(report.waits as i64),
        JValue::Long(report.elapsed.as_nanos() as i64),
    ];
    let signature = jni_sig!(
        (long, long, java.lang.String, [java.lang.Object], [java.lang.Object], long, long, long) -> java.lang.Object
    );
    Ok(env.call_static_method(&class, jni_str!("report"), signature, &arguments)?.into_object()?)
}

fn sink_report<'local>(
    env: &mut Env<'local>,
    class: &JClass<'local>,
    report: &SinkReport,
) -> Result<JObject<'local>, Failure> {
    let mechanism = reports::name(env, Some(report.mechanism))?;
    let attempts = reports::attempts(env, &report.attempts)?;
    let failure = reports::failure(env, report.error.as_ref())?;
    let arguments = [
        JValue::Long(report.bytes as i64),
        JValue::Object(&mechanism),
        JValue::Object(&attempts),
        JValue::Object(&failure),
    ];
    let signature = jni_sig!(
        (long, java.lang.String, [java.lang.Object], java.lang.Throwable) -> java.lang.Object
    );
    Ok(env.call_static_method(class, jni_str!("sink"), signature, &arguments)?.into_object()?)
}

/// What `NativeFanOut` declares.
#[allow(unsafe_code)] // The macro's.
pub(crate) const METHODS: &[NativeMethod] = &[
    native!(
        fn start(
            ends: [java.lang.Object],
            paths: byte[][],
            offsets: [long],
            count: long,
            snapshot: boolean,
            waiting: int
        ) -> long
    ),
    native!(fn report(handle: long) -> java.lang.Object),
];
