//! One end of a transfer: a descriptor and the facts about it that decide what is possible.
//!
//! An endpoint borrows its descriptor, or owns one it opened from a path; it never closes what it did not open. Facts are
//! read once, when the endpoint is made; nothing in them promises that the descriptor stays as it was.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};

use crate::buffer::Pages;
use crate::buffer::Span;
use crate::error::{Error, ErrorKind, Result};

/// What sort of thing a descriptor refers to, as far as moving bytes is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A regular file, memfd included.
    File,
    /// A block device.
    BlockDevice,
    /// A character device (`/dev/null`, a terminal).
    CharDevice,
    /// One end of a pipe, or a FIFO.
    Pipe,
    /// A TCP socket, IPv4 or IPv6.
    Tcp,
    /// An `AF_UNIX` stream socket.
    UnixStream,
    /// Memory of this process: a source only.
    Memory,
    /// A directory: never an end of a transfer.
    Directory,
    /// Anything without a plain stream of bytes: datagram and seqpacket sockets, epoll, eventfd, …
    Other,
}

impl Kind {
    /// The name used in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::BlockDevice => "block device",
            Self::CharDevice => "character device",
            Self::Pipe => "pipe",
            Self::Tcp => "TCP socket",
            Self::UnixStream => "UNIX stream socket",
            Self::Memory => "memory",
            Self::Directory => "directory",
            Self::Other => "descriptor without a byte stream",
        }
    }

    /// Whether bytes have offsets here and a position of their own (lseek(2)).
    pub const fn is_seekable(self) -> bool {
        matches!(self, Self::File | Self::BlockDevice)
    }

    /// Whether this is a connected stream socket.
    pub const fn is_socket(self) -> bool {
        matches!(self, Self::Tcp | Self::UnixStream)
    }

    /// Whether a read takes bytes out for good and may have to wait for a peer.
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::Pipe | Self::Tcp | Self::UnixStream)
    }
}

/// What is known about a descriptor. Plain data, so that [`crate::plan`] can be tested without a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Five independent flags of open(2), not a state machine.
pub struct Facts {
    /// What it is.
    pub kind: Kind,
    /// Size in bytes as fstat(2) says it; 0 for streams, devices, and files that have no size (`/proc`).
    pub size: u64,
    /// Opened with `O_APPEND`.
    pub append: bool,
    /// Opened with `O_DIRECT`.
    pub direct: bool,
    /// Opened with, or switched to, `O_NONBLOCK`.
    pub nonblocking: bool,
    /// Opened for reading.
    pub readable: bool,
    /// Opened for writing.
    pub writable: bool,
    /// Memory that nobody can write any more ([`Pages`]).
    pub frozen: bool,
    /// Device number and inode number: the identity of what the descriptor refers to.
    pub identity: (u64, u64),
    /// A regular file on a file system of a type that can share blocks between files (XFS, btrfs, …). Found out only for
    /// the sink of a transfer where it matters, when that begins; false before.
    pub shares_blocks: bool,
}

impl Facts {
    /// Asks the kernel: fstat(2), `F_GETFL`, and for sockets their family and type.
    fn of(fd: BorrowedFd<'_>) -> Result<Self> {
        let stat = fstat(fd).map_err(|errno| Error::os("fstat", errno))?;
        let flags = fcntl(fd, FcntlArg::F_GETFL).map_err(|errno| Error::os("fcntl", errno))?;
        let flags = OFlag::from_bits_retain(flags);
        let access = flags & OFlag::O_ACCMODE;
        // O_PATH descriptors name a file without opening it: neither reading nor writing is allowed.
        let opened = !flags.contains(OFlag::O_PATH);
        Ok(Self {
            kind: kind_of(fd, &stat)?,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            append: flags.contains(OFlag::O_APPEND),
            direct: flags.contains(OFlag::O_DIRECT),
            nonblocking: flags.contains(OFlag::O_NONBLOCK),
            readable: opened && access != OFlag::O_WRONLY,
            writable: opened && access != OFlag::O_RDONLY,
            frozen: false,
            identity: (stat.st_dev, stat.st_ino),
            shares_blocks: false,
        })
    }

    fn of_memory(length: usize, frozen: bool) -> Self {
        Self {
            kind: Kind::Memory,
            size: length as u64,
            append: false,
            direct: false,
            nonblocking: false,
            readable: true,
            writable: false,
            frozen,
            identity: (0, 0),
            shares_blocks: false,
        }
    }
}

fn kind_of(fd: BorrowedFd<'_>, stat: &FileStat) -> Result<Kind> {
    Ok(match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFREG => Kind::File,
        SFlag::S_IFDIR => Kind::Directory,
        SFlag::S_IFBLK => Kind::BlockDevice,
        SFlag::S_IFCHR => Kind::CharDevice,
        SFlag::S_IFIFO => Kind::Pipe,
        SFlag::S_IFSOCK => kind_of_socket(fd).map_err(|errno| Error::os("getsockopt", errno))?,
        _ => Kind::Other,
    })
}

/// TCP is known by its protocol, in one call; the others by type and family.
fn kind_of_socket(fd: BorrowedFd<'_>) -> nix::Result<Kind> {
    let option = |option| crate::sys::socket_option(fd, option);
    if matches!(option(libc::SO_PROTOCOL)?, libc::IPPROTO_TCP | libc::IPPROTO_MPTCP) {
        return Ok(Kind::Tcp);
    }
    let unix_stream = option(libc::SO_TYPE)? == libc::SOCK_STREAM && option(libc::SO_DOMAIN)? == libc::AF_UNIX;
    Ok(if unix_stream { Kind::UnixStream } else { Kind::Other })
}

/// One end of a transfer. See the module's introduction.
#[derive(Debug)]
pub struct Endpoint<'fd> {
    handle: Handle<'fd>,
    facts: Facts,
    path: Option<PathBuf>,
    destination: Option<Destination>,
}

#[derive(Debug)]
enum Handle<'fd> {
    Borrowed(BorrowedFd<'fd>),
    Owned(OwnedFd),
    Memory(Span<'fd>),
    Pages(Pages),
}

/// A path that will be emptied when the transfer begins, and not before: a refused transfer must change nothing.
#[derive(Debug)]
enum Destination {
    /// The path did not exist: opening it made an empty file, which a refused transfer removes again.
    Created(Unneeded),
    /// The path existed: the transfer truncates it just before the first byte.
    Existing,
}

/// A file made for a transfer that has not begun. Dropped, it is taken away again.
#[derive(Debug)]
struct Unneeded(Option<PathBuf>);

impl Unneeded {
    /// The transfer has begun: the file stays.
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unneeded {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Nothing can be done about a failure here; the file is empty.
            let _ = nix::unistd::unlink(path);
        }
    }
}

impl<'fd> Endpoint<'fd> {
    /// An end that borrows a descriptor. Streams are used as they are, blocking or not; files at their own position
    /// unless the transfer says otherwise.
    ///
    /// [`ErrorKind::BadDescriptor`] if it is not open.
    pub fn new(fd: BorrowedFd<'fd>) -> Result<Self> {
        Ok(Self { facts: Facts::of(fd)?, handle: Handle::Borrowed(fd), path: None, destination: None })
    }

    /// An end that owns a descriptor and closes it when it is dropped.
    pub fn owning(fd: OwnedFd) -> Result<Self> {
        Ok(Self { facts: Facts::of(fd.as_fd())?, handle: Handle::Owned(fd), path: None, destination: None })
    }

    /// A source that is memory. It may be changed again as soon as the transfer is over, so it is copied at least once, or
    /// waited for: only a `zerocopy_send` that was given up half-way (an error, a cancel, a drop) may still be read by the
    /// kernel until the connection is closed.
    pub fn bytes(bytes: &'fd [u8]) -> Self {
        Self::of_span(bytes.into())
    }

    pub(crate) fn of_span(span: Span<'fd>) -> Self {
        let facts = Facts::of_memory(span.len(), false);
        Self { facts, handle: Handle::Memory(span), path: None, destination: None }
    }

    /// A source that is memory nobody can write any more, so that it may be sent by reference.
    pub fn pages(pages: Pages) -> Endpoint<'static> {
        let facts = Facts::of_memory(pages.len(), true);
        Endpoint { facts, handle: Handle::Pages(pages), path: None, destination: None }
    }

    /// The same end again, without asking the kernel for its facts again: for many transfers over one descriptor.
    ///
    /// An end made from a path that is yet to be emptied lends its descriptor only: nothing is emptied for this one.
    pub fn borrow(&self) -> Endpoint<'_> {
        let handle = match &self.handle {
            Handle::Borrowed(fd) => Handle::Borrowed(*fd),
            Handle::Owned(fd) => Handle::Borrowed(fd.as_fd()),
            Handle::Memory(span) => Handle::Memory(*span),
            Handle::Pages(pages) => Handle::Pages(pages.clone()),
        };
        Endpoint { facts: self.facts, handle, path: None, destination: None }
    }

    /// Opens a path as a source (open(2), `O_RDONLY`).
    ///
    /// Opening a FIFO waits for its other end; a signal ends that with [`ErrorKind::Interrupted`], so that the caller can
    /// look at it and open again.
    pub fn open(path: impl AsRef<Path>) -> Result<Endpoint<'static>> {
        let path = path.as_ref();
        let fd = open(path, OFlag::O_RDONLY)?;
        Endpoint::from_path(fd, path, None)
    }

    /// Opens or creates a path as a sink (open(2), `O_WRONLY | O_CREAT`, mode 0666 less the umask).
    ///
    /// An existing file is emptied when the transfer begins, after every check that could still refuse it; a file that
    /// was created for a transfer that is then refused is removed. A FIFO is waited for as in [`Self::open`].
    pub fn create(path: impl AsRef<Path>) -> Result<Endpoint<'static>> {
        let path = path.as_ref();
        let (fd, destination) = match open(path, OFlag::O_WRONLY) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match open(path, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL) {
                    Ok(fd) => (fd, Destination::Created(Unneeded(Some(path.to_path_buf())))),
                    // Somebody else was quicker, or the path is a symbolic link to a file that is yet to be made.
                    Err(error) if error.errno() == Some(Errno::EEXIST as i32) => {
                        (open(path, OFlag::O_WRONLY | OFlag::O_CREAT)?, Destination::Existing)
                    }
                    Err(error) => return Err(error),
                }
            }
            opened => (opened?, Destination::Existing),
        };
        Endpoint::from_path(fd, path, Some(destination))
    }

    fn from_path(fd: OwnedFd, path: &Path, destination: Option<Destination>) -> Result<Self> {
        let mut endpoint = Self::owning(fd).map_err(|error| error.at(Some(path)))?;
        endpoint.path = Some(path.to_path_buf());
        endpoint.destination = destination;
        Ok(endpoint)
    }

    /// What is known about the descriptor.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The path, when the endpoint was made from one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The descriptor; memory has none.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.handle {
            Handle::Borrowed(fd) => Some(*fd),
            Handle::Owned(fd) => Some(fd.as_fd()),
            Handle::Memory(_) | Handle::Pages(_) => None,
        }
    }

    /// The memory, for an end that is memory nobody can write.
    pub(crate) fn frozen(&self) -> Option<&Pages> {
        match &self.handle {
            Handle::Pages(pages) => Some(pages),
            _ => None,
        }
    }

    /// The memory, for an end that is memory.
    pub(crate) fn memory(&self) -> Option<Span<'_>> {
        match &self.handle {
            Handle::Memory(span) => Some(*span),
            Handle::Pages(pages) => Some(Span::from(&pages[..])),
            Handle::Borrowed(_) | Handle::Owned(_) => None,
        }
    }

    /// Finds out [`Facts::shares_blocks`]. One fstatfs(2), which takes longer than fstat(2): only for who needs it.
    pub(crate) fn learn_to_share(&mut self) {
        self.facts.shares_blocks = self.descriptor().is_some_and(crate::sys::files::may_share_blocks);
    }

    /// Whether beginning a transfer would empty what is there.
    pub(crate) fn will_be_emptied(&self) -> bool {
        self.destination.is_some() && self.facts.kind == Kind::File
    }

    /// The transfer begins: what is there is emptied now, and what was created stays.
    pub(crate) fn empty(&mut self) -> Result<()> {
        if matches!(self.destination, Some(Destination::Existing)) && self.facts.kind == Kind::File {
            let fd = self.descriptor().expect("a file has a descriptor");
            nix::unistd::ftruncate(fd, 0).map_err(|errno| Error::os("ftruncate", errno).at(self.path.as_deref()))?;
            self.facts.size = 0;
        }
        if let Some(Destination::Created(unneeded)) = self.destination.take() {
            unneeded.keep();
        }
        Ok(())
    }
}

fn open(path: &Path, flags: OFlag) -> Result<OwnedFd> {
    nix::fcntl::open(path, flags | OFlag::O_CLOEXEC, Mode::from_bits_truncate(0o666))
        .map_err(|errno| Error::os("open", errno).at(Some(path)))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn facts_of_files_sockets_and_pipes() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(5000).unwrap();
        let facts = *Endpoint::new(file.as_fd()).unwrap().facts();
        assert_eq!((facts.kind, facts.size, facts.readable, facts.writable), (Kind::File, 5000, true, true));

        let (left, _right) = UnixStream::pair().unwrap();
        left.set_nonblocking(true).unwrap();
        let facts = *Endpoint::new(left.as_fd()).unwrap().facts();
        assert_eq!((facts.kind, facts.nonblocking), (Kind::UnixStream, true));

        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            assert_eq!(Endpoint::new(listener.as_fd()).unwrap().facts().kind, Kind::Tcp);
        }
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(Endpoint::new(udp.as_fd()).unwrap().facts().kind, Kind::Other);

        let (read, write) = std::io::pipe().unwrap();
        let (read, write) = (Endpoint::new(read.as_fd()).unwrap(), Endpoint::new(write.as_fd()).unwrap());
        assert_eq!((read.facts().kind, read.facts().readable, read.facts().writable), (Kind::Pipe, true, false));
        assert_eq!((write.facts().kind, write.facts().readable, write.facts().writable), (Kind::Pipe, false, true));
        assert_eq!(read.facts().identity, write.facts().identity);
    }

    #[test]
    fn create_neither_empties_nor_leaves_anything_until_the_transfer_begins() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        std::fs::write(&old, b"precious").unwrap();
        drop(Endpoint::create(&old).unwrap());
        assert_eq!(std::fs::read(&old).unwrap(), b"precious");

        let endpoint = Endpoint::create(&new).unwrap();
        assert!(new.exists());
        drop(endpoint);
        assert!(!new.exists());

        let mut endpoint = Endpoint::create(&old).unwrap();
        endpoint.empty().unwrap();
        drop(endpoint);
        assert_eq!(std::fs::read(&old).unwrap(), b"");
    }

    #[test]
    fn create_follows_a_symbolic_link_to_a_file_that_is_not_there_yet() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("target", dir.path().join("link")).unwrap();
        let mut endpoint = Endpoint::create(dir.path().join("link")).unwrap();
        endpoint.empty().unwrap();
        assert!(dir.path().join("target").exists());
    }

    #[test]
    fn a_missing_path_and_a_directory_are_named_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = Endpoint::open(dir.path().join("none")).unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::NotFound, Some(dir.path().join("none").as_path())));
        let error = Endpoint::create(dir.path()).unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::IsDirectory, Some(dir.path())));
        assert_eq!(Endpoint::open(dir.path()).unwrap().facts().kind, Kind::Directory);
    }
}
