//! What `io.zcio.ZeroCopyFileChannel` needs beside a transfer that runs to its end: a move of what fits into ends that are
//! not waited for, one bare sendfile(2), the page cache, and the lookup with which the Java side can speak the JDK's close
//! protocol itself.
//!
//! The Java side has registered the thread with every file channel that it names here (`Native.enter`, or the same in
//! `io.zcio.CloseProtocol`).

use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;

use jni::objects::{JClass, JObject};
use jni::sys::{jint, jlong};
use jni::{Env, EnvUnowned, jni_sig, jni_str};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::sendfile::sendfile64;
use zcio::{Endpoint, Step};

use crate::descriptors::{Descriptor, duplicate, is_open, registered};
use crate::errors::{Failure, Throw, Trouble};

/// `static native MethodHandles.Lookup trustedLookup()`: `MethodHandles.Lookup.IMPL_LOOKUP`, or null.
#[allow(unsafe_code)] // An exported name: the JVM finds a native method by nothing else.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_ChannelNative_trustedLookup<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
) -> JObject<'local> {
    env.with_env(|env| -> Result<_, Failure> {
        let lookup = env
            .get_static_field(
                jni_str!("java/lang/invoke/MethodHandles$Lookup"),
                jni_str!("IMPL_LOOKUP"),
                jni_sig!(java.lang.invoke.MethodHandles::Lookup),
            )
            .and_then(jni::JValueOwned::into_object);
        lookup.or_else(|_| {
            env.exception_clear();
            Ok(JObject::null())
        })
    })
    .resolve::<Throw>()
}

/// `static native int flags(FileChannel file)`: fcntl(2), `F_GETFL`.
#[allow(unsafe_code)] // An exported name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_ChannelNative_flags<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    file: JObject<'local>,
) -> jint {
    env.with_env(|env| {
        fcntl(self::file(env, &file)?, FcntlArg::F_GETFL).map_err(|errno| Failure::Duplicate(errno.into()))
    })
    .resolve::<Throw>()
}

/// `static native long sendfile(int source, int sink, long offset, long count)`: the bytes moved, or the negative error
/// number. Nothing is asked of the JVM, so that the call costs little more than the kernel's part of it.
#[allow(unsafe_code)] // An exported name, and two descriptors of the caller's.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_ChannelNative_sendfile<'local>(
    _env: EnvUnowned<'local>,
    _class: JClass<'local>,
    source: jint,
    sink: jint,
    offset: jlong,
    count: jlong,
) -> jlong {
    if source < 0 || sink < 0 {
        return -jlong::from(nix::libc::EBADF);
    }
    // SAFETY: the thread is registered with both channels, which keep their descriptors open until it has left, and both
    // numbers were read after that.
    let (source, sink) = unsafe { (BorrowedFd::borrow_raw(source), BorrowedFd::borrow_raw(sink)) };
    let mut offset = offset;
    match sendfile64(sink, source, Some(&mut offset), usize::try_from(count).unwrap_or(0)) {
        Ok(moved) => moved as jlong,
        Err(errno) => -(errno as jlong),
    }
}

/// `static native long moveWhatFits(Object source, Object sink, long offset, long sinkOffset, long count)`: steps until the
/// count is reached, the source ends, or an end is not ready.
#[allow(unsafe_code)] // An exported name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_ChannelNative_moveWhatFits<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    source: JObject<'local>,
    sink: JObject<'local>,
    offset: jlong,
    sink_offset: jlong,
    count: jlong,
) -> jlong {
    env.with_env(|env| {
        let (from, to) = (end(env, &source)?, end(env, &sink)?);
        let mut transfer = zcio::Transfer::new(from, to).count(count.unsigned_abs());
        if let Ok(offset) = u64::try_from(offset) {
            transfer = transfer.offset(offset);
        }
        if let Ok(offset) = u64::try_from(sink_offset) {
            transfer = transfer.sink_offset(offset);
        }
        move_what_fits(env, &mut transfer, [&source, &sink])
    })
    .resolve::<Throw>()
}

/// A file channel's own descriptor, or a duplicate of a stream's.
fn end<'fd>(env: &mut Env<'_>, channel: &'fd JObject<'_>) -> Result<Endpoint<'fd>, Failure> {
    let endpoint = if env.is_instance_of(channel, jni_str!("java/nio/channels/FileChannel"))? {
        Endpoint::new(file(env, channel)?)
    } else {
        Endpoint::owning(duplicate(env, channel)?)
    };
    endpoint.map_err(|error| trouble(error, Vec::new()))
}

fn file<'fd>(env: &mut Env<'_>, channel: &'fd JObject<'_>) -> Result<BorrowedFd<'fd>, Failure> {
    match registered(env, channel)? {
        Descriptor::Registered(fd) => Ok(fd),
        _ => Err(Failure::Closed),
    }
}

fn move_what_fits(
    env: &mut Env<'_>,
    transfer: &mut zcio::Transfer<'_>,
    channels: [&JObject<'_>; 2],
) -> Result<jlong, Failure> {
    let mut moved = 0;
    loop {
        match transfer.step() {
            Ok(Step::Moved(count)) => moved += count,
            Ok(Step::Done | Step::Blocked(_) | Step::Completing) => return Ok(moved as jlong),
            Err(error) => {
                let undelivered = transfer.take_undelivered().unwrap_or_default();
                return Err(trouble(error, undelivered));
            }
        }
        if is_to_stop(env, channels)?.is_break() {
            return Ok(moved as jlong);
        }
    }
}

/// Between two steps: a close by another thread waits for this one.
fn is_to_stop(env: &mut Env<'_>, channels: [&JObject<'_>; 2]) -> Result<ControlFlow<()>, Failure> {
    for channel in channels {
        if !is_open(env, channel)? {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// `static native void prefetch(FileChannel file, long offset, long length)`
#[allow(unsafe_code)] // An exported name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_ChannelNative_prefetch<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    file: JObject<'local>,
    offset: jlong,
    length: jlong,
) {
    env.with_env(|env| {
        on_range(env, &file, offset, length, |fd, offset, length| zcio::page_cache::prefetch(fd, offset, length))
    })
    .resolve::<Throw>();
}

/// `static native void evict(FileChannel file, long offset, long length)`
#[allow(unsafe_code)] // An exported name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_ChannelNative_evict<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    file: JObject<'local>,
    offset: jlong,
    length: jlong,
) {
    env.with_env(|env| {
        on_range(env, &file, offset, length, |fd, offset, length| zcio::page_cache::evict(fd, offset, length))
    })
    .resolve::<Throw>();
}

/// Calls the core with the channel's descriptor and a range.
fn on_range<T>(
    env: &mut Env<'_>,
    file: &JObject<'_>,
    offset: jlong,
    length: jlong,
    call: impl FnOnce(BorrowedFd<'_>, u64, u64) -> zcio::Result<T>,
) -> Result<T, Failure> {
    let fd = self::file(env, file)?;
    call(fd, offset.unsigned_abs(), length.unsigned_abs()).map_err(|error| trouble(error, Vec::new()))
}

fn trouble(error: zcio::Error, undelivered: Vec<u8>) -> Failure {
    Failure::Transfer(Trouble { error, file: None, undelivered })
}
