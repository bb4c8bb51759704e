//! Relays: two sockets, duplicated, and the report of both directions.

use jni::objects::{JByteArray, JClass, JObject, JValue};
use jni::sys::{jint, jlong};
use jni::{Env, EnvUnowned, jni_sig, jni_str};
use zcio::{DirectionReport, Endpoint, Outcome, Relay};

use crate::descriptors::{Descriptor, Given, Waiting};
use crate::errors::{Failure, Throw};
use crate::reports;
use crate::running::{Machine, Running};
use crate::transfer::number;

fn socket(env: &mut Env<'_>, channel: &JObject<'_>, waiting: Waiting) -> Result<Endpoint<'static>, Failure> {
    let none = JByteArray::null();
    let given = Given { object: channel, path: &none, memory: (0, -1) };
    Ok(Descriptor::of(env, &given, waiting)?.source()?.endpoint)
}

/// `static native long start(SocketChannel first, SocketChannel second, int waiting) throws IOException`
#[allow(unsafe_code)] // An exported name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_NativeRelay_start<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    first: JObject<'local>,
    second: JObject<'local>,
    waiting: jint,
) -> jlong {
    env.with_env(|env| -> Result<jlong, Failure> {
        let waiting = Waiting::of(waiting);
        let first = socket(env, &first, waiting)?;
        let second = socket(env, &second, waiting)?;
        let ends = vec![number(&first), number(&second)];
        let relay = Relay::new(first, second);
        Ok(Running::new(Machine::Relay(relay), ends, false, None).into_handle())
    })
    .resolve::<Throw>()
}

/// `static native RelayReport report(long handle)`
#[allow(unsafe_code)] // An exported name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_NativeRelay_report<'local>(
    mut env: EnvUnowned<'local>,
    class: JClass<'local>,
    handle: jlong,
) -> JObject<'local> {
    env.with_env(|env| -> Result<JObject<'local>, Failure> {
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
            (io.zcio.RelayReport::Way, io.zcio.RelayReport::Way, long, long, long) -> io.zcio.RelayReport
        );
        Ok(env.call_static_method(&class, jni_str!("report"), signature, &arguments)?.into_object()?)
    })
    .resolve::<Throw>()
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
        (long, long, java.lang.String, [io.zcio.Attempt], boolean, java.lang.Throwable) -> io.zcio.RelayReport::Way
    );
    Ok(env.call_static_method(class, jni_str!("way"), signature, &arguments)?.into_object()?)
}
