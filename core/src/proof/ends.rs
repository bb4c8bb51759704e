//! The two ends of a route, with somebody at the other side whom we can make wait: nothing is read there until an
//! experiment says so.
//!
//! Every source can be changed after its bytes have been moved. A stream is fed by sendfile(2) from a file, so that its
//! queue holds that file's own pages, and it is the file that is changed; memory is written through /proc/self/mem, as a
//! debugger does it, when no reference to it is in use.

use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::memfd::MFdFlags;

use super::network::Network;
use crate::buffer::{AlignedBuffer, Pages};
use crate::endpoint::Endpoint;
use crate::ktls::{self, Cipher, Keys, Version, Way};
use crate::mechanism::Mechanism;
use crate::region::{Populate, Region};
use crate::sys::{by_number, tls};
use crate::transfer::Transfer;

/// How long a receiver waits before it is an error.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where bytes come from.
pub(super) enum Source {
    File(File),
    /// The end to take from, and the file that the bytes in its queue are pages of.
    Stream {
        near: TcpStream,
        behind: File,
        _far: TcpStream,
    },
    /// A connection that somebody else feeds.
    Socket(TcpStream),
    Memory(Pages),
}

/// Where bytes go to, and who has them then.
pub(super) enum Sink {
    File(File),
    Tcp(TcpStream, TcpStream),
    Unix(UnixStream, UnixStream),
    Pipe(PipeWriter, PipeReader),
    Memory(Region),
}

/// The near end of a sink whose other side is somebody else's affair.
pub(super) enum Near {
    Descriptor(OwnedFd),
    Memory(Region),
}

impl Near {
    /// The end of a transfer.
    pub fn end(&self) -> io::Result<Endpoint<'_>> {
        let end = match self {
            Self::Descriptor(descriptor) => Endpoint::new(descriptor),
            Self::Memory(region) => Endpoint::region(region, ..),
        };
        end.map_err(crate::Error::whole)
    }
}

impl Source {
    /// A connection whose queue holds the pages of that file, all of it.
    pub fn stream(network: &Network, behind: File) -> io::Result<Self> {
        let (far, near) = network.connect()?;
        let ends = (
            Endpoint::new(behind.as_fd()).map_err(crate::Error::whole)?,
            Endpoint::new(far.as_fd()).map_err(crate::Error::whole)?,
        );
        Transfer::new(ends.0, ends.1).offset(0).mechanism(Mechanism::Sendfile).run().map_err(crate::Error::whole)?;
        near.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::Stream { near, behind, _far: far })
    }

    /// Memory with that byte everywhere.
    pub fn memory(length: usize, byte: u8) -> io::Result<Self> {
        let mut buffer = AlignedBuffer::new(length).map_err(crate::Error::whole)?;
        buffer.fill(byte);
        Ok(Self::Memory(buffer.freeze()))
    }

    /// The end of a transfer.
    pub fn end(&self) -> io::Result<Endpoint<'_>> {
        Ok(match self {
            Self::Memory(pages) => Endpoint::pages(pages.clone()),
            Self::File(file) => Endpoint::new(file.as_fd()).map_err(crate::Error::whole)?,
            Self::Stream { near, .. } | Self::Socket(near) => {
                Endpoint::new(near.as_fd()).map_err(crate::Error::whole)?
            }
        })
    }

    /// The descriptor; memory has none.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::File(file) => Some(file.as_fd()),
            Self::Stream { near, .. } | Self::Socket(near) => Some(near.as_fd()),
            Self::Memory(_) => None,
        }
    }

    /// Makes every byte another one, at the place the bytes came from.
    pub fn change(&self, byte: u8) -> io::Result<()> {
        match self {
            Self::File(file) | Self::Stream { behind: file, .. } => {
                file.write_all_at(&vec![byte; file.metadata()?.len() as usize], 0)
            }
            Self::Socket(_) => Err(io::Error::other("the bytes of this source are not ours to change")),
            Self::Memory(pages) => {
                let memory = OpenOptions::new().write(true).open("/proc/self/mem")?;
                memory.write_all_at(&vec![byte; pages.len()], pages.as_ptr() as u64)
            }
        }
    }
}

impl Sink {
    pub fn tcp(network: &Network) -> io::Result<Self> {
        let (near, far) = network.connect()?;
        far.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::Tcp(near, far))
    }

    /// TCP with TLS in the kernel at both ends, with keys that nobody needs to keep secret.
    pub fn tls(network: &Network) -> io::Result<Self> {
        if !tls::is_loaded() {
            return Err(io::Error::other("there is no TLS in this kernel, or its module (tls) is not loaded"));
        }
        let (near, far) = network.connect()?;
        let keys =
            Keys { version: Version::Tls13, cipher: Cipher::Aes128Gcm, key: vec![1; 16], iv: [2; 12], sequence: 0 };
        for (end, way) in [(&near, Way::Sending), (&far, Way::Receiving)] {
            let given = ktls::attach(end.as_fd()).and_then(|()| ktls::set_keys(end.as_fd(), way, &keys));
            given.map_err(crate::Error::whole)?;
        }
        far.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::Tcp(near, far))
    }

    pub fn unix() -> io::Result<Self> {
        let (near, far) = UnixStream::pair()?;
        far.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::Unix(near, far))
    }

    pub fn pipe() -> io::Result<Self> {
        let (far, near) = io::pipe()?;
        Ok(Self::Pipe(near, far))
    }

    /// Memory, with a page behind every byte.
    pub fn memory(length: u64) -> io::Result<Self> {
        let region = Region::anonymous(length).map_err(crate::Error::whole)?;
        region.populate(.., Populate::Write).map_err(crate::Error::whole)?;
        Ok(Self::Memory(region))
    }

    /// The end of a transfer.
    pub fn end(&self) -> io::Result<Endpoint<'_>> {
        let end = match (self, self.descriptor()) {
            (_, Some(descriptor)) => Endpoint::new(descriptor),
            (Self::Memory(region), _) => Endpoint::region(region, ..),
            (_, None) => unreachable!("only memory has none"),
        };
        end.map_err(crate::Error::whole)
    }

    /// The descriptor; memory has none.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::File(file) => Some(file.as_fd()),
            Self::Tcp(near, _) => Some(near.as_fd()),
            Self::Unix(near, _) => Some(near.as_fd()),
            Self::Pipe(near, _) => Some(near.as_fd()),
            Self::Memory(_) => None,
        }
    }

    /// That many bytes, read by the receiver now.
    pub fn receive(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        match self {
            Self::File(file) => file.read_exact_at(&mut bytes, 0)?,
            Self::Tcp(_, far) => far.read_exact(&mut bytes)?,
            Self::Unix(_, far) => far.read_exact(&mut bytes)?,
            Self::Pipe(_, far) => far.read_exact(&mut bytes)?,
            Self::Memory(region) => drop(region.read_at(0, &mut bytes).map_err(crate::Error::whole)?),
        }
        Ok(bytes)
    }
}

/// A file without a name, open for reading and writing.
pub(super) fn nameless(directory: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.clone().custom_flags(libc::O_TMPFILE).open(directory) {
        Err(error) if [Some(libc::EOPNOTSUPP), Some(libc::EISDIR)].contains(&error.raw_os_error()) => {}
        opened => return opened,
    }
    // A file system that cannot begin without a name.
    let path = directory.join(format!(".zcio-proof-{}-{}", std::process::id(), by_number::thread()));
    let file = options.create_new(true).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

/// A file that is memory (tmpfs).
pub(super) fn in_memory() -> io::Result<File> {
    Ok(by_number::memfd_create(c"zcio-proof", MFdFlags::MFD_CLOEXEC)?.into())
}

/// The same with that byte everywhere, at position 0.
pub(super) fn filled(file: File, length: u64, byte: u8) -> io::Result<File> {
    const PIECE: u64 = 1 << 20;
    let piece = vec![byte; length.min(PIECE) as usize];
    let mut at = 0;
    while at < length {
        let count = (length - at).min(PIECE) as usize;
        file.write_all_at(&piece[..count], at)?;
        at += count as u64;
    }
    Ok(file)
}
