//! From a Java object to a descriptor that stays what it is for as long as the transfer uses it.
//!
//! A number read out of a channel is worth nothing by itself: another thread may close the channel, and the kernel gives
//! the number to the next file that is opened. So a file's descriptor is used only while the thread is registered with the
//! channel (`io.zcio.CloseProtocol`), and a socket's or pipe's is duplicated: first the number is read, then it is
//! duplicated, and only then is the channel asked whether it is still open. If it is, the number was its own when it was
//! duplicated, because a channel says that it is closed before it closes its descriptor.
//!
//! The fields and methods are the JDK's own (`sun.nio.ch`); JNI is not bound by the encapsulation of modules.

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use jni::Env;
use jni::objects::{JByteArray, JObject};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::{Mode, SFlag, fstat, stat};
use zcio::{Endpoint, ErrorKind, NonBlockingGuard};

use crate::errors::Failure;
use crate::jdk_channels;
use crate::upcalls::upcalls;

/// Whose thread it is that will wait: decides how an end is kept from sleeping in a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// A platform thread's, in poll(2). A socket in blocking mode stays so (see [`crate::send_timeout`]).
    InPoll,
    /// A virtual thread's, parked: no end may ever sleep, and a socket is switched to non-blocking mode and left there, as
    /// the JDK's own operations on a virtual thread do.
    Parked,
    /// The caller's, in a selector: the channels are in non-blocking mode already.
    InSelector,
}

impl Waiting {
    /// As the Java side numbers them.
    pub fn of(number: i32) -> Self {
        match number {
            0 => Self::InPoll,
            1 => Self::Parked,
            _ => Self::InSelector,
        }
    }
}

/// One end as the Java side gives it: `io.zcio.End`'s fields.
pub(crate) struct Given<'a, 'local> {
    pub object: &'a JObject<'local>,
    /// A path's bytes, or null.
    pub path: &'a JByteArray<'local>,
    /// Memory: where it begins and how long it is; a length of -1 for what is no memory.
    pub memory: (i64, i64),
}

/// An end whose descriptor is known.
#[derive(Debug)]
pub(crate) enum Descriptor {
    /// A path, to be opened by the core.
    Path(PathBuf),
    /// A `FileChannel`'s own, valid only while a thread is registered with it.
    Registered(BorrowedFd<'static>),
    /// A duplicate of a socket's or pipe's.
    Duplicate(OwnedFd),
    /// Memory that the Java side keeps where it is, by its address and length: others may write to it meanwhile.
    Memory(*const u8, usize),
}

/// An endpoint for the core, and whether it is a FIFO that nobody may have opened for writing yet.
pub(crate) struct Opened {
    pub endpoint: Endpoint<'static>,
    pub fifo: bool,
}

impl From<Endpoint<'static>> for Opened {
    fn from(endpoint: Endpoint<'static>) -> Self {
        Self { endpoint, fifo: false }
    }
}

impl Descriptor {
    /// The descriptor behind an end.
    pub fn of(env: &mut Env<'_>, given: &Given<'_, '_>, waiting: Waiting) -> Result<Self, Failure> {
        if !given.path.is_null() {
            let bytes = env.convert_byte_array(given.path)?;
            return Ok(Self::Path(PathBuf::from(OsString::from_vec(bytes))));
        }
        if given.memory.1 >= 0 {
            return Ok(Self::Memory(given.memory.0 as *const u8, given.memory.1 as usize));
        }
        let classes = upcalls(env)?;
        if env.is_instance_of(given.object, &classes.file_channel)? {
            return registered(env, given.object);
        }
        let duplicate = duplicate(env, given.object)?;
        let socket = env.is_instance_of(given.object, &classes.socket_channel)?;
        Ok(Self::Duplicate(if socket { keep_awake(duplicate, waiting) } else { pipe_of_our_own(duplicate, waiting) }))
    }

    /// The descriptor behind a channel, for a platform thread.
    pub fn of_channel(env: &mut Env<'_>, channel: &JObject<'_>) -> Result<Self, Failure> {
        Self::of(env, &Given { object: channel, path: &JByteArray::null(), memory: (0, -1) }, Waiting::InPoll)
    }

    /// As a source.
    pub fn source(self) -> zcio::error::Result<Opened> {
        match self {
            Self::Path(path) if is_fifo(&path) => {
                // Reading a FIFO that nobody has opened for writing looks like its end, so it must be asked first.
                let opened = open(&path, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::empty());
                match opened {
                    Ok(fd) => Ok(Opened { endpoint: Endpoint::owning(fd)?, fifo: true }),
                    // The core says what is wrong with it; permission, most likely.
                    Err(_) => Endpoint::open(path).map(Opened::from),
                }
            }
            Self::Path(path) => Endpoint::open(path).map(Opened::from),
            other => other.endpoint().map(Opened::from),
        }
    }

    /// As a sink; `None` for a FIFO that nobody reads yet.
    pub fn sink(self) -> zcio::error::Result<Option<Endpoint<'static>>> {
        match self {
            Self::Path(path) if is_fifo(&path) => {
                match open(&path, OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::empty()) {
                    Ok(fd) => Endpoint::owning(fd).map(Some),
                    Err(Errno::ENXIO) => Ok(None),
                    Err(_) => Endpoint::create(path).map(Some),
                }
            }
            Self::Path(path) => match Endpoint::create(path) {
                // Something else that waits to be opened (a FIFO that has just taken the file's place).
                Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
                created => created.map(Some),
            },
            other => other.endpoint().map(Some),
        }
    }

    #[allow(unsafe_code)]
    fn endpoint(self) -> zcio::error::Result<Endpoint<'static>> {
        match self {
            Self::Path(path) => Endpoint::open(path),
            Self::Registered(fd) => Endpoint::new(fd),
            Self::Duplicate(fd) => Endpoint::owning(fd),
            // SAFETY: the Java side gives the address and length of memory that it keeps where it is until the transfer is
            // freed (a direct buffer, a mapped region).
            Self::Memory(start, length) => Ok(unsafe { Endpoint::lent(start, length) }),
        }
    }
}

/// A FIFO is opened without waiting for its other end: the wait would be inside open(2), where no interrupt reaches it.
fn is_fifo(path: &PathBuf) -> bool {
    stat(path).is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFIFO)
}

/// A stream for a thread that must not sleep in a system call.
fn keep_awake(stream: OwnedFd, waiting: Waiting) -> OwnedFd {
    if waiting == Waiting::Parked
        && let Ok(unblocked) = NonBlockingGuard::new(stream.as_fd())
    {
        unblocked.for_good();
    }
    stream
}

/// A pipe's end gets an open file description of its own, in non-blocking mode: a call on it would otherwise hold the
/// thread where no interrupt reaches it, and `O_NONBLOCK` on the duplicate would change the channel's.
///
/// Where that is not possible (no /proc, or one that shows something else there; a pipe of another user) the duplicate is used
/// as it is by a platform thread, and switched for a virtual one, which must not hold its carrier; the JDK's pipe channels cope
/// with that.
fn pipe_of_our_own(duplicate: OwnedFd, waiting: Waiting) -> OwnedFd {
    let flags = fcntl(&duplicate, FcntlArg::F_GETFL).map_or(OFlag::empty(), OFlag::from_bits_retain);
    // What a platform thread reads from is asked by poll(2) first, and gives what is there.
    let read_in_poll = waiting == Waiting::InPoll && flags & OFlag::O_ACCMODE == OFlag::O_RDONLY;
    if waiting == Waiting::InSelector || read_in_poll || flags.contains(OFlag::O_NONBLOCK) {
        return duplicate;
    }
    // This thread's own table, should it be another one than the process's first thread has.
    let path = format!("/proc/thread-self/fd/{}", duplicate.as_raw_fd());
    let access = (flags & OFlag::O_ACCMODE) | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    match open(path.as_str(), access, Mode::empty()) {
        Ok(own) if is_same(&own, &duplicate) => own,
        _ => keep_awake(duplicate, waiting),
    }
}

/// Whether both are descriptors of the same pipe.
fn is_same(one: &OwnedFd, other: &OwnedFd) -> bool {
    let identity = |fd| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

/// `sun.nio.ch.FileChannelImpl.fd` → `java.io.FileDescriptor.fd`
#[allow(unsafe_code)]
pub(crate) fn registered(env: &mut Env<'_>, channel: &JObject<'_>) -> Result<Descriptor, Failure> {
    let number = jdk_channels::number(env, channel)?;
    if number < 0 {
        return Err(Failure::Closed);
    }
    // SAFETY: the thread is registered with the channel before this call and before each one that moves bytes later, and
    // leaves it after, so the channel does not close the descriptor while it is used.
    Ok(Descriptor::Registered(unsafe { BorrowedFd::borrow_raw(number) }))
}

/// `sun.nio.ch.SelChImpl.getFDVal()`, duplicated with `F_DUPFD_CLOEXEC`.
#[allow(unsafe_code)]
pub(crate) fn duplicate(env: &mut Env<'_>, channel: &JObject<'_>) -> Result<OwnedFd, Failure> {
    let number = jdk_channels::stream_number(env, channel)?;
    if number < 0 {
        return Err(Failure::Closed);
    }
    // SAFETY: the number is borrowed for this one call. Should it have been closed by now, or be another file's, then the
    // call fails, or the question below is answered with no and the duplicate is dropped unused.
    let duplicate = unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned();
    if !jdk_channels::is_open(env, channel)? {
        return Err(Failure::Closed);
    }
    duplicate.map_err(Failure::Descriptor)
}
