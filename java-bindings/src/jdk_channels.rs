//! What is read of and called on channels of the JDK's own (`sun.nio.ch`), by ids that are looked up once.
//!
//! Looking a field or a method up by name costs more than mapping a page. The classes are the boot loader's, which never
//! unloads them, so their ids stay good. An id must only ever be used on an object of its class: the Java side hands over no
//! other channels than the JDK's own (`io.zcio.End`), and the rest is read out of these.
#![allow(unsafe_code)]

use std::sync::OnceLock;

use jni::ids::{JFieldID, JMethodID};
use jni::objects::JObject;
use jni::signature::{FieldSignature, JavaType, MethodSignature, Primitive, ReturnType};
use jni::strings::JNIStr;
use jni::{Env, jni_sig, jni_str};

use crate::errors::Failure;

/// `FileChannelImpl.fd`, a `FileDescriptor`
static DESCRIPTOR: OnceLock<JFieldID> = OnceLock::new();
/// `FileDescriptor.fd`
static NUMBER: OnceLock<JFieldID> = OnceLock::new();
/// `int SelChImpl.getFDVal()`
static STREAM_NUMBER: OnceLock<JMethodID> = OnceLock::new();
/// `boolean AbstractInterruptibleChannel.isOpen()`
static IS_OPEN: OnceLock<JMethodID> = OnceLock::new();

const FILE: &JNIStr = jni_str!("sun/nio/ch/FileChannelImpl");

/// One at a time: what a runtime does not have costs only those who ask for it.
fn field(
    env: &mut Env<'_>,
    known: &'static OnceLock<JFieldID>,
    class: &JNIStr,
    name: &JNIStr,
    signature: FieldSignature<'_>,
) -> Result<JFieldID, Failure> {
    if let Some(id) = known.get() {
        return Ok(*id);
    }
    let class = env.find_class(class)?;
    let id = env.get_field_id(&class, name, signature)?;
    // Whoever was first has found the same.
    Ok(*known.get_or_init(|| id))
}

fn method(
    env: &mut Env<'_>,
    known: &'static OnceLock<JMethodID>,
    class: &JNIStr,
    name: &JNIStr,
    signature: MethodSignature<'_, '_>,
) -> Result<JMethodID, Failure> {
    if let Some(id) = known.get() {
        return Ok(*id);
    }
    let class = env.find_class(class)?;
    let id = env.get_method_id(&class, name, signature)?;
    Ok(*known.get_or_init(|| id))
}

/// `FileChannelImpl.fd.fd`; negative once closed.
pub(crate) fn number(env: &mut Env<'_>, channel: &JObject<'_>) -> Result<i32, Failure> {
    let descriptor = field(env, &DESCRIPTOR, FILE, jni_str!("fd"), jni_sig!(java.io.FileDescriptor))?;
    let number = field(env, &NUMBER, jni_str!("java/io/FileDescriptor"), jni_str!("fd"), jni_sig!(int))?;
    // SAFETY: the field's own class and type; see the module's introduction.
    let holder = unsafe { env.get_field_unchecked(channel, descriptor, JavaType::Object) }?.into_object()?;
    // SAFETY: as above.
    let number = unsafe { env.get_field_unchecked(&holder, number, JavaType::Primitive(Primitive::Int)) }?;
    Ok(number.into_int()?)
}

/// `SelChImpl.getFDVal()`, of a socket's or a pipe's channel; negative once closed.
pub(crate) fn stream_number(env: &mut Env<'_>, channel: &JObject<'_>) -> Result<i32, Failure> {
    let class = jni_str!("sun/nio/ch/SelChImpl");
    let id = method(env, &STREAM_NUMBER, class, jni_str!("getFDVal"), jni_sig!(() -> int))?;
    // SAFETY: the method's own interface and signature; see the module's introduction.
    let number = unsafe { env.call_method_unchecked(channel, id, ReturnType::Primitive(Primitive::Int), &[]) };
    Ok(number?.into_int()?)
}

/// `Channel.isOpen()`
pub(crate) fn is_open(env: &mut Env<'_>, channel: &JObject<'_>) -> Result<bool, Failure> {
    let class = jni_str!("java/nio/channels/spi/AbstractInterruptibleChannel");
    let id = method(env, &IS_OPEN, class, jni_str!("isOpen"), jni_sig!(() -> boolean))?;
    // SAFETY: the method's own class and signature; see the module's introduction.
    let open = unsafe { env.call_method_unchecked(channel, id, ReturnType::Primitive(Primitive::Boolean), &[]) };
    Ok(open?.into_bool()?)
}
