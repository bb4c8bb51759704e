//! The parts of reports that all of them have. The Java records are made by static methods of `io.zcio.Native`, where their
//! shape is known.

use jni::objects::{JObject, JObjectArray, JString, JThrowable, JValue};
use jni::{Env, jni_sig, jni_str};
use zcio::Attempt;

use crate::errors::{self, Failure, Trouble};
use crate::upcalls::native;

/// An array of `io.zcio.Attempt`, or null for none.
pub(crate) fn attempts<'local>(env: &mut Env<'local>, attempts: &[Attempt]) -> Result<JObjectArray<'local>, Failure> {
    if attempts.is_empty() {
        return Ok(JObjectArray::<JObject>::null());
    }
    let class = env.find_class(jni_str!("java/lang/Object"))?;
    let array = env.new_object_array(attempts.len() as i32, &class, JObject::null())?;
    for (index, attempt) in attempts.iter().enumerate() {
        let attempt = self::attempt(env, attempt)?;
        array.set_element(env, index, &attempt)?;
    }
    Ok(array)
}

/// An `io.zcio.Attempt`.
pub(crate) fn attempt<'local>(env: &mut Env<'local>, attempt: &Attempt) -> Result<JObject<'local>, Failure> {
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
    let signature = jni_sig!((java.lang.String, long, java.lang.String, int, java.lang.String) -> java.lang.Object);
    Ok(env.call_static_method(native(), jni_str!("attempt"), signature, &arguments)?.into_object()?)
}

/// What went wrong in a part of something that went on, as the exception it would have been; null for nothing.
pub(crate) fn failure<'local>(
    env: &mut Env<'local>,
    error: Option<&zcio::Error>,
) -> Result<JThrowable<'local>, Failure> {
    match error {
        Some(error) => Ok(errors::exception(env, &Trouble::of(error.clone()))?),
        None => Ok(JThrowable::null()),
    }
}

/// A mechanism's name, or null.
pub(crate) fn name<'local>(
    env: &mut Env<'local>,
    mechanism: Option<zcio::Mechanism>,
) -> Result<JString<'local>, Failure> {
    Ok(mechanism.map_or(Ok(JString::null()), |mechanism| env.new_string(mechanism.name()))?)
}
