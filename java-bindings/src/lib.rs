//! The native half of `io.zcio`: what the class `io.zcio.Native` declares, and nothing else.
//!
//! This bridge is not an API. Only the Java classes of the same version call it, and it holds no state: a call borrows the
//! channels it was given, moves bytes with the core, and gives back a report or throws. The Java side decides everything
//! that is Java's (when a thread counts as interrupted, what is closed then); the core decides everything about moving
//! bytes; here one is only told what the other said.
//!
//! A panic never crosses into the JVM: every entry point runs under [`EnvUnowned::with_env`], which catches it, and
//! `errors::Throw` turns it into an `IllegalStateException`.

#![deny(unsafe_code)]

mod channel;
mod descriptors;
mod errors;
mod patience;
mod registration;
mod transfer;

use jni::EnvUnowned;
use jni::objects::{JByteArray, JClass, JObject, JObjectArray, JString};
use jni::sys::{jboolean, jint, jlong};

use errors::{Failure, Throw};
use transfer::{Ends, Request};

/// `static native Report run(Object source, byte[] sourcePath, Object sink, byte[] sinkPath, long offset, long sinkOffset,
/// long count, String mechanism, boolean snapshot, Watch watch) throws IOException`
#[allow(unsafe_code)] // An exported name: the JVM finds a native method by nothing else.
#[allow(clippy::too_many_arguments)] // One for each argument of the Java method.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_Native_run<'local>(
    mut env: EnvUnowned<'local>,
    class: JClass<'local>,
    source: JObject<'local>,
    source_path: JByteArray<'local>,
    sink: JObject<'local>,
    sink_path: JByteArray<'local>,
    offset: jlong,
    sink_offset: jlong,
    count: jlong,
    mechanism: JString<'local>,
    snapshot: jboolean,
    watch: JObject<'local>,
) -> JObject<'local> {
    env.with_env(|env| {
        let request = Request::new(env, offset, sink_offset, count, &mechanism, snapshot)?;
        let ends = Ends { source: &source, source_path: &source_path, sink: &sink, sink_path: &sink_path };
        transfer::run(env, &class, &ends, &request, &watch)
    })
    .resolve::<Throw>()
}

/// `static native int enter(FileChannel channel)`: see `registration`.
#[allow(unsafe_code)] // An exported name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_Native_enter<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    channel: JObject<'local>,
) -> jint {
    env.with_env(|env| registration::enter(env, &channel)).resolve::<Throw>()
}

/// `static native void leave(FileChannel channel, int entry)`: see `registration`.
#[allow(unsafe_code)] // An exported name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_Native_leave<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    channel: JObject<'local>,
    entry: jint,
) {
    env.with_env(|env| registration::leave(env, &channel, entry)).resolve::<Throw>();
}

/// `static native String[] mechanisms()`: the core's list, in its order.
#[allow(unsafe_code)] // An exported name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_Native_mechanisms<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
) -> JObjectArray<'local, JString<'local>> {
    env.with_env(|env| -> Result<_, Failure> {
        let names = JObjectArray::<JString>::new(env, zcio::Mechanism::ALL.len(), JString::null())?;
        for (index, mechanism) in zcio::Mechanism::ALL.iter().enumerate() {
            let name = JString::from_str(env, mechanism.name())?;
            names.set_element(env, index, &name)?;
        }
        Ok(names)
    })
    .resolve::<Throw>()
}

/// `static native void panic(String message)`: panics. The test that a panic cannot take the JVM down needs one.
#[allow(unsafe_code)] // An exported name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_Native_panic<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    message: JString<'local>,
) {
    env.with_env(|env| -> Result<(), Failure> { panic!("{}", message.try_to_string(env)?) }).resolve::<Throw>();
}
