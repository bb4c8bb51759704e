//! The native half of `io.zcio`: what the classes `io.zcio.Native…` declare, and nothing else.
//!
//! This bridge is not an API. Only the Java classes of the same version call it. A call borrows the channels it was given,
//! moves bytes with the core, and gives back a report or throws; what is moved step by step is kept by a number. The Java
//! side decides everything that is Java's (when a thread counts as interrupted, what is closed then); the core decides
//! everything about moving bytes; here one is only told what the other said.
//!
//! A panic never crosses into the JVM: every entry point runs under [`EnvUnowned::with_env`], which catches it, and
//! `errors::Throw` turns it into an `IllegalStateException`.

#![deny(unsafe_code)]

mod batch;
mod channel;
mod command;
mod copy;
mod descriptors;
mod errors;
mod fanout;
mod handle;
mod jdk_channels;
mod pages;
mod patience;
mod poller;
mod region;
mod registration;
mod relay;
mod reports;
mod running;
mod shared_region;
mod transfer;
mod upcalls;

use jni::EnvUnowned;
use jni::objects::{JByteBuffer, JClass, JObject, JObjectArray, JString};
use jni::sys::{jint, jlong};

use errors::{Failure, Throw};

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

/// `static native int number(FileChannel channel)`: of its descriptor, negative once closed.
#[allow(unsafe_code)] // An exported name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_Native_number<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    channel: JObject<'local>,
) -> jint {
    env.with_env(|env| jdk_channels::number(env, &channel)).resolve::<Throw>()
}

/// `static native long address(ByteBuffer buffer)`: `GetDirectBufferAddress`, 0 for a buffer that is not direct.
#[allow(unsafe_code)] // An exported name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_Native_address<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    buffer: JByteBuffer<'local>,
) -> jlong {
    env.with_env(|env| -> Result<jlong, Failure> {
        Ok(env.get_direct_buffer_address(&buffer).map_or(0, |address| address as jlong))
    })
    .resolve::<Throw>()
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
