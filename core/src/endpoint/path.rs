//! Ends that are opened by their path.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, lstat};

use super::{Endpoint, Facts, Handle};
use crate::error::{Error, ErrorKind, Result};
use crate::unnamed::Unnamed;

/// Of a new file, less the umask.
const MODE: Mode = Mode::from_bits_truncate(0o666);

impl<'fd> Endpoint<'fd> {
    /// Opens a path as a source (open(2), `O_RDONLY`).
    ///
    /// Opening a FIFO waits for its other end; a signal ends that with [`ErrorKind::Interrupted`], so that the caller can
    /// look at it and open again.
    pub fn open(path: impl AsRef<Path>) -> Result<Endpoint<'static>> {
        let path = path.as_ref();
        Endpoint::from_path(Handle::Owned(open(path, OFlag::O_RDONLY)?), OFlag::O_RDONLY, path)
    }

    /// Opens or creates a path as a sink (open(2), `O_WRONLY | O_CREAT`, mode 0666 less the umask).
    ///
    /// An existing file keeps its content until the first byte takes its place: what is behind that is cut off then. A new file gets
    /// its name with the first byte, or when the transfer begins to wait for one; until then it has none, or, where the file system or the
    /// system has no way for that, a temporary one that begins with `.zcio-`. So a transfer that is refused, for whatever reason,
    /// leaves what was there and makes no file, and one that ends early leaves what has arrived. If somebody else has made a file of
    /// that name meanwhile, that one stays and the transfer fails with EEXIST.
    ///
    /// A FIFO is waited for as in [`Self::open`]. What a symbolic link that leads nowhere would lead to is made at once.
    pub fn create(path: impl AsRef<Path>) -> Result<Endpoint<'static>> {
        let path = path.as_ref();
        let handle = match open(path, OFlag::O_WRONLY) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(fd) => Handle::Owned(fd),
            // Only the kernel may follow a link: some it must not (`nosymfollow` of mount(8), `fs.protected_symlinks`).
            Err(_) if lstat(path).is_ok() => Handle::Owned(open(path, OFlag::O_WRONLY | OFlag::O_CREAT)?),
            Err(_) => return Self::new_file(path),
        };
        Ok(Endpoint { destination: true, ..Endpoint::from_path(handle, OFlag::O_WRONLY, path)? })
    }

    /// A path as a sink, where there must be nothing yet, not even a symbolic link that leads nowhere:
    /// [`ErrorKind::AlreadyExists`] otherwise, also if somebody makes it before the first byte is there. Otherwise as
    /// [`Self::create`].
    ///
    /// ```
    /// use zcio::{Endpoint, ErrorKind, Transfer};
    ///
    /// let dir = tempfile::tempdir()?;
    /// let path = dir.path().join("new");
    /// Transfer::new(Endpoint::bytes(b"a few bytes"), Endpoint::create_new(&path)?).run()?;
    /// assert_eq!(Endpoint::create_new(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_new(path: impl AsRef<Path>) -> Result<Endpoint<'static>> {
        let path = path.as_ref();
        if lstat(path).is_ok() { Err(Error::os("open", Errno::EEXIST).at(Some(path))) } else { Self::new_file(path) }
    }

    fn new_file(path: &Path) -> Result<Endpoint<'static>> {
        let file = Unnamed::beside(path, MODE, false).map_err(|errno| Error::os("open", errno).at(Some(path)))?;
        let end = Endpoint::from_path(Handle::New(Box::new(file)), OFlag::O_WRONLY, path)?;
        Ok(Endpoint { destination: true, ..end })
    }

    /// A path that was opened with these flags, which need not be asked for.
    pub(super) fn from_path(handle: Handle<'fd>, flags: OFlag, path: &Path) -> Result<Self> {
        let fd = handle.descriptor().expect("what was opened has a descriptor");
        let facts = Facts::opened(fd, flags).map_err(|error| error.at(Some(path)))?;
        Ok(Self { path: Some(path.into()), ..Self::with(facts, handle) })
    }
}

fn open(path: &Path, flags: OFlag) -> Result<OwnedFd> {
    nix::fcntl::open(path, flags | OFlag::O_CLOEXEC, MODE).map_err(|errno| Error::os("open", errno).at(Some(path)))
}
