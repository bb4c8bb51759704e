//! What the native code asks of Java in every transfer, by classes and ids that are looked up once: by name each would cost
//! as much as the rest of a small transfer does.
//!
//! One class of ours is known here, `Upcalls`, and by a weak reference, so that it can be collected with its loader. It cannot
//! while one of its own loader's native methods runs, so the reference and the ids are good wherever they are used. The exceptions
//! of ours are made by its static methods, whose types are the JDK's, so that moving the package changes none (see
//! [`crate::natives`]); reports are made on the Java side ([`crate::packed`]). A class of the JDK's is found as a class file
//! beside `Upcalls` would find it, not by the thread's context loader, which belongs to somebody else.
#![allow(unsafe_code)]

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use jni::errors::Result;
use jni::ids::JMethodID;
use jni::objects::JClass;
use jni::refs::Weak;
use jni::signature::{Primitive, ReturnType};
use jni::sys::jvalue;
use jni::{Env, jni_sig, jni_str};

use crate::natives::LongPredicate;

/// Of the one class loader that this library belongs to.
struct Loaded {
    class: Weak<JClass<'static>>,
    /// `boolean LongPredicate.test(long)`, looked up by whoever is first.
    test: OnceLock<JMethodID>,
}

static LOADED: AtomicPtr<Loaded> = AtomicPtr::new(ptr::null_mut());

/// Before any other native method is called.
pub(crate) fn begin(env: &mut Env<'_>, class: &JClass<'_>) -> Result<()> {
    let loaded = Loaded { class: env.new_weak_ref(class)?, test: OnceLock::new() };
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

fn loaded() -> &'static Loaded {
    // SAFETY: set by `begin` before there is any other native method, and taken out when there is none any more.
    unsafe { &*LOADED.load(Ordering::Acquire) }
}

/// The class `Upcalls`.
pub(crate) fn class() -> &'static JClass<'static> {
    &loaded().class
}

/// `watch.test(moved)`: whether to stop.
pub(crate) fn look(env: &mut Env<'_>, watch: &LongPredicate<'_>, moved: u64) -> Result<bool> {
    let test = if let Some(test) = loaded().test.get() {
        *test
    } else {
        let predicate = env.find_class(jni_str!("java/util/function/LongPredicate"))?;
        let test = env.get_method_id(&predicate, jni_str!("test"), jni_sig!((long) -> boolean))?;
        // Two that look it up at the same time find the same.
        *loaded().test.get_or_init(|| test)
    };
    let arguments = [jvalue { j: moved as i64 }];
    // SAFETY: every native method that takes a watch declares it as a `LongPredicate`, and passes no null.
    let stop = unsafe { env.call_method_unchecked(watch, test, ReturnType::Primitive(Primitive::Boolean), &arguments) };
    stop?.into_bool()
}
