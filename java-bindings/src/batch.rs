//! Batches: many files to sockets, pipes or files, all ends of one kind held for the whole of it.
//!
//! The batch itself, with its ring, is kept by a number as [`crate::running`] keeps a transfer.

use std::ops::ControlFlow;
use std::os::fd::AsFd;

use jni::objects::{JByteArray, JClass, JIntArray, JLongArray, JObject, JObjectArray, JValue};
use jni::sys::{jboolean, jlong, jsize};
use jni::{Env, NativeMethod, jni_sig, jni_str};
use zcio::batch::End;
use zcio::{Batch, BatchReport, Item};

use crate::descriptors::{Descriptor, Given, Waiting};
use crate::errors::Failure;
use crate::natives::native;
use crate::reports;
use crate::running::look;
use crate::send_timeout::SendTimeout;
use crate::transfer::visibility;

/// What the Java side gives: each end once, and for each item the places of its two ends, its offset and its count.
struct Request<'local> {
    objects: JObjectArray<'local>,
    paths: JObjectArray<'local, JByteArray<'local>>,
    places: JIntArray<'local>,
    ranges: JLongArray<'local>,
}

fn run_all<'local>(
    env: &mut Env<'local>,
    class: &JClass<'local>,
    batch: &mut Batch,
    request: &Request<'local>,
    watch: &JObject<'_>,
) -> Result<JObject<'local>, Failure> {
    let mut ends = Vec::new();
    for index in 0..request.objects.len(env)? {
        let object = request.objects.get_element(env, index)?;
        let path = request.paths.get_element(env, index)?;
        let given = Given { object: &object, path: &path, memory: (0, -1) };
        ends.push(Descriptor::of(env, &given, Waiting::InPoll)?);
        env.delete_local_ref(object);
        env.delete_local_ref(path);
    }
    let mut places = vec![0; request.places.len(env)?];
    request.places.get_region(env, 0, &mut places)?;
    let mut ranges = vec![0; request.ranges.len(env)?];
    request.ranges.get_region(env, 0, &mut ranges)?;

    let end = |place: i32| match &ends[place as usize] {
        Descriptor::Path(path) => End::Path(path),
        Descriptor::Registered(fd) => End::Descriptor(*fd),
        Descriptor::Duplicate(fd) => End::Descriptor(fd.as_fd()),
        Descriptor::Memory(..) => unreachable!("a batch takes no memory"),
    };
    // A large item is a transfer of its own, which may wait for a socket in blocking mode.
    let mut send_timeout = Vec::new();
    for descriptor in &ends {
        if let Descriptor::Duplicate(fd) = descriptor {
            send_timeout.extend(SendTimeout::limit(&zcio::Endpoint::new(fd.as_fd())?, None));
        }
    }
    let items: Vec<_> = places
        .chunks_exact(2)
        .zip(ranges.chunks_exact(2))
        .map(|(ends, range)| {
            let item = Item::new(end(ends[0]), end(ends[1])).offset(range[0] as u64);
            u64::try_from(range[1]).map_or(item, |count| item.count(count))
        })
        .collect();
    let mut trouble = None;
    let report = batch.run_watched(&items, |progress| match look(env, watch, progress.items as u64) {
        Ok(false) => ControlFlow::Continue(()),
        Ok(true) => ControlFlow::Break(()),
        Err(error) => {
            trouble = Some(error);
            ControlFlow::Break(())
        }
    });
    drop(items);
    drop(send_timeout);
    match trouble {
        Some(error) => Err(error.into()),
        None => report_object(env, class, &report),
    }
}

fn report_object<'local>(
    env: &mut Env<'local>,
    class: &JClass<'local>,
    report: &BatchReport,
) -> Result<JObject<'local>, Failure> {
    let count = report.items.len() as jsize;
    let object = env.find_class(jni_str!("java/lang/Object"))?;
    let items = env.new_object_array(count, &object, JObject::null())?;
    for (index, item) in report.items.iter().enumerate() {
        let bytes = item.as_ref().map_or_else(zcio::Error::moved, |item| item.bytes);
        let requested = item.as_ref().ok().and_then(|item| item.requested);
        let mechanism = reports::name(env, item.as_ref().ok().map(|item| item.mechanism))?;
        let failure = reports::failure(env, item.as_ref().err())?;
        let arguments = [
            JValue::Long(bytes as i64),
            JValue::Long(requested.map_or(-1, |requested| requested as i64)),
            JValue::Object(&mechanism),
            JValue::Object(&failure),
        ];
        let signature = jni_sig!((long, long, java.lang.String, java.lang.Throwable) -> java.lang.Object);
        let object = env.call_static_method(class, jni_str!("result"), signature, &arguments)?.into_object()?;
        items.set_element(env, index, &object)?;
        env.delete_local_ref(object);
        env.delete_local_ref(mechanism);
        env.delete_local_ref(failure);
    }
    let refusal = match &report.refusal {
        Some(refusal) => reports::attempt(env, refusal)?,
        None => JObject::null(),
    };
    let arguments = [
        JValue::Object(&items),
        JValue::Object(&refusal),
        JValue::Long(report.system_calls as i64),
        JValue::Long(report.waits as i64),
        JValue::Long(report.elapsed.as_nanos() as i64),
    ];
    let signature = jni_sig!(
        ([java.lang.Object], java.lang.Object, long, long, long) -> java.lang.Object
    );
    Ok(env.call_static_method(class, jni_str!("report"), signature, &arguments)?.into_object()?)
}

fn make<'local>(_env: &mut Env<'local>, _class: JClass<'local>, snapshot: jboolean) -> Result<jlong, Failure> {
    let make = || Box::new(Batch::new().visibility(visibility(snapshot)));
    Ok(Box::into_raw(make()) as jlong)
}

#[allow(unsafe_code)]
fn run<'local>(
    env: &mut Env<'local>,
    class: JClass<'local>,
    handle: jlong,
    objects: JObjectArray<'local>,
    paths: JObjectArray<'local, JByteArray<'local>>,
    places: JIntArray<'local>,
    ranges: JLongArray<'local>,
    watch: JObject<'local>,
) -> Result<JObject<'local>, Failure> {
    // SAFETY: the Java side gives only numbers made by `make` and not yet freed, each to one thread at a time.
    let batch = unsafe { &mut *(handle as *mut Batch) };
    run_all(env, &class, batch, &Request { objects, paths, places, ranges }, &watch)
}

#[allow(unsafe_code)]
fn free<'local>(_env: &mut Env<'local>, _class: JClass<'local>, handle: jlong) -> Result<(), Failure> {
    // SAFETY: as in `run`, and the Java side gives the number to nobody after this.
    drop(unsafe { Box::from_raw(handle as *mut Batch) });
    Ok(())
}

/// What `NativeBatch` declares.
#[allow(unsafe_code)] // The macro's.
pub(crate) const METHODS: &[NativeMethod] = &[
    native!(fn make(snapshot: boolean) -> long),
    native!(
        fn run(
            handle: long,
            ends: [java.lang.Object],
            paths: byte[][],
            places: [int],
            ranges: [long],
            watch: java.util.function.LongPredicate
        ) -> java.lang.Object
    ),
    native!(fn free(handle: long) -> void),
];
