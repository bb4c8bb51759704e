//! Many reads of files into direct buffers. The files are held by the Java side for the whole of it, and so are the buffers.
//!
//! The object, with its ring, is kept by a number as [`crate::running`] keeps a transfer.

use std::ops::ControlFlow;

use jni::objects::{JClass, JLongArray, JObject, JObjectArray, JValue};
use jni::sys::{jint, jlong, jsize};
use jni::{Env, NativeMethod, jni_sig, jni_str};
use zcio::{Endpoint, ReadAt, Reads, ReadsReport};

use crate::descriptors::{Descriptor, Opened};
use crate::errors::Failure;
use crate::natives::native;
use crate::reports;
use crate::running::look;

fn make<'local>(_env: &mut Env<'local>, _class: JClass<'local>, depth: jint) -> Result<jlong, Failure> {
    Ok(Box::into_raw(Box::new(Reads::new(depth as usize)?)) as jlong)
}

#[allow(unsafe_code)]
fn run<'local>(
    env: &mut Env<'local>,
    class: JClass<'local>,
    handle: jlong,
    files: JObjectArray<'local>,
    places: JLongArray<'local>,
    watch: JObject<'local>,
) -> Result<JObject<'local>, Failure> {
    // SAFETY: the Java side gives only numbers made by `make` and not yet freed, each to one thread at a time.
    let reads = unsafe { &mut *(handle as *mut Reads) };
    let mut ends = Vec::new();
    for index in 0..files.len(env)? {
        let file = files.get_element(env, index)?;
        let Opened { endpoint, .. } = Descriptor::of_channel(env, &file)?.source()?;
        ends.push(endpoint);
        env.delete_local_ref(file);
    }
    let mut words = vec![0; places.len(env)?];
    places.get_region(env, 0, &mut words)?;
    let mut asked: Vec<_> = words.chunks_exact(4).map(|words| read_at(&ends, words)).collect();
    let mut trouble = None;
    let report = reads.run_watched(&mut asked, |progress| match look(env, &watch, progress.bytes) {
        Ok(false) => ControlFlow::Continue(()),
        Ok(true) => ControlFlow::Break(()),
        Err(error) => {
            trouble = Some(error);
            ControlFlow::Break(())
        }
    });
    match trouble {
        Some(error) => Err(error.into()),
        None => report_object(env, &class, &report),
    }
}

/// One read, from what the Java side gives for it.
#[allow(unsafe_code)]
fn read_at<'a>(ends: &'a [Endpoint<'static>], words: &[i64]) -> ReadAt<'a> {
    let [file, offset, address, length] = [0, 1, 2, 3].map(|word| words[word]);
    // SAFETY: the Java side keeps the buffer, which has the memory, until the call has returned.
    unsafe { ReadAt::lent(&ends[file as usize], offset as u64, address as *mut u8, length as usize) }
}

fn report_object<'local>(
    env: &mut Env<'local>,
    class: &JClass<'local>,
    report: &ReadsReport,
) -> Result<JObject<'local>, Failure> {
    let bytes =
        |read: &zcio::error::Result<usize>| read.as_ref().map_or_else(zcio::Error::moved, |&count| count as u64);
    let counts: Vec<i64> = report.reads.iter().map(|read| bytes(read) as i64).collect();
    let bytes = env.new_long_array(counts.len())?;
    bytes.set_region(env, 0, &counts)?;
    let mut failures = JObject::null();
    if report.reads.iter().any(Result::is_err) {
        let object = env.find_class(jni_str!("java/lang/Object"))?;
        let list = env.new_object_array(counts.len() as jsize, &object, JObject::null())?;
        for (index, error) in
            report.reads.iter().enumerate().filter_map(|(index, read)| Some((index, read.as_ref().err()?)))
        {
            let failure = reports::failure(env, Some(error))?;
            list.set_element(env, index, &failure)?;
            env.delete_local_ref(failure);
        }
        failures = list.into();
    }
    let refusal = match &report.refusal {
        Some(refusal) => reports::attempt(env, refusal)?,
        None => JObject::null(),
    };
    let arguments = [
        JValue::Object(&bytes),
        JValue::Object(&failures),
        JValue::Object(&refusal),
        JValue::Long(report.system_calls as i64),
    ];
    let signature = jni_sig!(([long], [java.lang.Object], java.lang.Object, long) -> java.lang.Object);
    Ok(env.call_static_method(class, jni_str!("report"), signature, &arguments)?.into_object()?)
}

#[allow(unsafe_code)]
fn free<'local>(_env: &mut Env<'local>, _class: JClass<'local>, handle: jlong) -> Result<(), Failure> {
    // SAFETY: as in `run`, and the Java side gives the number to nobody after this.
    drop(unsafe { Box::from_raw(handle as *mut Reads) });
    Ok(())
}

/// What `NativeReads` declares.
#[allow(unsafe_code)] // The macro's.
pub(crate) const METHODS: &[NativeMethod] = &[
    native!(fn make(depth: int) -> long),
    native!(
        fn run(
            handle: long,
            files: [java.lang.Object],
            places: [long],
            watch: java.util.function.LongPredicate
        ) -> java.lang.Object
    ),
    native!(fn free(handle: long) -> void),
];
