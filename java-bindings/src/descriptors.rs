//! From a Java object to a descriptor that stays what it is for as long as the transfer uses it.
//!
//! A number read out of a channel is worth nothing by itself: another thread may close the channel, and the kernel gives
//! the number to the next file that is opened. So a file's descriptor is used only while the thread is registered with the
//! channel (`io.zcio.CloseProtocol`), and a socket's or pipe's is duplicated: first the number is read, then it is
//! duplicated, and only then is the channel asked whether it is still open. If it is, the number was its own when it was
//! duplicated, because a channel says that it is closed before it closes its descriptor.
//!
//! A `FileChannel` may be a stream as well: of a FIFO, a terminal, standard input. That is waited for, and nobody is registered
//! with the channel then, so it is duplicated, too. It has no locks that the duplicate's close could take away.
//!
//! The fields and methods are the JDK's own (`sun.nio.ch`); JNI is not bound by the encapsulation of modules.

use std::ffi::OsString;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use jni::objects::{JByteArray, JObject, JObjectArray, JString};
use jni::{Env, jni_sig, jni_str};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, stat};
use nix::unistd::isatty;
use zcio::{Endpoint, ErrorKind, Kind as EndKind};

use crate::awake::{Waiting, keep_awake, pipe_of_our_own};
use crate::errors::Failure;
use crate::jdk_channels;
use crate::natives::SocketChannel;
use crate::packed::Packed;

/// What an end is, as the Java side says: `io.zcio.End.Kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Path,
    /// A path where nothing may be yet.
    NewPath,
    File,
    Socket,
    Pipe,
    Memory,
    /// A file channel, by the number that it has while it is held.
    Held,
    /// A socket or pipe that this thread is the one writer of, by its number.
    Written(EndKind),
}

/// One end as the Java side gives it: an object, and the numbers that `io.zcio.PackedEnds` packs.
pub(crate) struct Given<'a, 'local> {
    /// A channel; of a path an array, in which are the path and its bytes.
    object: &'a JObject<'local>,
    kind: Kind,
    /// Where memory begins, and how long it is; or a number.
    memory: (i64, i64),
}

impl<'a, 'local> Given<'a, 'local> {
    pub fn new(object: &'a JObject<'local>, numbers: &mut Packed) -> Self {
        let given = Self::of_kind(object, numbers.number());
        Self { memory: (numbers.number(), numbers.number()), ..given }
    }

    /// One that is no memory.
    pub fn of_kind(object: &'a JObject<'local>, kind: i64) -> Self {
        let kind = match kind {
            0 => Kind::Path,
            1 => Kind::File,
            2 => Kind::Socket,
            3 => Kind::Pipe,
            4 => Kind::Memory,
            5 => Kind::Held,
            6 => Kind::Written(EndKind::Tcp),
            7 => Kind::Written(EndKind::UnixStream),
            8 => Kind::Written(EndKind::Pipe),
            _ => Kind::NewPath,
        };
        Self { object, kind, memory: (0, -1) }
    }

    /// Whether it is a socket whose input the caller has shut.
    pub fn is_shut(&self) -> bool {
        self.kind == Kind::Socket && self.memory.1 == 0
    }

    /// The descriptor of a file channel that this thread is registered with.
    pub fn file(&self, env: &mut Env<'_>) -> Result<BorrowedFd<'static>, Failure> {
        if self.kind == Kind::File {
            return registered(env, self.object);
        }
        self.kept(self.kind == Kind::Held).ok_or(Failure::Closed)
    }

    /// The stream that this thread is the one writer of, and what it is.
    pub fn written(&self) -> Option<(BorrowedFd<'static>, EndKind)> {
        let Kind::Written(kind) = self.kind else { return None };
        self.kept(true).map(|fd| (fd, kind))
    }

    #[allow(unsafe_code)]
    fn kept(&self, is: bool) -> Option<BorrowedFd<'static>> {
        let number = RawFd::try_from(self.memory.0).ok().filter(|&number| is && number >= 0)?;
        // SAFETY: the thread is registered with the channel, and the number was read after that: the channel keeps its
        // descriptor open until the thread has left it.
        Some(unsafe { BorrowedFd::borrow_raw(number) })
    }

    /// Memory that the Java side keeps where it is.
    #[allow(unsafe_code)]
    pub fn memory(&self) -> Option<Endpoint<'static>> {
        // SAFETY: as in `Descriptor::endpoint`.
        (self.kind == Kind::Memory).then(|| unsafe { Endpoint::lent(self.memory.0 as *mut u8, self.memory.1 as usize) })
    }

    /// Whether a selector of the caller's can be asked to wait for it: not for a file channel that is a stream.
    pub fn require_selectable(&self, end: &Endpoint<'_>, waiting: Waiting) -> Result<(), Failure> {
        let kind = end.facts().kind;
        let terminal = kind == EndKind::CharDevice && end.descriptor().is_some_and(|fd| isatty(fd).unwrap_or(false));
        let waits = self.kind == Kind::File && (kind.is_stream() || terminal);
        if waits && waiting == Waiting::InSelector { Err(Failure::Unselectable) } else { Ok(()) }
    }

    /// A path as the operating system writes it; `None` for another end.
    pub fn path(&self, env: &mut Env<'local>) -> Result<Option<PathBuf>, Failure> {
        if !self.is_path() {
            return Ok(None);
        }
        let bytes = self.of_path(env, 1)?;
        let bytes = env.convert_byte_array(&*env.as_cast::<JByteArray>(&bytes)?)?;
        Ok(Some(PathBuf::from(OsString::from_vec(bytes))))
    }

    /// A path as the caller wrote it; `None` for another end.
    pub fn name(&self, env: &mut Env<'local>) -> Result<Option<String>, Failure> {
        if !self.is_path() {
            return Ok(None);
        }
        let path = self.of_path(env, 0)?;
        let name = env.call_method(&path, jni_str!("toString"), jni_sig!(() -> java.lang.String), &[])?;
        let name = name.into_object()?;
        Ok(Some(env.cast_local::<JString>(name)?.try_to_string(env)?))
    }

    fn is_path(&self) -> bool {
        matches!(self.kind, Kind::Path | Kind::NewPath)
    }

    fn of_path(&self, env: &mut Env<'local>, index: usize) -> Result<JObject<'local>, Failure> {
        Ok(env.as_cast::<JObjectArray>(self.object)?.get_element(env, index)?)
    }
}

/// An end whose descriptor is known.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // It lives for one call, on the stack.
pub(crate) enum Descriptor {
    /// A path, to be opened by the core.
    Path(PathBuf),
    /// A path where nothing may be yet.
    NewPath(PathBuf),
    /// A channel's own, valid only while a thread is registered with it. A signal ends a call that waits for a stream.
    Registered(Endpoint<'static>),
    /// A duplicate of a socket's or pipe's.
    Duplicate(OwnedFd),
    /// Memory that the Java side keeps where it is, by its address and length: others may write to it meanwhile.
    Memory(*mut u8, usize),
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
    pub fn of<'local>(env: &mut Env<'local>, given: &Given<'_, 'local>, waiting: Waiting) -> Result<Self, Failure> {
        Ok(match given.kind {
            Kind::Path => Self::Path(given.path(env)?.expect("it is a path")),
            Kind::NewPath => Self::NewPath(given.path(env)?.expect("it is a path")),
            Kind::Memory => Self::Memory(given.memory.0 as *mut u8, given.memory.1 as usize),
            Kind::File | Kind::Held => of_a_file_channel(given.file(env)?, waiting)?,
            Kind::Written(_) => {
                let (fd, _) = given.written().ok_or(Failure::Closed)?;
                Self::Registered(Endpoint::new(fd)?.woken())
            }
            Kind::Socket => Self::Duplicate(keep_awake(duplicate(env, given.object)?, waiting)),
            Kind::Pipe => Self::Duplicate(pipe_of_our_own(duplicate(env, given.object)?, waiting)),
        })
    }

    /// The descriptor behind a socket.
    pub fn of_socket(env: &mut Env<'_>, channel: &SocketChannel<'_>, waiting: Waiting) -> Result<Self, Failure> {
        Ok(Self::Duplicate(keep_awake(duplicate(env, channel)?, waiting)))
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
    #[allow(unsafe_code)]
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
            Self::NewPath(path) => Endpoint::create_new(path).map(Some),
            // SAFETY: as in `endpoint`; and what may not be written the Java side refuses, but a region that receives.
            Self::Memory(start, length) => Ok(Some(unsafe { Endpoint::lent_mut(start, length) })),
            other => other.endpoint().map(Some),
        }
    }

    #[allow(unsafe_code)]
    fn endpoint(self) -> zcio::error::Result<Endpoint<'static>> {
        match self {
            Self::Path(path) | Self::NewPath(path) => Endpoint::open(path),
            Self::Registered(end) => Ok(end),
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

/// A file; or a duplicate, if the channel is one of a stream.
fn of_a_file_channel(fd: BorrowedFd<'static>, waiting: Waiting) -> Result<Descriptor, Failure> {
    let end = Endpoint::new(fd)?;
    let kind = end.facts().kind;
    if !kind.is_stream() && kind != EndKind::CharDevice {
        return Ok(Descriptor::Registered(end));
    }
    let duplicate = fd.try_clone_to_owned().map_err(Failure::Io)?;
    Ok(Descriptor::Duplicate(match kind {
        EndKind::Pipe => pipe_of_our_own(duplicate, waiting),
        _ => duplicate,
    }))
}

/// `sun.nio.ch.FileChannelImpl.fd` → `java.io.FileDescriptor.fd`
#[allow(unsafe_code)]
pub(crate) fn registered(env: &mut Env<'_>, channel: &JObject<'_>) -> Result<BorrowedFd<'static>, Failure> {
    let number = jdk_channels::number(env, channel)?;
    if number < 0 {
        return Err(Failure::Closed);
    }
    // SAFETY: the thread is registered with the channel before this call and before each one that moves bytes later, and
    // leaves it after, so the channel does not close the descriptor while it is used.
    Ok(unsafe { BorrowedFd::borrow_raw(number) })
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
    duplicate.map_err(Failure::Io)
}
