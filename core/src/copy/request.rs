//! What is to be copied, and how.

use std::fmt;
use std::path::{Path, PathBuf};

#[cfg(doc)]
use crate::error::ErrorKind;

/// Whether the copy may share the blocks of its source.
///
/// ```
/// use zcio::Reflink;
/// use zcio::copy::Copy;
///
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, b"a few bytes")?;
/// // Blocks of its own, also where they could be shared.
/// Copy::new(&from, &to).reflink(Reflink::Never).run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reflink {
    /// No: every byte of data gets a block of its own, for whoever wants the room to be taken or the blocks to be apart.
    Never,
    /// Where the file system can; the bytes are copied where not.
    #[default]
    Auto,
    /// Yes, or the copy fails with the file system's reason ([`ErrorKind::Refused`]).
    Always,
}

/// A copy of a file, to be described with the builder methods and then run. See the [introduction of copies](super).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, b"a few bytes")?;
/// let report = zcio::copy::Copy::new(&from, &to).atomic(true).preserve_times(true).run()?;
/// assert_eq!((report.bytes, report.holes), (11, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Five independent requests, not a state machine.
pub struct Copy {
    pub(super) source: PathBuf,
    pub(super) destination: PathBuf,
    pub(super) reflink: Reflink,
    pub(super) mode: bool,
    pub(super) times: bool,
    pub(super) create_new: bool,
    pub(super) atomic: bool,
    pub(super) durable: bool,
}

impl Copy {
    /// A copy of the file at `source` as `destination`: its bytes and its holes.
    ///
    /// A new file has the source's permission bits (read, write and execute for owner, group and others), less the umask,
    /// and gets its name when it is complete. An existing file is emptied, overwritten, and keeps its mode, owner and other links.
    /// A symbolic link at either end is followed, so that the file it points to is the one that is read or written, atomically
    /// or not; one that points to nothing is an error.
    ///
    /// What is no regular file is refused before it is opened. A file that another process has a lease on (`F_SETLEASE`,
    /// fcntl(2)) is waited for.
    pub fn new(source: impl AsRef<Path>, destination: impl AsRef<Path>) -> Self {
        Self {
            source: source.as_ref().to_path_buf(),
            destination: destination.as_ref().to_path_buf(),
            reflink: Reflink::default(),
            mode: false,
            times: false,
            create_new: false,
            atomic: false,
            durable: false,
        }
    }

    /// Whether the copy may share the blocks of its source; [`Reflink::Auto`] unless said otherwise.
    #[must_use]
    pub fn reflink(mut self, reflink: Reflink) -> Self {
        self.reflink = reflink;
        self
    }

    /// Gives the copy the source's read, write and execute bits for owner, group and others, whatever the umask is and even if
    /// it was there before. The set-user-ID, set-group-ID and sticky bits stay behind, because the owner does.
    #[must_use]
    pub fn preserve_mode(mut self, preserve: bool) -> Self {
        self.mode = preserve;
        self
    }

    /// Gives the copy the source's times of last access and last change, to the nanosecond.
    #[must_use]
    pub fn preserve_times(mut self, preserve: bool) -> Self {
        self.times = preserve;
        self
    }

    /// The destination must not exist, not even as a symbolic link to nothing: [`ErrorKind::AlreadyExists`] otherwise,
    /// also if somebody else makes it while the bytes are copied.
    #[must_use]
    pub fn create_new(mut self, create_new: bool) -> Self {
        self.create_new = create_new;
        self
    }

    /// Makes the copy beside its destination and puts it in place in one moment (rename(2)): whoever opens the path finds
    /// the old file or the whole new one, and after an error the old one. The destination becomes a new file: of what it
    /// was it keeps the permission bits, but not owner, other links, access lists and extended attributes. It takes the
    /// permission to write to the folder, not to the old file, which may even be a program that is running.
    ///
    /// As every new file it has no name until it is complete, where the file system can do that, so that a process that is
    /// killed leaves nothing, but for the moment before the last call; elsewhere it leaves a file whose name begins with
    /// `.zcio-`.
    #[must_use]
    pub fn atomic(mut self, atomic: bool) -> Self {
        self.atomic = atomic;
        self
    }

    /// Returns only when the copy is on its disk (fsync(2)), and its name as well: with [`Copy::atomic`] a crash leaves
    /// the old file or the new one.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }
}

impl fmt::Debug for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copy")
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("reflink", &self.reflink)
            .field("mode", &self.mode)
            .field("times", &self.times)
            .field("create_new", &self.create_new)
            .field("atomic", &self.atomic)
            .field("durable", &self.durable)
            .finish()
    }
}
