//! Native objects that Java objects own: boxed, and named by their address in a Java `long`.
//!
//! The Java side answers for three things, and nothing here can check them. A handle is only what [`give`] made, of the same
//! type. It is taken back once, by a `Cleaner`, after the object that owned it has become unreachable. And while a native
//! method uses it, that object is reachable (`Reference.reachabilityFence`). So no handle is ever used after it was taken
//! back, however threads race: closing is an operation on the object, not its end.
#![allow(unsafe_code)]

use jni::sys::jlong;

/// Boxes an object; Java owns it from now on.
pub(crate) fn give<T: Send + Sync>(object: T) -> jlong {
    Box::into_raw(Box::new(object)) as jlong
}

/// The object, for the time of a native call.
pub(crate) fn borrow<'call, T: Send + Sync>(handle: jlong) -> &'call T {
    // SAFETY: see the module's introduction.
    unsafe { &*(handle as *const T) }
}

/// Takes the object back and drops it.
pub(crate) fn take<T: Send + Sync>(handle: jlong) {
    // SAFETY: see the module's introduction.
    drop(unsafe { Box::from_raw(handle as *mut T) });
}
