//! What is read of and called on channels of the JDK's own (`sun.nio.ch`), by ids that are looked up once.
//!
//! Looking a field or a method up by name costs more than mapping a page. The classes are the boot loader's, which never
//! unloads them, so their ids stay good. An id must only ever be used on an object of its class: the Java side hands over no
//! other channels than the JDK's own (`io.zcio.End`), and the rest is read out of these.
#![allow(unsafe_code)]

use std::sync::OnceLock;

use jni::ids::{JFieldID, JMethodID};
use jni::objects::JObject;
use jni::signature::{JavaType, Primitive, ReturnType};
use jni::sys::jvalue;
use jni::{Env, jni_sig, jni_str};

use crate::errors::Failure;

struct Ids {
    /// `FileChannelImpl.threads`, a `NativeThreadSet`
    threads: JFieldID,
    /// `FileChannelImpl.fd`, a `FileDescriptor`
    descriptor: JFieldID,
    /// `FileDescriptor.fd`
    number: JFieldID,
    /// `int NativeThreadSet.add()`
    add: JMethodID,
    /// `void NativeThreadSet.remove(int)`
    remove: JMethodID,
    /// `int SelChImpl.getFDVal()`
    stream_number: JMethodID,
    /// `boolean AbstractInterruptibleChannel.isOpen()`
    is_open: JMethodID,
}

fn ids(env: &mut Env<'_>) -> Result<&'static Ids, Failure> {
    static IDS: OnceLock<Ids> = OnceLock::new();
    if let Some(ids) = IDS.get() {
        return Ok(ids);
    }
    let channel = jni_str!("sun/nio/ch/FileChannelImpl");
    let set = jni_str!("sun/nio/ch/NativeThreadSet");
    let stream = jni_str!("sun/nio/ch/SelChImpl");
    let base = jni_str!("java/nio/channels/spi/AbstractInterruptibleChannel");
    let found = Ids {
        threads: env.get_field_id(channel, jni_str!("threads"), jni_sig!(sun.nio.ch.NativeThreadSet))?,
        descriptor: env.get_field_id(channel, jni_str!("fd"), jni_sig!(java.io.FileDescriptor))?,
        number: env.get_field_id(jni_str!("java/io/FileDescriptor"), jni_str!("fd"), jni_sig!(int))?,
        add: env.get_method_id(set, jni_str!("add"), jni_sig!(() -> int))?,
        remove: env.get_method_id(set, jni_str!("remove"), jni_sig!((int) -> void))?,
        stream_number: env.get_method_id(stream, jni_str!("getFDVal"), jni_sig!(() -> int))?,
        is_open: env.get_method_id(base, jni_str!("isOpen"), jni_sig!(() -> boolean))?,
    };
    // Whoever was first has found the same.
    Ok(IDS.get_or_init(|| found))
}

/// `FileChannelImpl.fd.fd`; negative once closed.
pub(crate) fn number(env: &mut Env<'_>, channel: &JObject<'_>) -> Result<i32, Failure> {
    let ids = ids(env)?;
    // SAFETY: the field's own class and type; see the module's introduction.
    let holder = unsafe { env.get_field_unchecked(channel, ids.descriptor, JavaType::Object) }?.into_object()?;
    // SAFETY: as above.
    let number = unsafe { env.get_field_unchecked(&holder, ids.number, JavaType::Primitive(Primitive::Int)) }?;
    Ok(number.into_int()?)
}

/// `SelChImpl.getFDVal()`, of a socket's or a pipe's channel; negative once closed.
pub(crate) fn stream_number(env: &mut Env<'_>, channel: &JObject<'_>) -> Result<i32, Failure> {
    let id = ids(env)?.stream_number;
    // SAFETY: the method's own interface and signature; see the module's introduction.
    let number = unsafe { env.call_method_unchecked(channel, id, ReturnType::Primitive(Primitive::Int), &[]) };
    Ok(number?.into_int()?)
}

/// `Channel.isOpen()`
pub(crate) fn is_open(env: &mut Env<'_>, channel: &JObject<'_>) -> Result<bool, Failure> {
    let ids = ids(env)?;
    // SAFETY: the method's own class and signature; see the module's introduction.
    let open =
        unsafe { env.call_method_unchecked(channel, ids.is_open, ReturnType::Primitive(Primitive::Boolean), &[]) };
    Ok(open?.into_bool()?)
}

/// `FileChannelImpl.threads.add()`
pub(crate) fn add_thread(env: &mut Env<'_>, channel: &JObject<'_>) -> Result<i32, Failure> {
    let (ids, threads) = threads(env, channel)?;
    // SAFETY: as in `is_open`.
    let entry = unsafe { env.call_method_unchecked(&threads, ids.add, ReturnType::Primitive(Primitive::Int), &[]) };
    Ok(entry?.into_int()?)
}

/// `FileChannelImpl.threads.remove(entry)`
pub(crate) fn remove_thread(env: &mut Env<'_>, channel: &JObject<'_>, entry: i32) -> Result<(), Failure> {
    let (ids, threads) = threads(env, channel)?;
    let arguments = [jvalue { i: entry }];
    // SAFETY: as in `is_open`.
    unsafe { env.call_method_unchecked(&threads, ids.remove, ReturnType::Primitive(Primitive::Void), &arguments) }?;
    Ok(())
}

fn threads<'local>(env: &mut Env<'local>, channel: &JObject<'_>) -> Result<(&'static Ids, JObject<'local>), Failure> {
    let ids = ids(env)?;
    // SAFETY: as in `number`.
    let threads = unsafe { env.get_field_unchecked(channel, ids.threads, JavaType::Object) }?.into_object()?;
    Ok((ids, threads))
}
