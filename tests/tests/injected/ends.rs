//! The two ends of a case. The peers of streams are played by the test itself, a little at a time, or by a thread.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use zcio::{AlignedBuffer, Endpoint};
use zcio_tests::{file_with, nonblocking, tcp_pair};

/// What an end can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Memfd,
    Tcp,
    Unix,
    Pipe,
    /// Borrowed memory.
    Bytes,
    /// Frozen pages; a source only.
    Pages,
}

impl Kind {
    pub const SOURCES: [Self; 7] =
        [Self::File, Self::Memfd, Self::Tcp, Self::Unix, Self::Pipe, Self::Bytes, Self::Pages];
    pub const SINKS: [Self; 6] = [Self::File, Self::Memfd, Self::Tcp, Self::Unix, Self::Pipe, Self::Bytes];

    pub fn is_file(self) -> bool {
        matches!(self, Self::File | Self::Memfd)
    }

    pub fn is_memory(self) -> bool {
        matches!(self, Self::Bytes | Self::Pages)
    }

    /// Two ends of a stream, the first to be read from and the second to be written to.
    fn stream(self) -> (OwnedFd, OwnedFd) {
        match self {
            Self::Tcp => {
                let (read, write) = tcp_pair();
                (read.into(), write.into())
            }
            Self::Unix => {
                let (read, write) = UnixStream::pair().unwrap();
                (read.into(), write.into())
            }
            Self::Pipe => {
                let (read, write) = std::io::pipe().unwrap();
                (read.into(), write.into())
            }
            _ => unreachable!("{self:?} is no stream"),
        }
    }

    fn file(self, bytes: &[u8]) -> File {
        if self == Self::File {
            return file_with(bytes);
        }
        let mut file =
            File::from(nix::sys::memfd::memfd_create(c"zcio", nix::sys::memfd::MFdFlags::MFD_CLOEXEC).unwrap());
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }
}

fn blocking(fd: &impl AsFd) {
    let flags = OFlag::from_bits_retain(fcntl(fd.as_fd(), FcntlArg::F_GETFL).unwrap());
    fcntl(fd.as_fd(), FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK)).unwrap();
}

/// The near end of a source or a sink: what a transfer is given.
pub enum Near {
    Descriptor(File),
    Bytes(Vec<u8>),
    Pages(zcio::Pages),
}

impl Near {
    pub fn endpoint(&self) -> Endpoint<'_> {
        match self {
            Self::Descriptor(file) => Endpoint::new(file.as_fd()).unwrap(),
            Self::Bytes(bytes) => Endpoint::bytes(bytes),
            Self::Pages(pages) => Endpoint::pages(pages.clone()),
        }
    }

    pub fn sink(&mut self) -> Endpoint<'_> {
        match self {
            Self::Bytes(bytes) => Endpoint::bytes_mut(bytes),
            other => other.endpoint(),
        }
    }

    /// The descriptor of an end that has one.
    pub fn file(&self) -> Option<&File> {
        match self {
            Self::Descriptor(file) => Some(file),
            Self::Bytes(_) | Self::Pages(_) => None,
        }
    }
}

/// The other side of a stream source: what it still has to send.
pub enum Feeder {
    /// Nobody: a file, memory, or everything has been sent.
    None,
    /// The test, when it is asked to.
    Hand { far: File, bytes: Vec<u8>, sent: usize },
    /// A thread.
    Thread(JoinHandle<()>),
}

impl Feeder {
    /// The peer sends at most that much more, and closes behind the last byte.
    pub fn feed(&mut self, at_most: usize) {
        let Self::Hand { far, bytes, sent } = self else { return };
        let end = bytes.len().min(*sent + at_most);
        match far.write(&bytes[*sent..end]) {
            Ok(count) => *sent += count,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        if *sent == bytes.len() {
            *self = Self::None;
        }
    }
}

/// A source with all of the case's bytes in it or behind it.
pub struct Source {
    pub near: Near,
    pub feeder: Feeder,
}

impl Source {
    pub fn new(kind: Kind, bytes: &[u8], threads: bool) -> Self {
        let near = match kind {
            Kind::File | Kind::Memfd => Near::Descriptor(kind.file(bytes)),
            Kind::Bytes => Near::Bytes(bytes.to_vec()),
            Kind::Pages => {
                let mut buffer = AlignedBuffer::new(bytes.len()).unwrap();
                buffer[..bytes.len()].copy_from_slice(bytes);
                Near::Pages(buffer.freeze())
            }
            Kind::Tcp | Kind::Unix | Kind::Pipe => {
                let (read, write) = kind.stream();
                let (mut far, bytes) = (File::from(write), bytes.to_vec());
                let feeder = if threads {
                    Feeder::Thread(std::thread::spawn(move || far.write_all(&bytes).unwrap()))
                } else {
                    nonblocking(&far);
                    Feeder::Hand { far, bytes, sent: 0 }
                };
                return Self { near: Near::Descriptor(read.into()), feeder };
            }
        };
        Self { near, feeder: Feeder::None }
    }

    /// Everything that is still in a stream, to its end.
    pub fn rest(mut self) -> Vec<u8> {
        let Near::Descriptor(mut near) = self.near else { return Vec::new() };
        let mut rest = Vec::new();
        while matches!(self.feeder, Feeder::Hand { .. }) {
            nonblocking(&near);
            self.feeder.feed(usize::MAX >> 1);
            if let Err(error) = near.read_to_end(&mut rest) {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
            }
        }
        blocking(&near);
        near.read_to_end(&mut rest).unwrap();
        if let Feeder::Thread(thread) = self.feeder {
            thread.join().unwrap();
        }
        rest
    }
}

/// The other side of a stream sink: what has arrived.
pub enum Drainer {
    /// Nobody: a file.
    None,
    /// The test, when it is asked to.
    Hand { far: File, received: Vec<u8> },
    /// A thread.
    Thread(JoinHandle<Vec<u8>>),
}

impl Drainer {
    /// The peer receives at most that much.
    pub fn drain(&mut self, at_most: usize) {
        let Self::Hand { far, received } = self else { return };
        if let Err(error) = far.take(at_most as u64).read_to_end(received) {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
    }
}

/// A sink, and whoever reads behind it.
pub struct Sink {
    pub near: Near,
    pub drainer: Drainer,
}

impl Sink {
    /// `before` is what a file holds at first, or memory.
    pub fn new(kind: Kind, before: &[u8], append: bool, threads: bool) -> Self {
        if kind.is_memory() {
            return Self { near: Near::Bytes(before.to_vec()), drainer: Drainer::None };
        }
        if kind.is_file() {
            let near = kind.file(before);
            if append {
                fcntl(near.as_fd(), FcntlArg::F_SETFL(OFlag::O_APPEND)).unwrap();
            }
            return Self { near: Near::Descriptor(near), drainer: Drainer::None };
        }
        let (read, write) = kind.stream();
        let mut far = File::from(read);
        let drainer = if threads {
            Drainer::Thread(std::thread::spawn(move || {
                let mut received = Vec::new();
                far.read_to_end(&mut received).unwrap();
                received
            }))
        } else {
            nonblocking(&far);
            Drainer::Hand { far, received: Vec::new() }
        };
        Self { near: Near::Descriptor(write.into()), drainer }
    }

    /// Closes the sink and gives everything that arrived, or all that is in the file or in the memory.
    pub fn received(self) -> Vec<u8> {
        match self.drainer {
            Drainer::None => match self.near {
                Near::Descriptor(file) => zcio_tests::content(&file),
                Near::Bytes(bytes) => bytes,
                Near::Pages(_) => unreachable!("pages are no sink"),
            },
            Drainer::Hand { mut far, mut received } => {
                drop(self.near);
                blocking(&far);
                far.read_to_end(&mut received).unwrap();
                received
            }
            Drainer::Thread(thread) => {
                drop(self.near);
                thread.join().unwrap()
            }
        }
    }
}
