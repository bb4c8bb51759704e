//! The native half of `io.zcio`: what its classes `Native…` declare, and nothing else.
//!
//! This bridge is not an API. Only the Java classes of the same version call it. A call borrows the channels it was given,
//! moves bytes with the core, and gives back a report or throws; what is moved step by step is kept by a number. The Java
//! side decides everything that is Java's (when a thread counts as interrupted, what is closed then); the core decides
//! everything about moving bytes; here one is only told what the other said.
//!
//! A panic never crosses into the JVM: every native method is bound by `natives::native`, which catches it, and
//! `errors::Throw` turns it into an `IllegalStateException`.

#![deny(unsafe_code)]
// Native methods take what the JVM gives, by value, and answer as all of them do.
#![allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps, clippy::too_many_arguments)]

mod batch;
mod channel;
mod command;
mod copy;
mod descriptors;
mod errors;
mod fanout;
mod handle;
mod internals;
mod jdk_channels;
mod natives;
mod pages;
mod poller;
mod ranges;
mod reads;
mod region;
mod relay;
mod reports;
mod running;
mod send_timeout;
mod shared_region;
mod transfer;
mod upcalls;

use jni::objects::{JByteBuffer, JClass, JObjectArray, JString};
use jni::sys::jlong;
use jni::{Env, NativeMethod};

use errors::Failure;
use natives::native;

/// `static native long address(ByteBuffer buffer)`: `GetDirectBufferAddress`, 0 for a buffer that is not direct.
fn address<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    buffer: JByteBuffer<'local>,
) -> Result<jlong, Failure> {
    Ok(env.get_direct_buffer_address(&buffer).map_or(0, |address| address as jlong))
}

/// `static native String[] mechanisms()`: the core's list, in its order.
fn mechanisms<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
) -> Result<JObjectArray<'local, JString<'local>>, Failure> {
    names(env, zcio::Mechanism::ALL.iter().map(|mechanism| mechanism.name()))
}

/// `static native String[] knownBy()`: the core's list, in its order.
fn known_by<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
) -> Result<JObjectArray<'local, JString<'local>>, Failure> {
    names(env, zcio::KnownBy::ALL.iter().map(|source| source.name()))
}

fn names<'local>(
    env: &mut Env<'local>,
    all: impl ExactSizeIterator<Item = &'static str>,
) -> Result<JObjectArray<'local, JString<'local>>, Failure> {
    let names = JObjectArray::<JString>::new(env, all.len(), JString::null())?;
    for (index, name) in all.enumerate() {
        let name = JString::from_str(env, name)?;
        names.set_element(env, index, &name)?;
    }
    Ok(names)
}

/// `static native void panic(String message)`: panics. The test that a panic cannot take the JVM down needs one.
fn panic<'local>(env: &mut Env<'local>, _class: JClass<'local>, message: JString<'local>) -> Result<(), Failure> {
    panic!("{}", message.try_to_string(env)?)
}

/// What `Native` declares.
#[allow(unsafe_code)] // The macro's.
pub(crate) const METHODS: &[NativeMethod] = &[
    native!(fn address(buffer: java.nio.ByteBuffer) -> long),
    native!(fn mechanisms() -> [java.lang.String]),
    native!(fn known_by() -> [java.lang.String]),
    native!(fn panic(message: java.lang.String) -> void),
];
