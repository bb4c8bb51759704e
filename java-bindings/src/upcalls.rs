//! What the native code asks of Java in every transfer, by classes and ids that are looked up once: by name each would cost
//! as much as the rest of a small transfer does.
//!
//! One class of ours is known here, `Native`, and by a weak reference, so that it can be collected with its loader. It cannot
//! while one of its own loader's native methods runs, so the reference and the ids are good wherever they are used. Everything of
//! ours that Java has to make is made by its static methods, or by those of the class whose native method runs; their types are
//! the JDK's, so that moving the package changes none (see [`crate::natives`]). A class of the JDK's is found as a class file
//! beside `Native` would find it, not by the thread's context loader, which belongs to somebody else.
#![allow(unsafe_code)]

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use jni::errors::Result;
use jni::ids::{JMethodID, JStaticMethodID};
use jni::objects::{JClass, JObject};
use jni::refs::{Global, Weak};
use jni::signature::{Primitive, ReturnType};
use jni::sys::jvalue;
use jni::{Env, jni_sig, jni_str};

/// Of the one class loader that this library belongs to.
struct Loaded {
    native: Weak<JClass<'static>>,
    upcalls: OnceLock<Upcalls>,
}

static LOADED: AtomicPtr<Loaded> = AtomicPtr::new(ptr::null_mut());

/// Before any other native method is called.
pub(crate) fn begin(env: &mut Env<'_>, native: &JClass<'_>) -> Result<()> {
    let loaded = Loaded { native: env.new_weak_ref(native)?, upcalls: OnceLock::new() };
    LOADED.store(Box::into_raw(Box::new(loaded)), Ordering::Release);
    Ok(())
}

/// After the last native method has returned.
pub(crate) fn end() {
    let loaded = LOADED.swap(ptr::null_mut(), Ordering::AcqRel);
    if !loaded.is_null() {
        // SAFETY: made by `begin`, taken out once, and no native method runs that could have borrowed it.
        drop(unsafe { Box::from_raw(loaded) });
    }
}

pub(crate) struct Upcalls {
    /// `java.nio.channels.FileChannel`
    pub file_channel: Global<JClass<'static>>,
    /// `java.nio.channels.SocketChannel`
    pub socket_channel: Global<JClass<'static>>,
    /// `static Object Native.report(…)`
    report: JStaticMethodID,
    /// `boolean LongPredicate.test(long)`
    test: JMethodID,
}

fn loaded() -> &'static Loaded {
    // SAFETY: set by `begin` before there is any other native method, and taken out when there is none any more.
    unsafe { &*LOADED.load(Ordering::Acquire) }
}

/// The class `Native`.
pub(crate) fn native() -> &'static JClass<'static> {
    &loaded().native
}

/// Looked up by whoever is first.
pub(crate) fn upcalls(env: &mut Env<'_>) -> Result<&'static Upcalls> {
    let upcalls = &loaded().upcalls;
    if let Some(upcalls) = upcalls.get() {
        return Ok(upcalls);
    }
    let mut class = |name| {
        let class = env.find_class(name)?;
        env.new_global_ref(class)
    };
    let [file_channel, socket_channel] =
        [class(jni_str!("java/nio/channels/FileChannel"))?, class(jni_str!("java/nio/channels/SocketChannel"))?];
    let signature =
        jni_sig!((long, long, int, boolean, [java.lang.Object], long, long, int, int, long) -> java.lang.Object);
    let report = env.get_static_method_id(native(), jni_str!("report"), signature)?;
    let predicate = env.find_class(jni_str!("java/util/function/LongPredicate"))?;
    let test = env.get_method_id(&predicate, jni_str!("test"), jni_sig!((long) -> boolean))?;
    // Two that look at the same time find the same.
    Ok(upcalls.get_or_init(|| Upcalls { file_channel, socket_channel, report, test }))
}

impl Upcalls {
    /// `Native.report`, whose arguments these must be.
    pub fn report<'local>(&self, env: &mut Env<'local>, arguments: &[jvalue; 10]) -> Result<JObject<'local>> {
        // SAFETY: the id is of a static method of this class; the caller gives the ten arguments of its signature, above.
        let report = unsafe { env.call_static_method_unchecked(native(), self.report, ReturnType::Object, arguments) };
        report?.into_object()
    }

    /// `watch.test(moved)`: whether to stop.
    pub fn test(&self, env: &mut Env<'_>, watch: &JObject<'_>, moved: u64) -> Result<bool> {
        let arguments = [jvalue { j: moved as i64 }];
        // SAFETY: every native method that takes a watch declares it as a `LongPredicate`, and passes no null.
        let stop = unsafe {
            env.call_method_unchecked(watch, self.test, ReturnType::Primitive(Primitive::Boolean), &arguments)
        };
        stop?.into_bool()
    }
}
