//! Ends of every kind, with somebody at the other side, for the tests beside this crate.
//!
//! A [`Source`] has its bytes already (file) or a thread that sends them (socket, pipe); a [`Sink`] has a file or a thread
//! that receives. Whatever a test does in between, [`Sink::received`] gives the bytes that really arrived.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::thread::JoinHandle;

pub use ends::{Sink, Source, UNTOUCHED};
use zcio::{Answer, Capabilities, Mechanism};

pub mod alone;
pub mod documents;
mod ends;
pub mod extents;
pub mod forked;
pub mod mounts;
pub mod seccomp;
pub mod terminals;

/// The kinds of ends that the matrix is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file in the temporary directory.
    File,
    /// A TCP connection over loopback.
    Tcp,
    /// An `AF_UNIX` stream socket pair.
    Unix,
    /// A pipe.
    Pipe,
    /// Memory: bytes that are borrowed.
    Bytes,
    /// Memory, as a source: pages nobody can write any more.
    Pages,
}

impl Kind {
    /// Everything with a descriptor: each of them can be a source and a sink.
    pub const ALL: [Self; 4] = [Self::File, Self::Tcp, Self::Unix, Self::Pipe];

    /// Everything that can be a sink.
    pub const SINKS: [Self; 5] = [Self::File, Self::Tcp, Self::Unix, Self::Pipe, Self::Bytes];

    /// Whether it is a file.
    pub fn is_file(self) -> bool {
        self == Self::File
    }

    /// Whether it is memory.
    pub fn is_memory(self) -> bool {
        matches!(self, Self::Bytes | Self::Pages)
    }
}

/// Bytes that repeat with no power of two, so that a shifted or doubled page shows.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8 ^ (i / 251 % 241) as u8).collect()
}

/// A connected TCP pair over loopback.
pub fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// A temporary file with those bytes, at position 0.
pub fn file_with(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// Everything in a file.
pub fn content(mut file: &File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Switches `O_NONBLOCK` on.
pub fn nonblocking(fd: &impl AsFd) {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_retain(fcntl(fd.as_fd(), FcntlArg::F_GETFL).unwrap());
    fcntl(fd.as_fd(), FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
}

/// The names in a folder, sorted.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The number of descriptors this process has open.
pub fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Says why a test is not run here; on CI (`ZCIO_REQUIRE` is set) that is a failure.
pub fn skip(why: &str) {
    assert!(std::env::var_os("ZCIO_REQUIRE").is_none(), "must not be skipped here: {why}");
    eprintln!("SKIPPED: {why}");
}

/// Whether this process has `CAP_SYS_ADMIN` (capabilities(7)).
pub fn may_administer() -> bool {
    const SYS_ADMIN: u64 = 1 << 21;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    u64::from_str_radix(held.trim(), 16).unwrap() & SYS_ADMIN != 0
}

/// Whether a mechanism (or the automatic choice) is to be had here. A container's filter denies `io_uring`, and an old kernel
/// lacks what zcio needs of it: then it says so, as [`skip`] does.
pub fn has(mechanism: impl Into<Option<Mechanism>>) -> bool {
    let Some(Mechanism::Uring) = mechanism.into() else { return true };
    let uring = Capabilities::get().find(Mechanism::Uring.name()).expect("every mechanism is asked for");
    let is_there = uring.answer == Answer::Yes;
    if !is_there {
        skip(&format!("uring: {}", uring.reason));
    }
    is_there
}

/// Ends the process, with a word, if a test that must not hang hangs. The seconds are more than it takes on a machine that
/// does nothing else; others get five times as long.
pub fn watchdog(seconds: u64, what: &'static str) -> impl Drop {
    struct Dog(std::sync::mpsc::Sender<()>);
    impl Drop for Dog {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (stop, stopped) = std::sync::mpsc::channel();
    let (awake, is_awake) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = awake.send(());
        let seconds = 5 * seconds;
        let limit = std::time::Duration::from_secs(seconds);
        if stopped.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{what}: hangs for {seconds} s");
            std::process::abort();
        }
    });
    // It has its memory: a test may take away what is left.
    let _ = is_awake.recv();
    Dog(stop)
}

/// Numbers that look random and are the same for the same seed (xorshift64*).
pub struct Random(u64);

impl Random {
    /// Tells the seed on standard error, so that a failure can be repeated; `ZCIO_SEED` sets it.
    pub fn seeded(default: u64) -> Self {
        let seed = std::env::var("ZCIO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(default);
        eprintln!("ZCIO_SEED={seed}");
        Self(seed | 1)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % limit
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// Interrupts this thread with signals that do nothing, every 50 µs, for as long as the value lives.
pub fn storm_of_signals() -> impl Drop {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
    struct Storm(Option<std::sync::mpsc::Sender<()>>, Option<JoinHandle<()>>);
    impl Drop for Storm {
        fn drop(&mut self) {
            self.0.take();
            self.1.take().map(JoinHandle::join);
        }
    }
    extern "C" fn nothing(_: libc::c_int) {}
    let handler = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing, which is async-signal-safe.
    unsafe { sigaction(Signal::SIGUSR1, &handler) }.unwrap();
    let target = nix::sys::pthread::pthread_self();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let storm = std::thread::spawn(move || {
        let pause = std::time::Duration::from_micros(50);
        while stopped.recv_timeout(pause) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            nix::sys::pthread::pthread_kill(target, Signal::SIGUSR1).unwrap();
        }
    });
    Storm(Some(stop), Some(storm))
}
