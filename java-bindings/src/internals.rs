//! Method handles for members of the JDK's own classes, for the calls that have to be as cheap as the JDK's own.
//!
//! JNI is not bound by the encapsulation of modules, and the lookup that is not either (`MethodHandles.Lookup.IMPL_LOOKUP`) can be
//! read by it. That lookup never leaves this file: whoever had it, by reflection on a class of ours perhaps, could do anything in
//! the JVM. What is handed out is one member at a time, and only of those that are listed here.

use jni::errors::Result;
use jni::objects::{JClass, JObject, JString, JValue};
use jni::strings::JNIString;
use jni::sys::{jboolean, jint};
use jni::{Env, jni_sig, jni_str};

use crate::natives::{MethodHandle, MethodType};

/// The members that Java may have, by their classes.
const LISTED: &[(&str, &[&str])] = &[
    ("java.io.FileDescriptor", &["fd"]),
    ("java.nio.Buffer", &["address"]),
    ("jdk.internal.access.JavaNioAccess", &["acquireScope", "acquireSession", "releaseSession"]),
    ("jdk.internal.access.SharedSecrets", &["getJavaNioAccess"]),
    ("jdk.internal.misc.ScopedMemoryAccess$Scope", &["release"]),
    ("jdk.internal.misc.ScopedMemoryAccess$Scope$Handle", &["scope"]),
    ("sun.nio.ch.FileChannelImpl", &["fd", "positionLock", "setUninterruptible", "threads"]),
    ("sun.nio.ch.NativeThreadSet", &["add", "remove"]),
    ("sun.nio.ch.SelChImpl", &["getFDVal"]),
    ("sun.nio.ch.SinkChannelImpl", STREAM),
    ("sun.nio.ch.SocketChannelImpl", STREAM),
    ("sun.nio.ch.SourceChannelImpl", STREAM),
];

const STREAM: &[&str] = &["beginWrite", "endWrite", "fdVal", "isInputOpen", "readLock", "writeLock"];

fn handle<'local>(
    env: &mut Env<'local>,
    owner: &str,
    name: &JString<'_>,
    method_type: &JObject<'_>,
    kind: jint,
) -> Result<JObject<'local>> {
    let owner = env.find_class(JNIString::from(owner.replace('.', "/")))?;
    let lookups = env.find_class(jni_str!("java/lang/invoke/MethodHandles$Lookup"))?;
    let signature = jni_sig!(java.lang.invoke.MethodHandles::Lookup);
    let trusted = env.get_static_field(&lookups, jni_str!("IMPL_LOOKUP"), signature)?.into_object()?;
    let of_method = jni_sig!(
        (java.lang.Class, java.lang.String, java.lang.invoke.MethodType) -> java.lang.invoke.MethodHandle
    );
    let arguments = [JValue::Object(&owner), JValue::Object(name), JValue::Object(method_type)];
    let found = match kind {
        0 => {
            let field = env.call_method(method_type, jni_str!("returnType"), jni_sig!(() -> java.lang.Class), &[])?;
            let field = field.into_object()?;
            let of_field = jni_sig!(
                (java.lang.Class, java.lang.String, java.lang.Class) -> java.lang.invoke.MethodHandle
            );
            let arguments = [JValue::Object(&owner), JValue::Object(name), JValue::Object(&field)];
            env.call_method(&trusted, jni_str!("findGetter"), of_field, &arguments)
        }
        1 => env.call_method(&trusted, jni_str!("findVirtual"), of_method, &arguments),
        _ => env.call_method(&trusted, jni_str!("findStatic"), of_method, &arguments),
    };
    found?.into_object()
}

/// The door to members of the JDK's own classes; see {@link Internals}, which alone goes through it.
pub(crate) enum NativeInternals {}

impl NativeInternals {
    /// Null for what this runtime does not have, and for what is not listed. {@code kind}: 0 a field's getter, whose type the
    /// result of the method type is, 1 a method, 2 a static one.
    pub fn find<'local>(
        env: &mut Env<'local>,
        owner: &JString<'local>,
        name: &JString<'local>,
        method_type: &MethodType<'local>,
        kind: jint,
    ) -> Result<MethodHandle<'local>> {
        let (owner, member) = (owner.try_to_string(env)?, name.try_to_string(env)?);
        let listed = LISTED.iter().any(|(class, members)| *class == owner && members.contains(&member.as_str()));
        if !listed {
            return Ok(JObject::null());
        }
        handle(env, &owner, name, method_type, kind).or_else(|_| {
            env.exception_clear();
            Ok(JObject::null())
        })
    }

    /// Whether that field of a channel class of ours lies where {@code FileChannelImpl} has its descriptor. JNI code of others
    /// gets the id of that one and reads the field of any channel by it; two fields of one place have the same id.
    pub fn lies_over(env: &mut Env<'_>, ours: &JClass<'_>, name: &JString<'_>) -> Result<jboolean> {
        let name = JNIString::from(name.try_to_string(env)?);
        let theirs = env.find_class(jni_str!("sun/nio/ch/FileChannelImpl"))?;
        let wanted = env.get_field_id(&theirs, jni_str!("fd"), jni_sig!(java.io.FileDescriptor));
        let Ok(wanted) = wanted else { return Ok(false) };
        let found = env.get_field_id(ours, &name, jni_sig!(java.io.FileDescriptor))?;
        Ok(wanted.into_raw() == found.into_raw())
    }
}
