//! The native half of `io.zcio.Lesson`: the experiments of `zcio learn`, as objects of the JDK's own.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use jni::errors::Result;
use jni::objects::{JByteArray, JObject, JObjectArray, JString, JValue};
use jni::{Env, jni_sig, jni_str};
use serde_json::Value;
use zcio::cli::{self, Document};

use crate::errors::Failure;

/// More than the references that one object with one member needs.
const REFERENCES: usize = 8;

/// The bridge to the native code's experiments. Not an API.
pub(crate) enum NativeLesson {}

impl NativeLesson {
    /// The names of the topics.
    pub fn topics<'local>(env: &mut Env<'local>) -> Result<JObjectArray<'local, JString<'local>>> {
        let names: Vec<_> = cli::topics().collect();
        strings(env, &names)
    }

    /// Does the experiment of a topic, and gives its title, the article's words, the figures (a {@code Map}), the drawing, why the
    /// two differ, what was not seen, and all of it as a text.
    pub fn learn<'local>(
        env: &mut Env<'local>,
        topic: &JString<'_>,
        directory: &JByteArray<'_>,
    ) -> std::result::Result<JObjectArray<'local>, Failure> {
        let topic = topic.try_to_string(env)?;
        let directory =
            if directory.is_null() { None } else { Some(OsString::from_vec(env.convert_byte_array(directory)?)) };
        let found = cli::learn(&topic, directory.as_deref().map(Path::new)).map_err(Failure::Io)?;
        Ok(given(env, &found)?)
    }
}

fn given<'local>(env: &mut Env<'local>, found: &Document) -> Result<JObjectArray<'local>> {
    let parts = [
        env.new_string(found.title)?.into(),
        env.new_string(found.article)?.into(),
        object(env, &found.figures)?,
        env.new_string(found.drawing.join("\n"))?.into(),
        env.new_string(&found.differs)?.into(),
        strings(env, &found.unseen)?.into(),
        env.new_string(found.to_string())?.into(),
    ];
    let class = env.find_class(jni_str!("java/lang/Object"))?;
    let array = env.new_object_array(parts.len() as i32, &class, JObject::null())?;
    for (index, part) in parts.iter().enumerate() {
        array.set_element(env, index, part)?;
    }
    Ok(array)
}

fn strings<'local>(env: &mut Env<'local>, texts: &[impl AsRef<str>]) -> Result<JObjectArray<'local, JString<'local>>> {
    let array = env.new_object_type_array::<JString<'_>>(texts.len(), JString::null())?;
    for (index, text) in texts.iter().enumerate() {
        let text = env.new_string(text.as_ref())?;
        array.set_element(env, index, &text)?;
        env.delete_local_ref(text);
    }
    Ok(array)
}

/// `Map`, `List`, `String`, `Long`, `Double` and `Boolean`, or null.
fn object<'local>(env: &mut Env<'local>, value: &Value) -> Result<JObject<'local>> {
    env.with_local_frame_returning_local::<_, JObject<'_>, _>(REFERENCES, |env| match value {
        Value::Null => Ok(JObject::null()),
        Value::Bool(value) => boxed(env, jni_str!("java/lang/Boolean"), JValue::Bool(*value)),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => boxed(env, jni_str!("java/lang/Long"), JValue::Long(whole)),
            None => boxed(env, jni_str!("java/lang/Double"), JValue::Double(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => Ok(env.new_string(text)?.into()),
        Value::Array(values) => {
            let class = env.find_class(jni_str!("java/util/ArrayList"))?;
            let list = env.new_object(&class, jni_sig!(() -> void), &[])?;
            for value in values {
                let value = object(env, value)?;
                let signature = jni_sig!((java.lang.Object) -> boolean);
                env.call_method(&list, jni_str!("add"), signature, &[JValue::Object(&value)])?;
                env.delete_local_ref(value);
            }
            Ok(list)
        }
        Value::Object(members) => {
            let class = env.find_class(jni_str!("java/util/LinkedHashMap"))?;
            let map = env.new_object(&class, jni_sig!(() -> void), &[])?;
            for (name, value) in members {
                let (name, value) = (env.new_string(name)?, object(env, value)?);
                let signature = jni_sig!((java.lang.Object, java.lang.Object) -> java.lang.Object);
                let arguments = [JValue::Object(&name), JValue::Object(&value)];
                env.call_method(&map, jni_str!("put"), signature, &arguments)?;
                env.delete_local_ref(name);
                env.delete_local_ref(value);
            }
            Ok(map)
        }
    })
}

/// `Long.valueOf(value)`, and so on.
fn boxed<'local>(
    env: &mut Env<'local>,
    class: &'static jni::strings::JNIStr,
    value: JValue<'_>,
) -> Result<JObject<'local>> {
    let signature = match value {
        JValue::Bool(_) => jni_sig!((boolean) -> java.lang.Boolean),
        JValue::Long(_) => jni_sig!((long) -> java.lang.Long),
        _ => jni_sig!((double) -> java.lang.Double),
    };
    let class = env.find_class(class)?;
    env.call_static_method(&class, jni_str!("valueOf"), signature, &[value])?.into_object()
}
