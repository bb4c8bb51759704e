//! The one error type: what kind of trouble, which operation met it, the errno, the path if there was one, and how many
//! bytes had already been moved when it happened.
//!
//! Each binding has one `match` over [`ErrorKind`] that turns it into its language's own exception; nothing else in a
//! binding may look at errno to decide a class.

use std::fmt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::step::Side;

/// What went wrong, coarse enough for a caller to act on.
///
/// ```
/// use zcio::{Endpoint, ErrorKind, Transfer};
///
/// let (reader, writer) = std::io::pipe()?;
/// let (source, sink) = (Endpoint::new(&reader)?, Endpoint::new(&writer)?);
/// let error = Transfer::new(source, sink).offset(1).run().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidInput, "a pipe has no offsets");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument no transfer can accept: an offset on a stream, the same file overlapping itself, an unknown name.
    InvalidInput,
    /// The named mechanism cannot serve these two ends; known before the first system call.
    Impossible,
    /// The kernel refused the named mechanism for these ends; the errno says how.
    Refused,
    /// A path that does not exist (ENOENT).
    NotFound,
    /// Access denied (EACCES, EPERM).
    PermissionDenied,
    /// A path that must not exist yet does (EEXIST).
    AlreadyExists,
    /// A directory where bytes were expected (EISDIR).
    IsDirectory,
    /// A FIFO, a socket or a device where only a regular file will do.
    SpecialFile,
    /// The source and the destination of a copy are one file, by whatever names.
    SameFile,
    /// A descriptor that is not open (EBADF).
    BadDescriptor,
    /// The source was not opened for reading.
    NotReadable,
    /// The sink was not opened for writing, or is memory that may only be read.
    NotWritable,
    /// A socket that is not connected (ENOTCONN).
    NotConnected,
    /// The other end went away (EPIPE, ECONNRESET).
    PeerClosed,
    /// No room at the sink (ENOSPC, EDQUOT, EFBIG).
    StorageFull,
    /// An end that is no more: a [`crate::Region`] that has been closed, or what a [`crate::Hold`] says is lost.
    Closed,
    /// The memory behind a mapping is gone (EFAULT): its file was cut short under it, or its storage failed, or is full (then
    /// ENOSPC, where that can be known).
    Faulted,
    /// A peer or a descriptor that is not what the caller demanded: other credentials, missing seals.
    Untrusted,
    /// A signal came while a path was being opened, which can wait (a FIFO without a peer): open it again, or stop.
    Interrupted,
    /// The caller asked to stop.
    Cancelled,
    /// Work that was begun by the process which this one was forked from (fork(2)), and which goes on there.
    Inherited,
    /// Any other refusal of the operating system; see the errno.
    Os,
}

impl ErrorKind {
    /// The kind that stands for an errno met in the middle of a transfer or while opening a path.
    pub(crate) fn of(errno: Errno) -> Self {
        match errno {
            Errno::ENOENT => Self::NotFound,
            Errno::EACCES | Errno::EPERM => Self::PermissionDenied,
            Errno::EEXIST => Self::AlreadyExists,
            Errno::EISDIR => Self::IsDirectory,
            Errno::EBADF => Self::BadDescriptor,
            Errno::ENOTCONN => Self::NotConnected,
            Errno::EPIPE | Errno::ECONNRESET => Self::PeerClosed,
            Errno::EINTR => Self::Interrupted,
            Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG => Self::StorageFull,
            // An end that is memory, or a mapping of the source.
            Errno::EFAULT | Errno::EHWPOISON => Self::Faulted,
            _ => Self::Os,
        }
    }
}

/// Whether a call of another sort might do what this errno has refused. Not where a connection or the room has come to its
/// end: that is no mechanism's fault, and a socket tells it only once.
pub(crate) fn others_may_work(errno: Errno) -> bool {
    use Errno::{
        ECONNABORTED, ECONNREFUSED, ECONNRESET, EDQUOT, EFBIG, EHOSTDOWN, EHOSTUNREACH, ENETDOWN, ENETRESET,
        ENETUNREACH, ENOSPC, ENOTCONN, EPIPE, EPROTO, ETIMEDOUT,
    };
    let of_connections = [
        ECONNABORTED,
        ECONNREFUSED,
        ECONNRESET,
        EHOSTDOWN,
        EHOSTUNREACH,
        ENETDOWN,
        ENETRESET,
        ENETUNREACH,
        ENOTCONN,
        EPIPE,
        EPROTO,
        ETIMEDOUT,
    ];
    !of_connections.contains(&errno) && ![ENOSPC, EDQUOT, EFBIG].contains(&errno)
}

/// What every newer system call may answer where it is not to be had: an old kernel, or a seccomp filter.
pub(crate) fn not_here(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::ENOSYS => Some("the kernel does not have this system call, or a filter hides it"),
        Errno::EPERM => Some("not permitted here: by a filter on system calls, or by a seal on the file"),
        _ => None,
    }
}

/// The result of every fallible operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error that knows what it interrupted. Cheap to move (one pointer).
///
/// ```
/// use zcio::{Endpoint, ErrorKind};
///
/// let error = Endpoint::open("/no/such/file").unwrap_err();
/// assert_eq!((error.kind(), error.operation()), (ErrorKind::NotFound, "open"));
/// assert_eq!((error.errno(), error.moved()), (Some(2), 0));
/// // As the standard library says it.
/// assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::NotFound);
/// ```
#[derive(Clone, Debug, thiserror::Error)]
pub struct Error(Box<Detail>);

#[derive(Clone, Debug)]
struct Detail {
    kind: ErrorKind,
    operation: &'static str,
    errno: Option<i32>,
    path: Option<PathBuf>,
    moved: u64,
    message: String,
    /// The end that had it, where the operation alone does not say.
    side: Option<Side>,
}

impl Error {
    /// An error found by zcio itself, before any system call was asked.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Detail {
            kind,
            operation: "transfer",
            errno: None,
            path: None,
            moved: 0,
            message: message.into(),
            side: None,
        }))
    }

    /// The answer of a [`crate::Hold`] whose end is lost: kind [`ErrorKind::Closed`], errno EBADF. The message says what was
    /// closed.
    pub fn closed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Closed, message).with_errno(Errno::EBADF)
    }

    /// An error the kernel gave to `operation` (the system call's name).
    pub(crate) fn os(operation: &'static str, errno: Errno) -> Self {
        Self::new(ErrorKind::of(errno), errno.desc()).during(operation).with_errno(errno)
    }

    /// Sorts an errno of `operation`: the kernel's no if `reason` says what it means, a failure otherwise.
    #[cold]
    pub(crate) fn sort(operation: &'static str, errno: Errno, reason: impl Fn(Errno) -> Option<&'static str>) -> Self {
        reason(errno).map_or_else(|| Self::os(operation, errno), |reason| Self::refused(operation, errno, reason))
    }

    /// Whether a call of another sort might do what this one could not.
    pub(crate) fn is_of_the_call(&self) -> bool {
        self.kind() == ErrorKind::Refused || self.errno().is_some_and(|errno| others_may_work(Errno::from_raw(errno)))
    }

    /// The error, if it is of an end and not of the call: a connection that is gone, a disk that is full. To ask another call
    /// would not help, and a socket tells it only once. `operation` is the system call's name.
    #[doc(hidden)] // For the bindings.
    pub fn of_an_end(operation: &'static str, error: &std::io::Error) -> Option<Self> {
        let error = Self::os(operation, error.raw_os_error().map(Errno::from_raw)?);
        (!error.is_of_the_call()).then_some(error)
    }

    /// The kernel's no to a mechanism, with what it means between these ends.
    pub(crate) fn refused(operation: &'static str, errno: Errno, reason: &str) -> Self {
        Self::new(ErrorKind::Refused, reason).during(operation).with_errno(errno)
    }

    pub(crate) fn with_errno(mut self, errno: Errno) -> Self {
        self.0.errno = Some(errno as i32);
        self
    }

    pub(crate) fn during(mut self, operation: &'static str) -> Self {
        self.0.operation = operation;
        self
    }

    pub(crate) fn at(mut self, path: Option<&Path>) -> Self {
        if self.0.path.is_none() {
            self.0.path = path.map(Path::to_path_buf);
        }
        self
    }

    /// It was at that end.
    pub(crate) fn of_side(mut self, side: Side) -> Self {
        self.0.side = Some(side);
        self
    }

    pub(crate) fn side(&self) -> Option<Side> {
        self.0.side
    }

    /// It was at one of these ends, and nobody knows at which.
    pub(crate) fn between(mut self, source: &str, sink: &str) -> Self {
        self.0.message = format!("{}, from {source} to {sink}", self.0.message);
        self
    }

    /// It was at that byte of a file.
    pub(crate) fn where_it_was(mut self, offset: u64) -> Self {
        self.0.message = format!("{}, at offset {offset}", self.0.message);
        self
    }

    pub(crate) fn after(mut self, moved: u64) -> Self {
        self.0.moved = moved;
        self
    }

    /// The whole of it inside an error of the standard library, which then has no errno to ask for.
    pub(crate) fn whole(self) -> std::io::Error {
        // A signal that ended a call is told by whoever looks for signals.
        if self.kind() == ErrorKind::Interrupted {
            return self.into();
        }
        let kind = match (self.errno(), self.kind()) {
            (Some(errno), _) => std::io::Error::from_raw_os_error(errno).kind(),
            (None, ErrorKind::InvalidInput) => std::io::ErrorKind::InvalidInput,
            (None, ErrorKind::Impossible) => std::io::ErrorKind::Unsupported,
            // Cancelled is not Interrupted: the standard library's loops would try that again.
            (None, _) => std::io::ErrorKind::Other,
        };
        std::io::Error::new(kind, self)
    }

    /// What kind of trouble it was.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that met it: the name of a system call, or `transfer` for a check made before any.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The operating system's error number, if the operating system gave one (or the one that stands for the check).
    pub fn errno(&self) -> Option<i32> {
        self.0.errno
    }

    /// The path of the end that had it, when that end was given as a path.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// Bytes delivered to the sink before the error.
    pub fn moved(&self) -> u64 {
        self.0.moved
    }

    /// The sentence that says what was wrong, without operation, path and count.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Detail { operation, path, moved, message, errno, .. } = &*self.0;
        write!(f, "{operation}: {message}")?;
        if let Some(errno) = errno {
            write!(f, " (errno {errno})")?;
        }
        if let Some(path) = path {
            write!(f, ": {}", path.display())?;
        }
        if *moved > 0 {
            write!(f, ", after {moved} bytes")?;
        }
        Ok(())
    }
}

impl From<Error> for std::io::Error {
    /// One with an errno is the error of that errno, for callers that ask for it (`raw_os_error`); operation, path and count
    /// are lost, because the standard library has no error with both. Any other is whole inside (`get_ref`).
    fn from(error: Error) -> Self {
        match error.errno() {
            Some(errno) => Self::from_raw_os_error(errno),
            None => error.whole(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_says_operation_reason_errno_path_and_count() {
        let error = Error::os("sendfile", Errno::ENOSPC).at(Some(Path::new("/tmp/x"))).after(7);
        assert_eq!(error.to_string(), "sendfile: No space left on device (errno 28): /tmp/x, after 7 bytes");
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }

    #[test]
    fn an_io_error_keeps_the_errno_or_the_whole_error() {
        let error: std::io::Error = Error::os("open", Errno::ENOENT).into();
        assert_eq!((error.raw_os_error(), error.kind()), (Some(libc::ENOENT), std::io::ErrorKind::NotFound));
        let error: std::io::Error = Error::refused("sendfile", Errno::EINVAL, "not here").after(7).into();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
        let error: std::io::Error = Error::new(ErrorKind::Cancelled, "stopped by the caller").after(7).into();
        let inside = error.get_ref().and_then(|inside| inside.downcast_ref::<Error>());
        assert_eq!((error.kind(), inside.map(Error::moved)), (std::io::ErrorKind::Other, Some(7)));
    }
}
