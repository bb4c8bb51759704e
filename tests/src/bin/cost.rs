//! Transfers between marks: Rust's part of `tests/cost`. What the peer is told: `tests/cost/peer.rs`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zcio::region::{Access, RegionOptions};
use zcio::{Endpoint, Region, Relay, Transfer};

const SIZES: [u64; 5] = [4 << 10, 64 << 10, 256 << 10, 1 << 20, 16 << 20];

/// Where strace begins to count, and ends: a path that does not exist.
fn mark(row: &str, size: u64, who: &str) {
    let _ = std::fs::metadata(format!("/zcio-mark/{row}/{size}/{who}"));
}

fn end() {
    let _ = std::fs::metadata("/zcio-mark/end");
}

struct Peer {
    port: u16,
    directory: PathBuf,
    commands: TcpStream,
}

impl Peer {
    fn ask(&self, what: u8, number: u64) {
        (&self.commands).write_all(&[&[what][..], &number.to_be_bytes()].concat()).unwrap();
    }

    /// The source sends so much, and it is on its way when this is over.
    fn send(&self, size: u64) {
        self.ask(b'm', size);
        (&self.commands).read_exact(&mut [0]).unwrap();
    }

    fn content(&self) -> File {
        File::open(self.directory.join("content")).unwrap()
    }

    fn file(&self) -> File {
        File::create(self.directory.join("copy")).unwrap()
    }

    fn tcp(&self, what: u8) -> TcpStream {
        self.ask(what, 0);
        TcpStream::connect(("127.0.0.1", self.port)).unwrap()
    }

    fn unix(&self) -> UnixStream {
        self.ask(b'u', 0);
        UnixStream::connect(self.directory.join("socket")).unwrap()
    }

    fn pipe_in(&self) -> File {
        self.ask(b'p', 0);
        File::open(self.directory.join("in")).unwrap()
    }

    fn pipe_out(&self) -> File {
        self.ask(b'q', 0);
        OpenOptions::new().write(true).open(self.directory.join("out")).unwrap()
    }
}

/// One route: the standard library's way, and zcio's twice.
fn route<A: Read + AsFd, B: Write + AsFd>(row: &str, size: u64, peer: &Peer, ends: impl Fn() -> (A, B)) {
    let stream = row.starts_with("tcp") || row.starts_with("pipe");
    let send = || {
        if stream {
            peer.send(size);
        }
    };
    {
        let (source, mut sink) = ends();
        send();
        mark(row, size, "own");
        let copied = std::io::copy(&mut source.take(size), &mut sink).unwrap();
        end();
        assert_eq!(copied, size);
    }
    let (source, sink) = ends();
    let transfer = |from, to| {
        let transfer = Transfer::new(from, to).count(size);
        let report = if stream { transfer } else { transfer.offset(0) }.run().unwrap();
        assert_eq!(report.bytes, size);
    };
    send();
    mark(row, size, "new");
    transfer(Endpoint::new(&source).unwrap(), Endpoint::new(&sink).unwrap());
    end();
    let (from, to) = (Endpoint::new(&source).unwrap(), Endpoint::new(&sink).unwrap());
    send();
    transfer(from.borrow(), to.borrow());
    send();
    mark(row, size, "kept");
    transfer(from.borrow(), to.borrow());
    end();
}

fn memory(row: &str, size: u64, peer: &Peer, bytes: &[u8], end_of: impl Fn() -> Endpoint<'static>) {
    let own = peer.tcp(b'd');
    mark(row, size, "own");
    (&own).write_all(bytes).unwrap();
    end();
    let socket = peer.tcp(b'd');
    mark(row, size, "new");
    let new = Transfer::new(end_of(), Endpoint::new(&socket).unwrap()).run().unwrap();
    end();
    let (from, to) = (end_of(), Endpoint::new(&socket).unwrap());
    Transfer::new(from.borrow(), to.borrow()).run().unwrap();
    mark(row, size, "kept");
    let kept = Transfer::new(from.borrow(), to.borrow()).run().unwrap();
    end();
    assert_eq!((new.bytes, kept.bytes), (size, size));
}

fn relay(size: u64, peer: &Peer) {
    for who in ["warm", "own", "new"] {
        let (from, to) = (peer.tcp(b's'), peer.tcp(b'd'));
        peer.send(size);
        peer.ask(b'e', 0);
        mark("tcp-tcp", size, who);
        let bytes = if who == "own" {
            joined(&from, &to)
        } else {
            let ends = (Endpoint::new(&from).unwrap(), Endpoint::new(&to).unwrap());
            Relay::new(ends.0, ends.1).run().unwrap().forward.bytes
        };
        end();
        assert_eq!(bytes, size);
    }
}

/// What one writes without zcio: both directions by poll(2), and a buffer.
fn joined(from: &TcpStream, to: &TcpStream) -> u64 {
    let (mut bytes, mut buffer, mut open) = (0, vec![0; 64 << 10], [true, true]);
    while open != [false, false] {
        let events = |open| if open { PollFlags::POLLIN } else { PollFlags::empty() };
        let mut polled = [PollFd::new(from.as_fd(), events(open[0])), PollFd::new(to.as_fd(), events(open[1]))];
        poll(&mut polled, PollTimeout::NONE).unwrap();
        let ready = polled.map(|end| end.any().unwrap());
        for (way, (mut source, mut sink)) in [(from, to), (to, from)].into_iter().enumerate() {
            if !(ready[way] && open[way]) {
                continue;
            }
            match source.read(&mut buffer).unwrap() {
                0 => {
                    open[way] = false;
                    sink.shutdown(Shutdown::Write).unwrap();
                }
                count => {
                    sink.write_all(&buffer[..count]).unwrap();
                    bytes += count as u64;
                }
            }
        }
    }
    bytes
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().unwrap().parse().unwrap();
    let directory = PathBuf::from(arguments.next().unwrap());
    let commands = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let peer = Peer { port, directory, commands };
    // The first time, the standard library tries out what the kernel has, and zcio what the file system does.
    std::fs::write(peer.directory.join("content"), vec![7; 100 << 10]).unwrap();
    std::io::copy(&mut peer.content(), &mut peer.file()).unwrap();
    let ends = (peer.content(), peer.file());
    Transfer::new(Endpoint::new(&ends.0).unwrap(), Endpoint::new(&ends.1).unwrap()).run().unwrap();
    std::io::copy(&mut peer.content(), &mut peer.tcp(b'd')).unwrap();
    for size in SIZES {
        let bytes: &'static [u8] = vec![7; size as usize].leak();
        std::fs::write(peer.directory.join("content"), bytes).unwrap();
        route("file-tcp", size, &peer, || (peer.content(), peer.tcp(b'd')));
        route("file-unix", size, &peer, || (peer.content(), peer.unix()));
        route("file-pipe", size, &peer, || (peer.content(), peer.pipe_out()));
        route("file-file", size, &peer, || (peer.content(), peer.file()));
        route("tcp-file", size, &peer, || (peer.tcp(b's'), peer.file()));
        route("pipe-file", size, &peer, || (peer.pipe_in(), peer.file()));
        relay(size, &peer);
        memory("memory-tcp", size, &peer, bytes, || Endpoint::bytes(bytes));
        let region = RegionOptions::new().access(Access::ReadOnly).map(peer.content().as_fd()).unwrap();
        memory("region-tcp", size, &peer, bytes, || of(&region));
    }
}

fn of(region: &Region) -> Endpoint<'static> {
    Endpoint::region(region, ..).unwrap()
}
