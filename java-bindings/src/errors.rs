//! From a Rust error to the Java exception: the only place that knows the classes.
//!
//! NIO's own exception is thrown where NIO has one. What NIO's classes cannot carry decides the rest: as soon as bytes were
//! delivered, or taken out of a stream and not delivered, it is a `TransferException`, which carries both.

use std::any::Any;

use jni::errors::{ErrorPolicy, Result};
use jni::objects::{JObject, JObjectArray, JString, JThrowable, JValue};
use jni::signature::MethodSignature;
use jni::strings::JNIStr;
use jni::{Env, jni_sig, jni_str};
use zcio::ErrorKind;

use crate::packed::packed;
use crate::upcalls::class;

/// Why a native method could not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The core said no.
    Transfer(Trouble),
    /// The core said no to an operation on a region.
    Region(Trouble),
    /// The Java side said stop before the core was asked anything.
    Stopped,
    /// The channel was closed when its descriptor was to be read.
    Closed,
    /// The caller would wait in a selector for a channel that cannot be registered with one.
    Unselectable,
    /// The operating system said no beside any transfer: mostly that there is no descriptor to be had.
    Io(std::io::Error),
    /// JNI itself failed, or a Java method that was called threw: then its exception is pending and stands.
    Jni(jni::errors::Error),
}

const UNSELECTABLE: &str = "a file channel of a FIFO, a socket or a terminal is waited for, and cannot be registered with a selector: \
                            run it in a thread";

/// The core's error with what only the caller of the core knows.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub error: zcio::Error,
    /// The path that the error is about, as the Java side wrote it.
    pub file: Option<String>,
    /// Bytes that were taken out of a stream and could not be delivered.
    pub undelivered: Vec<u8>,
    /// What a transfer had done until then.
    pub report: Option<Box<zcio::Report>>,
}

impl From<zcio::Error> for Failure {
    /// An error of which no more is known than the core says.
    fn from(error: zcio::Error) -> Self {
        Self::Transfer(Trouble::of(error))
    }
}

impl Failure {
    /// An error about the end of that name, if it has one.
    pub fn about(error: zcio::Error, file: Option<String>) -> Self {
        Self::Transfer(Trouble { file, ..Trouble::of(error) })
    }

    /// An operation on a region failed.
    pub fn region(error: zcio::Error) -> Self {
        Self::Region(Trouble { file: None, ..Trouble::of(error) })
    }
}

impl Trouble {
    /// The core's error, the path as the core has it.
    pub fn of(error: zcio::Error) -> Self {
        let file = error.path().map(|path| path.display().to_string());
        Self { error, file, undelivered: Vec::new(), report: None }
    }
}

impl From<jni::errors::Error> for Failure {
    fn from(error: jni::errors::Error) -> Self {
        Self::Jni(error)
    }
}

/// The error policy of every entry point: throws, and returns the type's default (null, 0).
pub(crate) struct Throw;

impl<T: Default> ErrorPolicy<T, Failure> for Throw {
    type Captures<'local: 'method, 'method> = ();

    fn on_error<'local: 'method, 'method>(env: &mut Env<'local>, (): &mut (), failure: Failure) -> Result<T> {
        throw(env, |env| match &failure {
            Failure::Transfer(trouble) => exception(env, trouble),
            Failure::Region(trouble) => region_exception(env, trouble),
            Failure::Stopped => transfer_exception(env, "stopped by the caller", (0, 0), &[], None),
            Failure::Closed => plain(env, jni_str!("java/nio/channels/ClosedChannelException")),
            Failure::Unselectable => with_message(env, jni_str!("java/lang/IllegalArgumentException"), UNSELECTABLE),
            Failure::Io(error) => with_message(env, jni_str!("java/io/IOException"), &error.to_string()),
            Failure::Jni(error) => illegal_state(env, &format!("zcio does not know this Java runtime: {error}")),
        })
    }

    fn on_panic<'local: 'method, 'method>(
        env: &mut Env<'local>,
        (): &mut (),
        payload: Box<dyn Any + Send + 'static>,
    ) -> Result<T> {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given");
        throw(env, |env| illegal_state(env, &format!("a defect in zcio's native code: {text}")))
    }
}

/// Throws what `make` makes, unless a Java exception is already pending: that one is older, and no JNI function may be
/// called over it.
fn throw<'local, T: Default>(
    env: &mut Env<'local>,
    make: impl FnOnce(&mut Env<'local>) -> Result<JThrowable<'local>>,
) -> Result<T> {
    if !env.exception_check() {
        let throwable = make(env)?;
        // `throw` answers that an exception is pending now, which is what was wanted.
        let _ = env.throw(throwable);
    }
    Ok(T::default())
}

/// The one mapping of the core's kinds.
pub(crate) fn exception<'local>(env: &mut Env<'local>, trouble: &Trouble) -> Result<JThrowable<'local>> {
    let Trouble { error, undelivered, report, .. } = trouble;
    let nothing_moved = error.moved() == 0 && undelivered.is_empty();
    let message = error.to_string();
    if nothing_moved && let Some(about) = file_exception(env, trouble) {
        return about;
    }
    match error.kind() {
        ErrorKind::InvalidInput => with_message(env, jni_str!("java/lang/IllegalArgumentException"), &message),
        ErrorKind::Impossible => with_message(env, jni_str!("java/lang/UnsupportedOperationException"), &message),
        ErrorKind::NotReadable => plain(env, jni_str!("java/nio/channels/NonReadableChannelException")),
        ErrorKind::NotWritable => plain(env, jni_str!("java/nio/channels/NonWritableChannelException")),
        ErrorKind::BadDescriptor if nothing_moved => plain(env, jni_str!("java/nio/channels/ClosedChannelException")),
        ErrorKind::NotConnected if nothing_moved => plain(env, jni_str!("java/nio/channels/NotYetConnectedException")),
        // Refused, PeerClosed, StorageFull, and whatever the core learns to tell apart later. Cancelled too: the Java side
        // knows why it asked to stop, and throws NIO's exception for that with this one as its cause.
        _ => {
            let numbers = (error.moved(), error.errno().unwrap_or(0));
            transfer_exception(env, &message, numbers, undelivered, report.as_deref())
        }
    }
}

/// The JDK's exception about a file, if the error is one and tells which.
fn file_exception<'local>(env: &mut Env<'local>, trouble: &Trouble) -> Option<Result<JThrowable<'local>>> {
    let Trouble { error, file, .. } = trouble;
    let other = jni_str!("java/nio/file/FileSystemException");
    // As in the JDK, the first three say with their class alone what is wrong with the file.
    let (class, reason) = match error.kind() {
        ErrorKind::NotFound => (jni_str!("java/nio/file/NoSuchFileException"), None),
        ErrorKind::PermissionDenied => (jni_str!("java/nio/file/AccessDeniedException"), None),
        ErrorKind::AlreadyExists => (jni_str!("java/nio/file/FileAlreadyExistsException"), None),
        ErrorKind::IsDirectory => (other, Some("Is a directory")),
        ErrorKind::Os | ErrorKind::SpecialFile | ErrorKind::SameFile | ErrorKind::Faulted => {
            (other, Some(error.message()))
        }
        _ => return None,
    };
    Some(about_file(env, class, file.as_ref()?, reason))
}

/// The same for regions, whose own troubles are an `IllegalStateException` (closed) and a `RegionException`.
fn region_exception<'local>(env: &mut Env<'local>, trouble: &Trouble) -> Result<JThrowable<'local>> {
    let error = &trouble.error;
    // No memory, or no mapping, left is nothing about the file: the Java side collects garbage and asks again.
    let about = if error.errno() == Some(nix::libc::ENOMEM) { None } else { file_exception(env, trouble) };
    if let Some(about) = about {
        return about;
    }
    match error.kind() {
        ErrorKind::Closed => illegal_state(env, error.message()),
        // Busy is no fault of an argument's: the same call is right a moment later.
        ErrorKind::InvalidInput if error.errno() != Some(nix::libc::EBUSY) => exception(env, trouble),
        ErrorKind::NotReadable | ErrorKind::NotWritable => exception(env, trouble),
        _ => {
            let message = env.new_string(error.to_string())?;
            let signature = jni_sig!((java.lang.String, int) -> java.lang.Throwable);
            made(
                env,
                jni_str!("regionException"),
                signature,
                &[JValue::Object(&message), JValue::Int(error.errno().unwrap_or(0))],
            )
        }
    }
}

/// `new X()`
fn plain<'local>(env: &mut Env<'local>, class: &'static JNIStr) -> Result<JThrowable<'local>> {
    let class = env.find_class(class)?;
    let object = env.new_object(&class, jni_sig!(() -> void), &[])?;
    env.cast_local::<JThrowable>(object)
}

/// `new X(message)`
fn with_message<'local>(env: &mut Env<'local>, class: &'static JNIStr, message: &str) -> Result<JThrowable<'local>> {
    let class = env.find_class(class)?;
    let message = env.new_string(message)?;
    let object = env.new_object(&class, jni_sig!((java.lang.String) -> void), &[JValue::Object(&message)])?;
    env.cast_local::<JThrowable>(object)
}

/// `new X(file, null, reason)`, where X is a `FileSystemException`.
fn about_file<'local>(
    env: &mut Env<'local>,
    class: &'static JNIStr,
    file: &str,
    reason: Option<&str>,
) -> Result<JThrowable<'local>> {
    let class = env.find_class(class)?;
    let file = env.new_string(file)?;
    let other = JString::null();
    let reason = reason.map_or(Ok(JString::null()), |reason| env.new_string(reason))?;
    let object = env.new_object(
        &class,
        jni_sig!((java.lang.String, java.lang.String, java.lang.String) -> void),
        &[JValue::Object(&file), JValue::Object(&other), JValue::Object(&reason)],
    )?;
    env.cast_local::<JThrowable>(object)
}

/// `Upcalls.transferException(message, moved, errno, undelivered, report)`, an errno of 0 and a report of null standing for none.
fn transfer_exception<'local>(
    env: &mut Env<'local>,
    message: &str,
    (moved, errno): (u64, i32),
    undelivered: &[u8],
    report: Option<&zcio::Report>,
) -> Result<JThrowable<'local>> {
    let message = env.new_string(message)?;
    let undelivered = env.byte_array_from_slice(undelivered)?;
    let report = report.map_or_else(|| Ok(JObjectArray::<JObject>::null()), |report| packed(env, report))?;
    let signature = jni_sig!((java.lang.String, long, int, [byte], [java.lang.Object]) -> java.lang.Throwable);
    let arguments = [
        JValue::Object(&message),
        JValue::Long(moved as i64),
        JValue::Int(errno),
        JValue::Object(&undelivered),
        JValue::Object(&report),
    ];
    made(env, jni_str!("transferException"), signature, &arguments)
}

/// What a static method of `io.zcio.Upcalls` makes.
fn made<'local, 'signature>(
    env: &mut Env<'local>,
    method: &'static JNIStr,
    signature: impl AsRef<MethodSignature<'signature, 'signature>>,
    arguments: &[JValue<'_>],
) -> Result<JThrowable<'local>> {
    let object = env.call_static_method(class(), method, signature, arguments)?.into_object()?;
    env.cast_local::<JThrowable>(object)
}

/// What is nobody's mistake but zcio's own.
fn illegal_state<'local>(env: &mut Env<'local>, message: &str) -> Result<JThrowable<'local>> {
    with_message(env, jni_str!("java/lang/IllegalStateException"), message)
}
