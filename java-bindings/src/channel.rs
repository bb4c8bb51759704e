//! What `io.zcio.ZeroCopyFileChannel` needs beside a transfer: one bare system call, and the page cache.
//!
//! The Java side has registered the thread with every file channel that it names here (`io.zcio.CloseProtocol`).

use std::os::fd::BorrowedFd;

use jni::objects::JClass;
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, EnvUnowned};
use nix::fcntl::{FcntlArg, copy_file_range, fcntl};
use nix::sys::sendfile::sendfile64;
use nix::sys::stat::{SFlag, fstat};

use crate::descriptors::registered;
use crate::errors::{Failure, Throw};
use crate::natives::FileChannel;

fn file<'fd>(env: &mut Env<'_>, channel: &'fd FileChannel<'_>) -> Result<BorrowedFd<'fd>, Failure> {
    registered(env, channel)
}

/// Calls the core with the channel's descriptor and a range.
fn on_range<T>(
    env: &mut Env<'_>,
    file: &FileChannel<'_>,
    offset: jlong,
    length: jlong,
    call: impl FnOnce(BorrowedFd<'_>, u64, u64) -> zcio::error::Result<T>,
) -> Result<T, Failure> {
    let fd = self::file(env, file)?;
    Ok(call(fd, offset.unsigned_abs(), length.unsigned_abs())?)
}

/// The part of the bridge that {@link ZeroCopyFileChannel} needs beside {@link Native}. Not an API.
pub(crate) enum NativeChannel {}

#[allow(dead_code)] // Most constants are for Java.
impl NativeChannel {
    /// {@code O_ACCMODE}, {@code O_RDONLY}, {@code O_WRONLY}, {@code O_APPEND}: the same on x86-64 and aarch64.
    pub const ACCESS: jint = 3;
    /// See {@link #ACCESS}.
    pub const READ_ONLY: jint = 0;
    /// See {@link #ACCESS}.
    pub const WRITE_ONLY: jint = 1;
    /// See {@link #ACCESS}.
    pub const APPEND: jint = 0o2000;
    /// One of the two calls of {@link #send}.
    pub const SENDFILE: jint = 0;
    /// The other one.
    pub const COPY_FILE_RANGE: jint = 1;

    /// The flags a file was opened with, as fcntl(2) gives them.
    pub fn flags(env: &mut Env<'_>, file: &FileChannel<'_>) -> Result<jint, Failure> {
        fcntl(self::file(env, file)?, FcntlArg::F_GETFL).map_err(|errno| Failure::Io(errno.into()))
    }

    /// One such call, to the sink's own position: how many bytes it moved, or the negative number of an error that another
    /// call might not have.
    ///
    /// @throws TransferException if the sink has no connection or no room any more
    #[allow(unsafe_code)]
    pub fn send<'local>(
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
            Self::SENDFILE => ("sendfile", sendfile64(sink, source, Some(&mut offset), count)),
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

    /// Whether that is a pipe's end: fstat(2).
    #[allow(unsafe_code)]
    pub fn is_pipe<'local>(_env: EnvUnowned<'local>, _class: JClass<'local>, descriptor: jint) -> jboolean {
        if descriptor < 0 {
            return false;
        }
        // SAFETY: as in `send`.
        let stat = fstat(unsafe { BorrowedFd::borrow_raw(descriptor) });
        stat.is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFIFO)
    }

    /// Begins to read a range into the page cache.
    pub fn prefetch(env: &mut Env<'_>, file: &FileChannel<'_>, offset: jlong, length: jlong) -> Result<(), Failure> {
        on_range(env, file, offset, length, |fd, offset, length| zcio::page_cache::prefetch(fd, offset, length))
    }

    /// Writes a range out and drops it from the page cache.
    pub fn evict(env: &mut Env<'_>, file: &FileChannel<'_>, offset: jlong, length: jlong) -> Result<(), Failure> {
        on_range(env, file, offset, length, |fd, offset, length| zcio::page_cache::evict(fd, offset, length))
    }
}
