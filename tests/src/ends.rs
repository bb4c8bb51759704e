//! Ends with somebody at the other side.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use zcio::Endpoint;

use super::{Kind, content, file_with, tcp_pair};

/// Where a test reads from.
pub enum Source {
    /// A file at position 0.
    File(File),
    /// A socket or pipe with a thread behind it that sends everything and closes.
    Tcp(TcpStream, JoinHandle<()>),
    /// As above.
    Unix(UnixStream, JoinHandle<()>),
    /// As above.
    Pipe(PipeReader, JoinHandle<()>),
    /// Memory.
    Bytes(Vec<u8>),
    /// Memory.
    Pages(Option<zcio::Pages>),
}

impl Source {
    /// A source of that kind with those bytes in it.
    pub fn with(kind: Kind, bytes: &[u8]) -> Self {
        let bytes = bytes.to_vec();
        match kind {
            Kind::File => Self::File(file_with(&bytes)),
            Kind::Tcp => {
                let (near, far) = tcp_pair();
                Self::Tcp(near, feed(far, bytes))
            }
            Kind::Unix => {
                let (near, far) = UnixStream::pair().unwrap();
                Self::Unix(near, feed(far, bytes))
            }
            Kind::Pipe => {
                let (near, far) = io::pipe().unwrap();
                Self::Pipe(near, feed(far, bytes))
            }
            Kind::Bytes => Self::Bytes(bytes),
            // There are no empty pages: no page at all is said by an end of no bytes.
            Kind::Pages if bytes.is_empty() => Self::Pages(None),
            Kind::Pages => {
                let mut buffer = zcio::AlignedBuffer::new(bytes.len()).unwrap();
                buffer.copy_from_slice(&bytes);
                Self::Pages(Some(buffer.freeze()))
            }
        }
    }
}

impl Source {
    /// The end of a transfer.
    pub fn end(&self) -> Endpoint<'_> {
        match self {
            Self::Bytes(bytes) => Endpoint::bytes(bytes),
            Self::Pages(None) => Endpoint::bytes(&[]),
            Self::Pages(Some(pages)) => Endpoint::pages(pages.clone()),
            _ => Endpoint::new(self.as_fd()).unwrap(),
        }
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::File(end) => end.as_fd(),
            Self::Tcp(end, _) => end.as_fd(),
            Self::Unix(end, _) => end.as_fd(),
            Self::Pipe(end, _) => end.as_fd(),
            Self::Bytes(_) | Self::Pages(_) => panic!("memory has no descriptor"),
        }
    }
}

/// Sends everything and closes. A transfer that is refused closes its end: the EPIPE of it is nobody's concern.
fn feed(mut to: impl Write + Send + 'static, bytes: Vec<u8>) -> JoinHandle<()> {
    std::thread::spawn(move || drop(to.write_all(&bytes)))
}

/// Receives to the end.
fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// Where a test writes to.
pub enum Sink {
    /// A file, empty unless the test wrote to it.
    File(File),
    /// A socket or pipe with a thread behind it that receives to the end.
    Tcp(TcpStream, JoinHandle<Vec<u8>>),
    /// As above.
    Unix(UnixStream, JoinHandle<Vec<u8>>),
    /// As above.
    Pipe(PipeWriter, JoinHandle<Vec<u8>>),
    /// Memory.
    Bytes(Vec<u8>),
}

/// What memory is full of before anything arrives.
pub const UNTOUCHED: u8 = 0xEE;

impl Sink {
    /// Memory of so many bytes.
    pub fn memory(length: usize) -> Self {
        Self::Bytes(vec![UNTOUCHED; length])
    }

    /// The end of a transfer.
    pub fn end(&mut self) -> Endpoint<'_> {
        match self {
            Self::Bytes(bytes) => Endpoint::bytes_mut(bytes),
            other => Endpoint::new((*other).as_fd()).unwrap(),
        }
    }

    /// A sink of that kind.
    pub fn new(kind: Kind) -> Self {
        match kind {
            Kind::File => Self::File(tempfile::tempfile().unwrap()),
            Kind::Tcp => {
                let (near, far) = tcp_pair();
                Self::Tcp(near, collect(far))
            }
            Kind::Unix => {
                let (near, far) = UnixStream::pair().unwrap();
                Self::Unix(near, collect(far))
            }
            Kind::Pipe => {
                let (far, near) = io::pipe().unwrap();
                Self::Pipe(near, collect(far))
            }
            Kind::Bytes | Kind::Pages => panic!("memory has a length: see `Sink::memory`"),
        }
    }

    /// Closes the sink and gives everything that arrived at the other side; of memory, all of it.
    pub fn received(self) -> Vec<u8> {
        match self {
            Self::File(file) => content(&file),
            Self::Tcp(end, collector) => {
                end.shutdown(Shutdown::Write).unwrap();
                collector.join().unwrap()
            }
            Self::Unix(end, collector) => {
                drop(end);
                collector.join().unwrap()
            }
            Self::Pipe(end, collector) => {
                drop(end);
                collector.join().unwrap()
            }
            Self::Bytes(bytes) => bytes,
        }
    }

    /// As [`Self::received`]; of memory, the bytes that a transfer says it has moved: those behind must be as they were.
    pub fn received_of(self, moved: u64) -> Vec<u8> {
        let is_memory = matches!(self, Self::Bytes(_));
        let mut bytes = self.received();
        if is_memory {
            let rest = bytes.split_off(moved as usize);
            assert!(rest.iter().all(|&byte| byte == UNTOUCHED), "memory was written behind {moved} bytes");
        }
        bytes
    }
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::File(end) => end.as_fd(),
            Self::Tcp(end, _) => end.as_fd(),
            Self::Unix(end, _) => end.as_fd(),
            Self::Pipe(end, _) => end.as_fd(),
            Self::Bytes(_) => panic!("memory has no descriptor"),
        }
    }
}
