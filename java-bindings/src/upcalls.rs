//! What the native code asks of Java in every transfer, by classes and ids that are looked up once: by name each would cost
//! as much as the rest of a small transfer does.
//!
//! The classes are kept from being unloaded, so their ids stay good; what is the boot loader's is never unloaded.
#![allow(unsafe_code)]

use std::sync::OnceLock;

use jni::errors::Result;
use jni::ids::{JMethodID, JStaticMethodID};
use jni::objects::{JClass, JObject, JObjectArray, JString, JValue};
use jni::refs::Global;
use jni::signature::{Primitive, ReturnType};
use jni::sys::jvalue;
use jni::{Env, jni_sig, jni_str};
use zcio::{KnownBy, Mechanism};

pub(crate) struct Upcalls {
    /// `io.zcio.Mechanism`'s constants, in the order of [`Mechanism::ALL`].
    mechanisms: Vec<Global<JObject<'static>>>,
    /// The names of where knowledge comes from.
    known_by: Vec<(KnownBy, Global<JString<'static>>)>,
    /// An array of no `io.zcio.Attempt`.
    no_attempts: Global<JObjectArray<'static>>,
    /// `java.nio.channels.FileChannel`
    pub file_channel: Global<JClass<'static>>,
    /// `java.nio.channels.SocketChannel`
    pub socket_channel: Global<JClass<'static>>,
    /// `io.zcio.Attempt`
    pub attempt: Global<JClass<'static>>,
    native: Global<JClass<'static>>,
    /// `static Report Native.report(…)`
    report: JStaticMethodID,
    _watch: Global<JClass<'static>>,
    /// `boolean Watch.look(long)`
    look: JMethodID,
}

/// Looked up by whoever is first.
pub(crate) fn upcalls(env: &mut Env<'_>) -> Result<&'static Upcalls> {
    static UPCALLS: OnceLock<Upcalls> = OnceLock::new();
    if let Some(upcalls) = UPCALLS.get() {
        return Ok(upcalls);
    }
    let mut class = |name| {
        let class = env.load_class(name)?;
        env.new_global_ref(class)
    };
    let [file_channel, socket_channel] =
        [class(jni_str!("java/nio/channels/FileChannel"))?, class(jni_str!("java/nio/channels/SocketChannel"))?];
    let attempt = class(jni_str!("io/zcio/Attempt"))?;
    let [native, watch] = [class(jni_str!("io/zcio/Native"))?, class(jni_str!("io/zcio/Watch"))?];
    let signature = jni_sig!(
        (long, long, io.zcio.Mechanism, boolean, [io.zcio.Attempt], long, long, int, java.lang.String, long)
            -> io.zcio.Report
    );
    let report = env.get_static_method_id(&native, jni_str!("report"), signature)?;
    let look = env.get_method_id(&watch, jni_str!("look"), jni_sig!((long) -> boolean))?;
    let no_attempts = env.new_object_array(0, &attempt, JObject::null())?;
    let found = Upcalls {
        mechanisms: Mechanism::ALL.iter().map(|&each| mechanism(env, each)).collect::<Result<_>>()?,
        known_by: KnownBy::ALL
            .iter()
            .map(|&source| {
                let name = env.new_string(source.name())?;
                Ok((source, env.new_global_ref(name)?))
            })
            .collect::<Result<_>>()?,
        no_attempts: env.new_global_ref(no_attempts)?,
        file_channel,
        socket_channel,
        attempt,
        native,
        report,
        _watch: watch,
        look,
    };
    // Two that look at the same time find the same.
    Ok(UPCALLS.get_or_init(|| found))
}

/// `Mechanism.of(name)`
fn mechanism(env: &mut Env<'_>, mechanism: Mechanism) -> Result<Global<JObject<'static>>> {
    let name = env.new_string(mechanism.name())?;
    let signature = jni_sig!((java.lang.String) -> io.zcio.Mechanism);
    let found =
        env.call_static_method(jni_str!("io/zcio/Mechanism"), jni_str!("of"), signature, &[JValue::Object(&name)])?;
    env.new_global_ref(found.into_object()?)
}

impl Upcalls {
    /// The constant of `io.zcio.Mechanism`.
    pub fn mechanism(&self, mechanism: Mechanism) -> &JObject<'static> {
        let place = Mechanism::ALL.iter().position(|&each| each == mechanism);
        &self.mechanisms[place.expect("all mechanisms are among them")]
    }

    /// The name of where knowledge comes from.
    pub fn known_by(&self, source: KnownBy) -> &JString<'static> {
        let found = self.known_by.iter().find(|(each, _)| *each == source);
        &found.expect("all of them are there").1
    }

    /// An array of no `io.zcio.Attempt`.
    pub fn no_attempts(&self) -> &JObjectArray<'static> {
        &self.no_attempts
    }

    /// `Native.report`, whose arguments these must be.
    pub fn report<'local>(&self, env: &mut Env<'local>, arguments: &[jvalue; 10]) -> Result<JObject<'local>> {
        // SAFETY: the id is of a static method of this class; the caller gives the ten arguments of its signature, above.
        let report =
            unsafe { env.call_static_method_unchecked(&self.native, self.report, ReturnType::Object, arguments) };
        report?.into_object()
    }

    /// `watch.look(moved)`: whether to stop.
    pub fn look(&self, env: &mut Env<'_>, watch: &JObject<'_>, moved: u64) -> Result<bool> {
        let arguments = [jvalue { j: moved as i64 }];
        // SAFETY: every native method that takes a watch declares it as an `io.zcio.Watch`, and passes no null.
        let stop = unsafe {
            env.call_method_unchecked(watch, self.look, ReturnType::Primitive(Primitive::Boolean), &arguments)
        };
        stop?.into_bool()
    }
}
