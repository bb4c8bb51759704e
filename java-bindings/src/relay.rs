//! Relays: two sockets, duplicated, and the report of both directions.

use jni::objects::{JByteArray, JClass, JObject, JValue};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, NativeMethod, jni_sig, jni_str};
use zcio::{Direction, DirectionReport, Endpoint, Outcome, Relay};

use crate::descriptors::{Descriptor, Given, Waiting};
use crate::errors::Failure;
use crate::natives::native;
use crate::reports;
use crate::running::{Machine, Running};
use crate::transfer::number;

fn socket(env: &mut Env<'_>, channel: &JObject<'_>, waiting: Waiting) -> Result<Endpoint<'static>, Failure> {
    let none = JByteArray::null();
    let given = Given { object: channel, path: &none, memory: (0, -1) };
    Ok(Descriptor::of(env, &given, waiting)?.source()?.endpoint)
}

fn start<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    first: JObject<'local>,
    second: JObject<'local>,
    first_is_shut: jboolean,
    second_is_shut: jboolean,
    waiting: jint,
) -> Result<jlong, Failure> {
    let waiting = Waiting::of(waiting);
    let first = socket(env, &first, waiting)?;
    let second = socket(env, &second, waiting)?;
    let ends = vec![number(&first), number(&second)];
    let mut relay = Relay::new(first, second);
    if first_is_shut {
        relay = relay.ended_before(Direction::Forward);
    }
    if second_is_shut {
        relay = relay.ended_before(Direction::Backward);
    }
    Ok(Running::new(Machine::Relay(relay), ends, false, None).into_handle())
}

fn report<'local>(env: &mut Env<'local>, class: JClass<'local>, handle: jlong) -> Result<JObject<'local>, Failure> {
    let Machine::Relay(relay) = &Running::of(handle).machine else { return Ok(JObject::null()) };
    let report = relay.report();
    let forward = direction(env, &class, &report.forward)?;
    let backward = direction(env, &class, &report.backward)?;
    let arguments = [
        JValue::Object(&forward),
        JValue::Object(&backward),
        JValue::Long(report.system_calls as i64),
        JValue::Long(report.waits as i64),
        JValue::Long(report.elapsed.as_nanos() as i64),
    ];
    let signature = jni_sig!(
        (java.lang.Object, java.lang.Object, long, long, long) -> java.lang.Object
    );
    Ok(env.call_static_method(&class, jni_str!("report"), signature, &arguments)?.into_object()?)
}

fn direction<'local>(
    env: &mut Env<'local>,
    class: &JClass<'local>,
    report: &DirectionReport,
) -> Result<JObject<'local>, Failure> {
    let mechanism = reports::name(env, Some(report.mechanism))?;
    let attempts = reports::attempts(env, &report.attempts)?;
    let failure = reports::failure(env, if let Outcome::Failed(error) = &report.outcome { Some(error) } else { None })?;
    let arguments = [
        JValue::Long(report.bytes as i64),
        JValue::Long(report.undelivered as i64),
        JValue::Object(&mechanism),
        JValue::Object(&attempts),
        JValue::Bool(matches!(report.outcome, Outcome::Ended)),
        JValue::Object(&failure),
    ];
    let signature = jni_sig!(
        (long, long, java.lang.String, [java.lang.Object], boolean, java.lang.Throwable) -> java.lang.Object
    );
    Ok(env.call_static_method(class, jni_str!("way"), signature, &arguments)?.into_object()?)
}

/// What `NativeRelay` declares.
#[allow(unsafe_code)] // The macro's.
pub(crate) const METHODS: &[NativeMethod] = &[
    native!(
        fn start(
            first: java.nio.channels.SocketChannel,
            second: java.nio.channels.SocketChannel,
            first_is_shut: boolean,
            second_is_shut: boolean,
            waiting: int,
        ) -> long
    ),
    native!(fn report(handle: long) -> java.lang.Object),
];
