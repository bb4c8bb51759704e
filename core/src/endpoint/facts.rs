//! What is known about a descriptor when an endpoint is made of it: what it is, and what it was opened for.
//!
//! Plain data, so that the plan can be tested without a system call. Nothing here promises that it stays so.

use std::os::fd::BorrowedFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{FileStat, SFlag, fstat};

use super::streams::{Stream, is_unblocked, switched_back};
use crate::encryption::Encryption;
use crate::error::{Error, Result};
use crate::sys::files::identity;
use crate::sys::tls;

/// What sort of thing a descriptor refers to, as far as moving bytes is concerned.
///
/// ```
/// use zcio::{Endpoint, Kind};
///
/// let (reader, _writer) = std::io::pipe()?;
/// assert_eq!(Endpoint::new(&reader)?.facts().kind, Kind::Pipe);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    /// Memory of this process.
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

    /// Whether bytes can be asked for by their offset, so that none is ever taken out for good.
    pub const fn has_offsets(self) -> bool {
        self.is_seekable() || matches!(self, Self::Memory)
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
///
/// ```
/// use zcio::{Endpoint, Kind};
///
/// let memory = Endpoint::bytes(b"a few bytes");
/// assert_eq!((memory.facts().kind, memory.facts().size), (Kind::Memory, 11));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Independent flags of open(2), not a state machine.
pub struct Facts {
    /// What it is.
    pub kind: Kind,
    /// Size in bytes as fstat(2) says it; 0 for streams, devices, and files that have no size (`/proc`).
    pub size: u64,
    /// Opened with `O_APPEND`.
    pub append: bool,
    /// Opened with `O_DIRECT`.
    pub direct: bool,
    /// Opened with, or switched to, `O_NONBLOCK`, and not only for a while by something of ours (see [`crate::NonBlockingGuard`]).
    pub nonblocking: bool,
    /// Opened for reading.
    pub readable: bool,
    /// Opened for writing; of memory, whether it may be written.
    pub writable: bool,
    /// Memory that nobody can write any more ([`Pages`](crate::Pages)).
    pub frozen: bool,
    /// Memory that pages of a socket's queue can be put into ([`Region::receiving`](crate::Region::receiving)).
    pub receives: bool,
    /// Device number and inode number: the identity of what the descriptor refers to. A block device is known by its own
    /// number. Of memory, that of the file it is mapped from ([`Region`](crate::Region)); zeroes if there is none.
    pub identity: (u64, u64),
    /// A regular file on a file system of a type that can share blocks between files (XFS, btrfs, …). Found out only for
    /// the sink of a transfer where it matters, when that begins; false before.
    pub shares_blocks: bool,
    /// Who encrypts what is written to it, of a TCP socket.
    pub encryption: Encryption,
}

impl Facts {
    /// Asks the kernel: fstat(2), `F_GETFL`, and for sockets their family and type.
    pub(super) fn of(fd: BorrowedFd<'_>) -> Result<Self> {
        loop {
            let before = switched_back();
            let flags = fcntl(fd, FcntlArg::F_GETFL).map_err(|errno| Error::os("fcntl", errno))?;
            let facts = Self::opened(fd, OFlag::from_bits_retain(flags))?;
            // The mode may have been ours and have ended before we asked whose it was.
            if !facts.nonblocking || !facts.kind.is_stream() || switched_back() == before {
                return Ok(facts);
            }
        }
    }

    /// The same for a descriptor whose flags are known.
    pub(super) fn opened(fd: BorrowedFd<'_>, flags: OFlag) -> Result<Self> {
        let stat = fstat(fd).map_err(|errno| Error::os("fstat", errno))?;
        let access = flags & OFlag::O_ACCMODE;
        // O_PATH descriptors name a file without opening it: neither reading nor writing is allowed.
        let opened = !flags.contains(OFlag::O_PATH);
        let (kind, encryption) = kind_of(fd, &stat)?;
        let mut facts = Self {
            kind,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            append: flags.contains(OFlag::O_APPEND),
            direct: flags.contains(OFlag::O_DIRECT),
            nonblocking: flags.contains(OFlag::O_NONBLOCK),
            readable: opened && access != OFlag::O_WRONLY,
            writable: opened && access != OFlag::O_RDONLY,
            frozen: false,
            receives: false,
            identity: identity(&stat),
            shares_blocks: false,
            encryption,
        };
        facts.nonblocking &= !(kind.is_stream() && is_unblocked(fd, &facts.stream()));
        Ok(facts)
    }

    /// What it is known by among the streams that are switched.
    pub(super) fn stream(&self) -> Stream {
        let directions = (self.readable, self.writable);
        Stream { identity: self.identity, is_socket: self.kind.is_socket(), directions }
    }

    /// What is known of a socket of the standard library's without asking. Its identity is nobody's.
    pub(super) fn of_socket(kind: Kind) -> Self {
        Self { kind, size: 0, writable: true, identity: (0, u64::MAX), ..Self::of_memory(0, false) }
    }

    pub(super) fn of_memory(length: usize, frozen: bool) -> Self {
        Self {
            kind: Kind::Memory,
            size: length as u64,
            append: false,
            direct: false,
            nonblocking: false,
            readable: true,
            writable: false,
            frozen,
            receives: false,
            identity: (0, 0),
            shares_blocks: false,
            encryption: Encryption::None,
        }
    }
}

fn kind_of(fd: BorrowedFd<'_>, stat: &FileStat) -> Result<(Kind, Encryption)> {
    let kind = match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFREG => Kind::File,
        SFlag::S_IFDIR => Kind::Directory,
        SFlag::S_IFBLK => Kind::BlockDevice,
        SFlag::S_IFCHR => Kind::CharDevice,
        SFlag::S_IFIFO => Kind::Pipe,
        SFlag::S_IFSOCK => match tls::is_attached(fd) {
            // One call says that it is TCP, and whether it encrypts.
            Ok(true) => return Encryption::of(fd).map(|encryption| (Kind::Tcp, encryption)),
            Ok(false) => Kind::Tcp,
            Err(_) => kind_of_socket(fd).map_err(|errno| Error::os("getsockopt", errno))?,
        },
        _ => Kind::Other,
    };
    Ok((kind, Encryption::None))
}

/// One that does not know TCP's options, or an old MPTCP socket, which does not say.
fn kind_of_socket(fd: BorrowedFd<'_>) -> nix::Result<Kind> {
    let option = |option| crate::sys::socket_option(fd, option);
    if option(libc::SO_TYPE)? != libc::SOCK_STREAM {
        return Ok(Kind::Other);
    }
    Ok(match option(libc::SO_DOMAIN)? {
        libc::AF_UNIX => Kind::UnixStream,
        _ if matches!(option(libc::SO_PROTOCOL)?, libc::IPPROTO_TCP | libc::IPPROTO_MPTCP) => Kind::Tcp,
        _ => Kind::Other,
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::Kind;
    use crate::Endpoint;

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
}
