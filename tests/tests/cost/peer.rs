//! The other side of a program's streams: outside of strace, and told by the program what to be.
//!
//! The program's first connection is for commands of nine bytes, a letter and a number. `d`: the next connection over TCP is
//! drained; `u`: over UNIX; `q`: the FIFO `out` is. `s`: the next connection over TCP is a source; `p`: the FIFO `in` is.
//! `m`: the source sends that many bytes; answered with a byte when all are on their way, or no more fit. `e`: the source ends.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::Mode;

/// What an unprivileged process may ask for.
const PIPE: i32 = 1 << 20;

pub struct Peer {
    port: u16,
    directory: PathBuf,
}

impl Peer {
    pub fn new(directory: &Path) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let unix = UnixListener::bind(directory.join("socket")).unwrap();
        for fifo in ["in", "out"] {
            nix::unistd::mkfifo(&directory.join(fifo), Mode::S_IRWXU).unwrap();
        }
        let peer = Self { port: tcp.local_addr().unwrap().port(), directory: directory.into() };
        let directory = directory.to_path_buf();
        thread::spawn(move || obey(&tcp, &unix, &directory));
        peer
    }

    /// For the program.
    pub fn arguments(&self) -> [String; 2] {
        [self.port.to_string(), self.directory.to_str().unwrap().into()]
    }
}

fn obey(tcp: &TcpListener, unix: &UnixListener, directory: &Path) {
    let mut commands = tcp.accept().unwrap().0;
    let mut source: Option<OwnedFd> = None;
    let mut command = [0; 9];
    while commands.read_exact(&mut command).is_ok() {
        match command[0] {
            b'd' => drain(tcp.accept().unwrap().0),
            b'u' => drain(unix.accept().unwrap().0),
            b'q' => {
                let pipe = File::open(directory.join("out")).unwrap();
                fcntl(&pipe, FcntlArg::F_SETPIPE_SZ(PIPE)).unwrap();
                drain(pipe);
            }
            b's' => source = Some(tcp.accept().unwrap().0.into()),
            b'p' => {
                let pipe = OpenOptions::new().write(true).open(directory.join("in")).unwrap();
                fcntl(&pipe, FcntlArg::F_SETPIPE_SZ(PIPE)).unwrap();
                source = Some(pipe.into());
            }
            b'm' => {
                let rest = fill(source.as_ref().unwrap(), u64::from_be_bytes(command[1..].try_into().unwrap()));
                let to = File::from(source.as_ref().unwrap().try_clone().unwrap());
                thread::spawn(move || send(to, rest));
                commands.write_all(b"g").unwrap();
            }
            _ => source = None,
        }
    }
}

fn drain(mut from: impl Read + Send + 'static) {
    thread::spawn(move || std::io::copy(&mut from, &mut std::io::sink()));
}

/// Sends what fits; gives back what does not.
fn fill(to: &OwnedFd, mut count: u64) -> u64 {
    switch(to, OFlag::O_NONBLOCK);
    let chunk = vec![7; 1 << 20];
    while count > 0 {
        match nix::unistd::write(to, &chunk[..count.min(chunk.len() as u64) as usize]) {
            Ok(sent) => count -= sent as u64,
            Err(_) => break,
        }
    }
    switch(to, OFlag::empty());
    count
}

fn send(mut to: File, count: u64) {
    let _ = std::io::copy(&mut std::io::repeat(7).take(count), &mut to);
}

fn switch(to: &impl AsFd, flags: OFlag) {
    fcntl(to, FcntlArg::F_SETFL(flags)).unwrap();
}
