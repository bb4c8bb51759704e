//! What `io.zcio.ZeroCopyFileChannel` needs beside a transfer: one bare system call, the page cache, and the lookup with
//! which the Java side can speak the JDK's close protocol itself.
//!
//! The Java side has registered the thread with every file channel that it names here (`Native.enter`, or the same in
//! `io.zcio.CloseProtocol`).

use std::os::fd::BorrowedFd;

use jni::objects::{JClass, JObject};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, EnvUnowned, jni_sig, jni_str};
use nix::fcntl::{FcntlArg, copy_file_range, fcntl};
use nix::sys::sendfile::sendfile64;
use nix::sys::stat::{SFlag, fstat};

use crate::descriptors::{Descriptor, registered};
use crate::errors::{Failure, Throw};

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
        fcntl(self::file(env, &file)?, FcntlArg::F_GETFL).map_err(|errno| Failure::Descriptor(errno.into()))
    })
    .resolve::<Throw>()
}

/// `static native long send(int call, int source, int sink, long offset, long count) throws TransferException`: one
/// sendfile(2) or `copy_file_range(2)`; the bytes moved, or the negative error number of what another call may do. Nothing is
/// asked of the JVM unless it fails, so that the call costs little more than the kernel's part of it.
#[allow(unsafe_code)] // An exported name, and two descriptors of the caller's.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_ChannelNative_send<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    call: jint,
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
    let (mut offset, count) = (offset, usize::try_from(count).unwrap_or(0));
    let (name, moved) = match call {
        0 => ("sendfile", sendfile64(sink, source, Some(&mut offset), count)),
        _ => ("copy_file_range", copy_file_range(source, Some(&mut offset), sink, None, count)),
    };
    match moved {
        Ok(moved) => moved as jlong,
        Err(errno) => match zcio::Error::of_an_end(name, &errno.into()) {
            None => -(errno as jlong),
            Some(error) => env.with_env(|_| Err(Failure::from(error))).resolve::<Throw>(),
        },
    }
}

/// `static native boolean isPipe(int descriptor)`
#[allow(unsafe_code)] // An exported name, and a descriptor of the caller's.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_ChannelNative_isPipe<'local>(
    _env: EnvUnowned<'local>,
    _class: JClass<'local>,
    descriptor: jint,
) -> jboolean {
    if descriptor < 0 {
        return false;
    }
    // SAFETY: as in `send`.
    let stat = fstat(unsafe { BorrowedFd::borrow_raw(descriptor) });
    stat.is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFIFO)
}

fn file<'fd>(env: &mut Env<'_>, channel: &'fd JObject<'_>) -> Result<BorrowedFd<'fd>, Failure> {
    match registered(env, channel)? {
        Descriptor::Registered(fd) => Ok(fd),
        _ => Err(Failure::Closed),
    }
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
    call: impl FnOnce(BorrowedFd<'_>, u64, u64) -> zcio::error::Result<T>,
) -> Result<T, Failure> {
    let fd = self::file(env, file)?;
    Ok(call(fd, offset.unsigned_abs(), length.unsigned_abs())?)
}
