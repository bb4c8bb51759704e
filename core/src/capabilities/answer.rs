//! The answer to one question: whether something is to be had, and whose no it is.

/// Whether something is to be had.
///
/// ```
/// use zcio::{Answer, Capabilities};
///
/// // The kernel has it; whether a file system has it, only that one can say.
/// let clones = Capabilities::get().find("reflink").unwrap().answer;
/// assert!(matches!(clones, Answer::AskPath | Answer::No(_)));
/// let here = Capabilities::of_path("/tmp")?.find("reflink").unwrap().answer;
/// assert!(matches!(here, Answer::Yes | Answer::No(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It was asked for and it works.
    Yes,
    /// It does not, and whose no that is.
    No(Cause),
    /// The kernel has it; each file system has its own answer ([`Capabilities::of_path`](crate::Capabilities::of_path)).
    AskPath,
}

/// Whose no it is.
///
/// ```
/// use zcio::{Answer, Capabilities, Cause};
///
/// let capabilities = Capabilities::get();
/// let sendfile = capabilities.find("sendfile").unwrap();
/// match sendfile.answer {
///     Answer::Yes => {}
///     Answer::No(Cause::Filter) => println!("a seccomp filter denies it: {}", sendfile.reason),
///     Answer::No(cause) => println!("{}: {}", cause.name(), sendfile.reason),
///     Answer::AskPath => unreachable!("that is for file systems"),
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The kernel is older than the feature.
    KernelTooOld,
    /// A seccomp filter of this process stands before it.
    Filter,
    /// A setting of the machine or a missing privilege (`kernel.io_uring_disabled`, a security module).
    Forbidden,
    /// The kernel was built without it, or its module is not loaded.
    NotConfigured,
    /// The file system does not do it.
    FileSystem,
    /// A limit was met (descriptors, memory), or what is needed to ask was not to be had: ask again later.
    Limit,
    /// Anything else; see the errno.
    Other,
}

impl Cause {
    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KernelTooOld => "kernel_too_old",
            Self::Filter => "filter",
            Self::Forbidden => "forbidden",
            Self::NotConfigured => "not_configured",
            Self::FileSystem => "file_system",
            Self::Limit => "limit",
            Self::Other => "other",
        }
    }
}

/// One thing that was asked for, and the answer.
///
/// ```
/// use zcio::{Capabilities, Mechanism};
///
/// let capabilities = Capabilities::get();
/// let copying = capabilities.find(Mechanism::ReadWrite.name()).unwrap();
/// assert_eq!((copying.name, copying.errno), ("read_write", None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capability {
    /// Its stable lower-case name; a mechanism has its own ([`Mechanism::name`](crate::Mechanism::name)).
    pub name: &'static str,
    /// The answer.
    pub answer: Answer,
    /// The error number behind a no, if there was one.
    pub errno: Option<i32>,
    /// The reason in a sentence, or a detail of the yes; may be empty.
    pub reason: String,
}
