//! How the JVM comes to know the native methods: they are registered, not found by exported names.
//!
//! A build tool that moves the package (maven-shade's relocation) renames the classes, and a symbol `Java_io_zcio_…` would fit
//! none of them. So no full name of a class of ours is written down in this crate: the class that loads the library says by its
//! own name what the package is called, and types of ours appear in no signature, here or in the other direction
//! ([`crate::upcalls`]). Each class with native methods is handed over before one of them is called.
//!
//! A library belongs to one class loader and is unloaded when that is collected. Nothing here may keep it from being collected,
//! as a global reference to a class or object of ours would, which leads to its loader. Should something of the core's outlive the
//! loader (a signal handler, a thread), the library stays in the process without it.

use std::ffi::c_void;

use jni::errors::{Error, ErrorPolicy};
use jni::objects::{JClass, JObjectArray, JStackTraceElement, JString, JThrowable};
use jni::strings::JNIString;
use jni::sys::{JNI_ERR, JNI_VERSION_1_8, jint};
use jni::{Env, JavaVM, NativeMethod, jni_sig, jni_str};

use crate::errors::{Failure, Throw};
use crate::upcalls;

/// A static native method: its name and types as in Java, bound to the function of that name, whose failures and panics are
/// thrown.
macro_rules! native {
    (raw $($method:tt)*) => { jni::native_method! { static raw $($method)* } };
    ($($method:tt)*) => {{
        use $crate::errors::Throw as Policy;
        jni::native_method! { static $($method)*, error_policy = Policy }
    }};
}
pub(crate) use native;

/// Those of the class that loads the library.
#[allow(unsafe_code)] // The macro's.
const FIRST: &[NativeMethod] = &[
    native!(fn version() -> java.lang.String),
    native!(fn register(class: java.lang.Class, name: java.lang.String) -> void),
];

/// The methods of a class, by its name without the package.
fn methods(class: &str) -> &'static [NativeMethod<'static>] {
    match class {
        "Native" => crate::METHODS,
        "Internals" => crate::internals::METHODS,
        "ChannelNative" => crate::channel::METHODS,
        "NativeBatch" => crate::batch::METHODS,
        "NativeCommand" => crate::command::METHODS,
        "NativeCopy" => crate::copy::METHODS,
        "NativeFanOut" => crate::fanout::METHODS,
        "NativePoller" => crate::poller::METHODS,
        "NativeReads" => crate::reads::METHODS,
        "NativeRegion" => crate::region::METHODS,
        "NativeRelay" => crate::relay::METHODS,
        "NativeRunning" => crate::running::METHODS,
        "NativeShared" => crate::shared_region::METHODS,
        "NativeTransfer" => crate::transfer::METHODS,
        _ => unreachable!("no class with native methods: {class}"),
    }
}

/// Called by the JVM inside `System.load`, in the name of the class that called that.
#[allow(unsafe_code)] // An exported name.
#[unsafe(no_mangle)]
pub extern "system" fn JNI_OnLoad(vm: *mut jni::sys::JavaVM, _reserved: *mut c_void) -> jint {
    // SAFETY: the JVM's own pointer.
    let vm = unsafe { JavaVM::from_raw(vm) };
    let begun = vm.with_top_local_frame(|env| match begin(env) {
        Ok(()) => Ok(true),
        Err(failure) => <Throw as ErrorPolicy<bool, Failure>>::on_error(env, &mut (), failure),
    });
    if begun.unwrap_or(false) { JNI_VERSION_1_8 } else { JNI_ERR }
}

/// Called by the JVM when the class loader has been collected: no method of the library's classes runs any more, or ever will.
#[allow(unsafe_code)] // An exported name.
#[unsafe(no_mangle)]
pub extern "system" fn JNI_OnUnload(_vm: *mut jni::sys::JavaVM, _reserved: *mut c_void) {
    upcalls::end();
}

#[allow(unsafe_code)]
fn begin(env: &mut Env<'_>) -> Result<(), Failure> {
    let name = JNIString::from(caller(env)?.replace('.', "/"));
    // By that class's own loader, as the JVM sees to.
    let class = env.find_class(&name)?;
    // SAFETY: they are static methods.
    Ok(unsafe { env.register_native_methods(&class, FIRST) }?)
}

/// The name of the class that called `System.load`: of the first frame below that method's.
fn caller(env: &mut Env<'_>) -> Result<String, Error> {
    let throwable = env.find_class(jni_str!("java/lang/Throwable"))?;
    let here = env.new_object(&throwable, jni_sig!(() -> void), &[])?;
    let trace: JObjectArray<JStackTraceElement> = env.cast_local::<JThrowable>(here)?.get_stack_trace(env)?;
    let mut inside = false;
    for index in 0..trace.len(env)? {
        let class = trace.get_element(env, index)?.get_class_name(env)?.try_to_string(env)?;
        if inside && class != "java.lang.System" {
            return Ok(class);
        }
        inside |= class == "java.lang.System";
    }
    // A JVM that keeps no stack traces.
    Ok("io.zcio.NativeLibrary".into())
}

/// The version of this library.
fn version<'local>(env: &mut Env<'local>, _class: JClass<'local>) -> Result<JString<'local>, Failure> {
    Ok(env.new_string(env!("CARGO_PKG_VERSION"))?)
}

/// Binds the native methods of a class. `Native` comes first.
#[allow(unsafe_code)]
fn register<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    class: JClass<'local>,
    name: JString<'local>,
) -> Result<(), Failure> {
    let name = name.try_to_string(env)?;
    if name == "Native" {
        upcalls::begin(env, &class)?;
    }
    // SAFETY: they are static methods.
    Ok(unsafe { env.register_native_methods(&class, methods(&name)) }?)
}
