//! What `io.zcio.ZeroCopyFileChannel` needs beside a transfer: one bare system call, and the page cache.
//!
//! The Java side has registered the thread with every file channel that it names here (`io.zcio.CloseProtocol`).

use std::os::fd::BorrowedFd;

use jni::objects::{JClass, JObject};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, EnvUnowned, NativeMethod};
use nix::fcntl::{FcntlArg, copy_file_range, fcntl};
use nix::sys::sendfile::sendfile64;
use nix::sys::stat::{SFlag, fstat};

use crate::descriptors::{Descriptor, registered};
use crate::errors::{Failure, Throw};
use crate::natives::native;

/// `static native int flags(FileChannel file)`: fcntl(2), `F_GETFL`.
fn flags<'local>(env: &mut Env<'local>, _class: JClass<'local>, file: JObject<'local>) -> Result<jint, Failure> {
    fcntl(self::file(env, &file)?, FcntlArg::F_GETFL).map_err(|errno| Failure::Descriptor(errno.into()))
}

/// `static native long send(int call, int source, int sink, long offset, long count) throws TransferException`: one
/// sendfile(2) or `copy_file_range(2)`; the bytes moved, or the negative error number of what another call may do. Nothing is
/// asked of the JVM unless it fails, so that the call costs little more than the kernel's part of it.
#[allow(unsafe_code)]
fn send<'local>(
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

#[allow(unsafe_code)]
fn is_pipe<'local>(_env: EnvUnowned<'local>, _class: JClass<'local>, descriptor: jint) -> jboolean {
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

fn prefetch<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    file: JObject<'local>,
    offset: jlong,
    length: jlong,
) -> Result<(), Failure> {
    on_range(env, &file, offset, length, |fd, offset, length| zcio::page_cache::prefetch(fd, offset, length))
}

fn evict<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    file: JObject<'local>,
    offset: jlong,
    length: jlong,
) -> Result<(), Failure> {
    on_range(env, &file, offset, length, |fd, offset, length| zcio::page_cache::evict(fd, offset, length))
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

/// What `ChannelNative` declares.
#[allow(unsafe_code)] // The macro's.
pub(crate) const METHODS: &[NativeMethod] = &[
    native!(fn flags(file: java.nio.channels.FileChannel) -> int),
    native!(raw fn send(call: int, source: int, sink: int, offset: long, count: long) -> long),
    native!(raw fn is_pipe(descriptor: int) -> boolean),
    native!(fn prefetch(file: java.nio.channels.FileChannel, offset: long, length: long) -> void),
    native!(fn evict(file: java.nio.channels.FileChannel, offset: long, length: long) -> void),
];
