//! One blocking transfer: opens the ends, runs the core with the Java `Watch` as its watcher, builds the `Report`.

use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

use jni::objects::{JByteArray, JClass, JObject, JObjectArray, JString, JValue};
use jni::sys::{jboolean, jlong};
use jni::{Env, jni_sig, jni_str};
use zcio::{Attempt, Mechanism, Report, Visibility};

use crate::descriptors::Descriptor;
use crate::errors::{Failure, Trouble};
use crate::patience::Patience;

/// The two ends as Java gave them: a path's bytes, or a channel (then the path is null).
pub(crate) struct Ends<'a, 'local> {
    pub source: &'a JObject<'local>,
    pub source_path: &'a JByteArray<'local>,
    pub sink: &'a JObject<'local>,
    pub sink_path: &'a JByteArray<'local>,
}

/// What is asked of the core.
pub(crate) struct Request {
    offset: Option<u64>,
    sink_offset: Option<u64>,
    count: Option<u64>,
    mechanism: Option<Mechanism>,
    visibility: Visibility,
}

impl Request {
    /// Negative numbers and a null name stand for what was not said.
    pub fn new(
        env: &Env<'_>,
        offset: jlong,
        sink_offset: jlong,
        count: jlong,
        mechanism: &JString<'_>,
        snapshot: jboolean,
    ) -> Result<Self, Failure> {
        let mechanism =
            if mechanism.is_null() { None } else { Some(mechanism.try_to_string(env)?.parse().map_err(plain)?) };
        Ok(Self {
            offset: u64::try_from(offset).ok(),
            sink_offset: u64::try_from(sink_offset).ok(),
            count: u64::try_from(count).ok(),
            mechanism,
            visibility: if snapshot { Visibility::Snapshot } else { Visibility::Aliased },
        })
    }

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
        transfer.visibility(self.visibility)
    }
}

/// Runs a transfer to its end and gives back an `io.zcio.Report`. `class` is `io.zcio.Native`.
pub(crate) fn run<'local>(
    env: &mut Env<'local>,
    class: &JClass<'local>,
    ends: &Ends<'_, 'local>,
    request: &Request,
    watch: &JObject<'local>,
) -> Result<JObject<'local>, Failure> {
    let source = Descriptor::of(env, ends.source, ends.source_path)?;
    let sink = Descriptor::of(env, ends.sink, ends.sink_path)?.never_waiting_in_a_pipe();
    match drive(env, &source, &sink, request, watch)? {
        Ok(report) => report_object(env, class, &report),
        Err((error, undelivered)) => {
            let file = file_named_in(env, &error, &source, ends)?;
            Err(Failure::Transfer(Trouble { error, file, undelivered }))
        }
    }
}

/// The core's own result inside of what JNI had to say.
type Driven = Result<Result<Report, (zcio::Error, Vec<u8>)>, Failure>;

fn drive(
    env: &mut Env<'_>,
    source: &Descriptor<'_>,
    sink: &Descriptor<'_>,
    request: &Request,
    watch: &JObject<'_>,
) -> Driven {
    let _patience = sink.duplicate().map(Patience::limit);
    // The source first: a sink must not be made for a source that is not there.
    let open = || source.source().and_then(|source| Ok((source, sink.sink()?)));
    let mut ends = open();
    // Opening a FIFO waits for its other end until a signal comes.
    while ends.as_ref().is_err_and(|error| error.kind() == zcio::ErrorKind::Interrupted) && !look(env, watch, 0)? {
        ends = open();
    }
    let (source, sink) = match ends {
        Ok(ends) => ends,
        Err(error) => return Ok(Err((error, Vec::new()))),
    };
    let mut transfer = request.apply(zcio::Transfer::new(source, sink));
    let mut trouble = None;
    let result = transfer.run_watched(|moved| match look(env, watch, moved) {
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
    // Should the pipe that holds the bytes be unreadable, the error that is being reported says more than that one.
    Ok(result.map_err(|error| (error, transfer.take_undelivered().unwrap_or_default())))
}

/// `Watch.look(long moved)`: whether to stop.
fn look(env: &mut Env<'_>, watch: &JObject<'_>, moved: u64) -> jni::errors::Result<bool> {
    env.call_method(watch, jni_str!("look"), jni_sig!((long) -> boolean), &[JValue::Long(moved as i64)])?.into_bool()
}

/// The path that the error is about, written as the caller wrote it.
fn file_named_in(
    env: &mut Env<'_>,
    error: &zcio::Error,
    source: &Descriptor<'_>,
    ends: &Ends<'_, '_>,
) -> Result<Option<String>, Failure> {
    let Some(path) = error.path() else { return Ok(None) };
    let from_source =
        matches!(source, Descriptor::Path(source) if source.as_os_str().as_bytes() == path.as_os_str().as_bytes());
    let given = if from_source { ends.source } else { ends.sink };
    let name = env.call_method(given, jni_str!("toString"), jni_sig!(() -> java.lang.String), &[])?.into_object()?;
    let name = env.cast_local::<JString>(name)?;
    Ok(Some(name.try_to_string(env)?))
}

/// An error that no end and no byte has anything to do with.
fn plain(error: zcio::Error) -> Failure {
    Failure::Transfer(Trouble { error, file: None, undelivered: Vec::new() })
}

/// `Native.report(…)`: the record is made in Java, where its shape is known.
fn report_object<'local>(
    env: &mut Env<'local>,
    class: &JClass<'local>,
    report: &Report,
) -> Result<JObject<'local>, Failure> {
    let attempts = attempts_array(env, class, &report.attempts)?;
    let mechanism = env.new_string(report.mechanism.name())?;
    let known_by = env.new_string(report.copies.known_by.name())?;
    let arguments = [
        JValue::Long(report.bytes as i64),
        JValue::Long(report.requested.map_or(-1, |requested| requested as i64)),
        JValue::Object(&mechanism),
        JValue::Bool(report.automatic),
        JValue::Object(&attempts),
        JValue::Long(report.system_calls as i64),
        JValue::Long(report.waits as i64),
        JValue::Int(report.copies.count.map_or(-1, i32::from)),
        JValue::Object(&known_by),
        JValue::Long(report.elapsed.as_nanos() as i64),
    ];
    let signature = jni_sig!(
        (long, long, java.lang.String, boolean, [io.zcio.Attempt], long, long, int, java.lang.String, long)
            -> io.zcio.Report
    );
    Ok(env.call_static_method(class, jni_str!("report"), signature, &arguments)?.into_object()?)
}

fn attempts_array<'local>(
    env: &mut Env<'local>,
    class: &JClass<'local>,
    attempts: &[Attempt],
) -> Result<JObjectArray<'local>, Failure> {
    let array = env.new_object_array(attempts.len() as i32, jni_str!("io/zcio/Attempt"), JObject::null())?;
    for (index, attempt) in attempts.iter().enumerate() {
        let mechanism = env.new_string(attempt.mechanism.name())?;
        let operation = env.new_string(attempt.operation)?;
        let reason = env.new_string(&attempt.reason)?;
        let arguments = [
            JValue::Object(&mechanism),
            JValue::Long(attempt.moved as i64),
            JValue::Object(&operation),
            JValue::Int(attempt.errno.unwrap_or(0)),
            JValue::Object(&reason),
        ];
        let signature = jni_sig!((java.lang.String, long, java.lang.String, int, java.lang.String) -> io.zcio.Attempt);
        let object = env.call_static_method(class, jni_str!("attempt"), signature, &arguments)?.into_object()?;
        array.set_element(env, index, &object)?;
    }
    Ok(array)
}
