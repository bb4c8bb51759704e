//! Copies of files, from path to path, and what the page cache holds of a file.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use jni::objects::{JByteArray, JClass, JObject, JValue};
use jni::sys::{jint, jlong};
use jni::{Env, NativeMethod, jni_sig, jni_str};
use zcio::copy::Copy;
use zcio::{CopyReport, Reflink};

use crate::descriptors::{Descriptor, Given, Waiting};
use crate::errors::{Failure, Trouble};
use crate::natives::native;
use crate::reports;
use crate::running::look;
use crate::transfer::named;

/// The bits of the Java side's `options`, above the two that number the `Reflink`.
const MODE: jint = 4;
const TIMES: jint = 8;
const ATOMIC: jint = 16;
const DURABLE: jint = 32;
const CREATE_NEW: jint = 64;

fn copy<'local>(
    env: &mut Env<'local>,
    class: &JClass<'local>,
    given: &[Given<'_, '_>; 2],
    options: jint,
    watch: &JObject<'_>,
) -> Result<JObject<'local>, Failure> {
    let mut paths = Vec::new();
    for end in given {
        paths.push(PathBuf::from(OsString::from_vec(env.convert_byte_array(end.path)?)));
    }
    let reflink = match options & 3 {
        0 => Reflink::Never,
        1 => Reflink::Auto,
        _ => Reflink::Always,
    };
    let copy = Copy::new(&paths[0], &paths[1])
        .reflink(reflink)
        .preserve_mode(options & MODE != 0)
        .preserve_times(options & TIMES != 0)
        .create_new(options & CREATE_NEW != 0)
        .atomic(options & ATOMIC != 0)
        .durable(options & DURABLE != 0);
    let mut trouble = None;
    let result = copy.run_watched(|moved| match look(env, watch, moved) {
        Ok(false) => ControlFlow::Continue(()),
        Ok(true) => ControlFlow::Break(()),
        Err(error) => {
            trouble = Some(error);
            ControlFlow::Break(())
        }
    });
    if let Some(error) = trouble {
        return Err(error.into());
    }
    match result {
        Ok(report) => report_object(env, class, &report),
        Err(error) => {
            let file = match error.path() {
                Some(path) if path.as_os_str().as_bytes() == paths[0].as_os_str().as_bytes() => named(env, &given[0])?,
                Some(_) => named(env, &given[1])?,
                None => None,
            };
            Err(Failure::Transfer(Trouble { error, file, undelivered: Vec::new() }))
        }
    }
}

fn report_object<'local>(
    env: &mut Env<'local>,
    class: &JClass<'local>,
    report: &CopyReport,
) -> Result<JObject<'local>, Failure> {
    let mechanism = reports::name(env, report.mechanism)?;
    let attempts = reports::attempts(env, &report.attempts)?;
    let arguments = [
        JValue::Long(report.bytes as i64),
        JValue::Long(report.holes as i64),
        JValue::Bool(report.cloned),
        JValue::Object(&mechanism),
        JValue::Object(&attempts),
        JValue::Long(report.elapsed.as_nanos() as i64),
    ];
    let signature = jni_sig!((long, long, boolean, java.lang.String, [java.lang.Object], long) -> java.lang.Object);
    Ok(env.call_static_method(class, jni_str!("report"), signature, &arguments)?.into_object()?)
}

fn run<'local>(
    env: &mut Env<'local>,
    class: JClass<'local>,
    source: JObject<'local>,
    source_path: JByteArray<'local>,
    destination: JObject<'local>,
    destination_path: JByteArray<'local>,
    options: jint,
    watch: JObject<'local>,
) -> Result<JObject<'local>, Failure> {
    let source = Given { object: &source, path: &source_path, memory: (0, -1) };
    let destination = Given { object: &destination, path: &destination_path, memory: (0, -1) };
    copy(env, &class, &[source, destination], options, &watch)
}

fn residency<'local>(
    env: &mut Env<'local>,
    class: JClass<'local>,
    file: JObject<'local>,
    path: JByteArray<'local>,
    offset: jlong,
    length: jlong,
) -> Result<JObject<'local>, Failure> {
    let given = Given { object: &file, path: &path, memory: (0, -1) };
    let descriptor = Descriptor::of(env, &given, Waiting::InPoll)?;
    let answer = descriptor.source().and_then(|opened| {
        let fd = opened.endpoint.descriptor().expect("a file has a descriptor");
        zcio::residency(fd, offset as u64, length as u64)
    });
    let residency = match answer {
        Ok(residency) => residency,
        Err(error) => {
            let file = named(env, &given)?;
            return Err(Failure::Transfer(Trouble { error, file, undelivered: Vec::new() }));
        }
    };
    let counted_by = env.new_string(residency.counted_by.name())?;
    let arguments =
        [JValue::Long(residency.present as i64), JValue::Long(residency.total as i64), JValue::Object(&counted_by)];
    let signature = jni_sig!((long, long, java.lang.String) -> java.lang.Object);
    Ok(env.call_static_method(&class, jni_str!("residency"), signature, &arguments)?.into_object()?)
}

/// What `NativeCopy` declares.
#[allow(unsafe_code)] // The macro's.
pub(crate) const METHODS: &[NativeMethod] = &[
    native!(
        fn run(
            source: java.lang.Object,
            source_path: [byte],
            destination: java.lang.Object,
            destination_path: [byte],
            options: int,
            watch: java.util.function.LongPredicate
        ) -> java.lang.Object
    ),
    native!(fn residency(file: java.lang.Object, path: [byte], offset: long, length: long) -> java.lang.Object),
];
