//! Why the command failed, in the one form that all its messages have: `operation: reason (hint)`.

use std::fmt;
use std::io;

use serde::Serialize;

use crate::error::{Error, ErrorKind};
use crate::sys::interrupt;

/// A failure that is to be told.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    operation: String,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    errno: Option<i32>,
    /// Bytes delivered before it.
    moved: u64,
    hint: Option<&'static str>,
    #[serde(skip)]
    of_output: bool,
}

impl Failure {
    pub fn new(operation: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            operation: operation.into(),
            reason: reason.into(),
            path: None,
            errno: None,
            moved: 0,
            hint: None,
            of_output: false,
        }
    }

    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    pub fn after(mut self, moved: u64) -> Self {
        self.moved = moved;
        self
    }

    /// So many bytes were delivered besides.
    pub fn with_more(mut self, moved: u64) -> Self {
        self.moved += moved;
        self
    }

    /// What the operating system answered to `operation` on `subject`.
    pub fn os(operation: &str, subject: &str, error: &io::Error) -> Self {
        let hint = error.raw_os_error().and_then(hint_for_errno);
        let reason = sentence(error);
        let path = Some(subject.to_owned()).filter(|subject| !subject.is_empty());
        Self { path, errno: error.raw_os_error(), hint, ..Self::new(operation, reason) }
    }

    /// Whatever a subcommand gave up with.
    pub fn of(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(failure) => failure,
            Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
                Some(error) => Self::of_core(error),
                None => Self::os("zcio", "", &error),
            },
        }
    }

    fn of_core(error: &Error) -> Self {
        let interrupted = matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Interrupted);
        let reason = if interrupted && interrupt::pending().is_some() { "interrupted" } else { error.message() };
        Self {
            path: error.path().map(|path| path.display().to_string()),
            errno: error.errno(),
            moved: error.moved(),
            hint: hint_for(error),
            ..Self::new(error.operation(), reason)
        }
    }

    /// The operating system's error number, if it gave one.
    pub fn errno(&self) -> Option<i32> {
        self.errno
    }

    /// Whether it is only that nobody reads standard output any more.
    pub fn is_about_output(&self) -> bool {
        self.of_output && self.errno == Some(libc::EPIPE)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.reason)?;
        if let Some(path) = &self.path {
            write!(f, ": {path}")?;
        }
        if self.moved > 0 {
            write!(f, ", after {} bytes", self.moved)?;
        }
        self.hint.map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        Self::other(failure)
    }
}

/// An error of writing what was asked for to standard output.
pub(super) fn about_output(error: io::Error) -> io::Error {
    // The standard library's loops try again by themselves.
    if error.kind() == io::ErrorKind::Interrupted {
        return error;
    }
    Failure { of_output: true, ..Failure::os("write", "standard output", &error) }.into()
}

/// The error's sentence without the number that the standard library adds.
fn sentence(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or(&text).to_owned()
}

fn hint_for(error: &Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::Impossible | ErrorKind::Refused => Some("without the named way zcio takes one that works"),
        ErrorKind::StorageFull => Some("free some room there, or raise the quota or the limit of a file's size"),
        ErrorKind::PeerClosed => Some("the other end went away before it had everything"),
        ErrorKind::PermissionDenied if error.operation() == "cachestat" => {
            Some("the kernel tells it to the file's owner and to who may write to it")
        }
        ErrorKind::PermissionDenied if error.path().is_some_and(|path| path.starts_with("/proc")) => {
            Some("another user's process: run it as that user or as root")
        }
        _ => error.errno().and_then(hint_for_errno),
    }
}

fn hint_for_errno(errno: i32) -> Option<&'static str> {
    match errno {
        libc::ECONNREFUSED => Some("nobody listens there; start the other side first, with --listen"),
        libc::EADDRINUSE => Some("somebody listens there already; for unix: it may be another file"),
        libc::EADDRNOTAVAIL => Some("an address of another machine"),
        libc::EMFILE => Some("raise the limit of open files: ulimit -n"),
        _ => None,
    }
}
