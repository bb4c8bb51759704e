//! From a Java object to a descriptor that stays what it is for as long as the transfer uses it.
//!
//! A number read out of a channel is worth nothing by itself: another thread may close the channel, and the kernel gives
//! the number to the next file that is opened. So a file's descriptor is used only while the thread is registered with the
//! channel ([`crate::registration`]), and a socket's or pipe's is duplicated: first the number is read, then it is
//! duplicated, and only then is the channel asked whether it is still open. If it is, the number was its own when it was
//! duplicated, because a channel says that it is closed before it closes its descriptor.
//!
//! The fields and methods are the JDK's own (`sun.nio.ch`); JNI is not bound by the encapsulation of modules.

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use jni::objects::{JByteArray, JObject};
use jni::{Env, jni_sig, jni_str};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use zcio::Endpoint;

use crate::errors::Failure;

/// One end as the Java side gave it.
pub(crate) enum Descriptor<'a> {
    /// A path, to be opened by the core.
    Path(PathBuf),
    /// A `FileChannel`'s own, for as long as the call is registered with it.
    Registered(BorrowedFd<'a>),
    /// A duplicate of a socket's or pipe's, closed when it is dropped.
    Duplicate(OwnedFd),
}

impl<'a> Descriptor<'a> {
    /// The descriptor behind an end: `path` if it is not null, else the channel in `given`.
    pub fn of(env: &mut Env<'_>, given: &'a JObject<'_>, path: &JByteArray<'_>) -> Result<Self, Failure> {
        if !path.is_null() {
            let bytes = env.convert_byte_array(path)?;
            return Ok(Self::Path(PathBuf::from(OsString::from_vec(bytes))));
        }
        if env.is_instance_of(given, jni_str!("java/nio/channels/FileChannel"))? {
            return registered(env, given);
        }
        duplicate(env, given).map(Self::Duplicate)
    }

    pub fn source(&self) -> zcio::Result<Endpoint<'_>> {
        match self {
            Self::Path(path) => Endpoint::open(path),
            Self::Registered(fd) => Endpoint::new(*fd),
            Self::Duplicate(fd) => Endpoint::new(fd.as_fd()),
        }
    }

    pub fn sink(&self) -> zcio::Result<Endpoint<'_>> {
        match self {
            Self::Path(path) => Endpoint::create(path),
            Self::Registered(fd) => Endpoint::new(*fd),
            Self::Duplicate(fd) => Endpoint::new(fd.as_fd()),
        }
    }

    /// The duplicate, if it is one.
    pub fn duplicate(&self) -> Option<&OwnedFd> {
        if let Self::Duplicate(fd) = self { Some(fd) } else { None }
    }

    /// A pipe's writing end gets an open file description of its own, in non-blocking mode: a write to a full pipe would
    /// otherwise hold the thread where no interrupt reaches it, and `O_NONBLOCK` on the duplicate would change the channel's.
    ///
    /// Where that is not possible (no /proc, a pipe of another user) the duplicate is used as it is.
    pub fn never_waiting_in_a_pipe(self) -> Self {
        let Self::Duplicate(fd) = &self else { return self };
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        // A socket cannot be opened (ENXIO), and keeps its duplicate.
        open(path.as_str(), flags, Mode::empty()).map_or(self, Self::Duplicate)
    }
}

/// `sun.nio.ch.FileChannelImpl.fd` → `java.io.FileDescriptor.fd`
#[allow(unsafe_code)]
pub(crate) fn registered<'a>(env: &mut Env<'_>, channel: &'a JObject<'_>) -> Result<Descriptor<'a>, Failure> {
    let holder = env.get_field(channel, jni_str!("fd"), jni_sig!(java.io.FileDescriptor))?.into_object()?;
    let number = env.get_field(&holder, jni_str!("fd"), jni_sig!(int))?.into_int()?;
    if number < 0 {
        return Err(Failure::Closed);
    }
    // SAFETY: Native.enter registered this thread with the channel before this call and Native.leave comes after it, so
    // the channel does not close the descriptor meanwhile.
    Ok(Descriptor::Registered(unsafe { BorrowedFd::borrow_raw(number) }))
}

/// `sun.nio.ch.SelChImpl.getFDVal()`, duplicated with `F_DUPFD_CLOEXEC`.
#[allow(unsafe_code)]
pub(crate) fn duplicate(env: &mut Env<'_>, channel: &JObject<'_>) -> Result<OwnedFd, Failure> {
    let number = env.call_method(channel, jni_str!("getFDVal"), jni_sig!(() -> int), &[])?.into_int()?;
    if number < 0 {
        return Err(Failure::Closed);
    }
    // SAFETY: the number is borrowed for this one call. Should it have been closed by now, or be another file's, then the
    // call fails, or the question below is answered with no and the duplicate is dropped unused.
    let duplicate = unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned();
    if !is_open(env, channel)? {
        return Err(Failure::Closed);
    }
    duplicate.map_err(Failure::Duplicate)
}

/// `Channel.isOpen()`
pub(crate) fn is_open(env: &mut Env<'_>, channel: &JObject<'_>) -> Result<bool, Failure> {
    Ok(env.call_method(channel, jni_str!("isOpen"), jni_sig!(() -> boolean), &[])?.into_bool()?)
}
