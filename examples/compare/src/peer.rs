//! The other end of a TCP connection: neutral, the same for every lane, and as cheap as the kernel allows.
//!
//! In timed runs it discards what it receives with `MSG_TRUNC` (tcp(7)), which copies nothing, and sends one block of
//! memory over and over, so that the lane's cost shows and not the peer's. In runs that check the content it receives and
//! hashes every byte, and sends the file itself.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{MsgFlags, recv};
use sha2::{Digest, Sha256};

/// Bytes per call of the peer.
const BLOCK: usize = 1 << 20;

/// What arrived at a receiving end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// How many bytes.
    pub bytes: u64,
    /// Their SHA-256 in hexadecimal, where they were looked at.
    pub sha256: Option<String>,
}

/// A listener for one connection, on the loopback address and a free port.
pub struct Peer(TcpListener);

impl Peer {
    /// Listens. The lane is expected to connect before it is accepted.
    pub fn listen() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on the loopback address")?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// Where to connect to.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.0.local_addr()?)
    }

    /// The connection that a lane has opened before it said that it was ready; never waits.
    pub fn accept(self) -> Result<TcpStream> {
        let (stream, _) = self.0.accept().context("the lane said it was ready and had not connected")?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    }
}

/// Receives until the end of the stream and throws it away inside the kernel.
pub fn discard(stream: &TcpStream) -> Result<Content> {
    // The kernel takes its length and does not write to it.
    let mut untouched = vec![0; BLOCK];
    let mut bytes = 0;
    loop {
        match recv(stream.as_raw_fd(), &mut untouched, MsgFlags::MSG_TRUNC) {
            Ok(0) => return Ok(Content { bytes, sha256: None }),
            Ok(count) => bytes += count as u64,
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("the receiver failed"),
        }
    }
}

/// Reads until the end and hashes every byte.
pub fn hash(mut source: impl Read) -> Result<Content> {
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut bytes = 0;
    loop {
        match source.read(&mut block) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&block[..count]);
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("cannot read what is to be checked"),
        }
    }
    Ok(Content { bytes, sha256: Some(hexadecimal(&hasher.finalize())) })
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Sends `size` bytes from memory: any bytes, because only their number matters in a timed run.
pub fn send_block(mut stream: &TcpStream, size: u64) -> Result<()> {
    let block = vec![0x5a; BLOCK];
    let mut left = size;
    while left > 0 {
        let count = left.min(BLOCK as u64) as usize;
        stream.write_all(&block[..count]).context("the sender failed")?;
        left -= count as u64;
    }
    Ok(())
}

/// Sends that file.
pub fn send_file(mut stream: &TcpStream, path: &Path, size: u64) -> Result<()> {
    let sent = io::copy(&mut File::open(path)?, &mut stream).context("the sender failed")?;
    ensure!(sent == size, "{} has changed its size", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn what_is_discarded_is_counted_and_what_is_hashed_is_hashed() {
        for look in [false, true] {
            let peer = Peer::listen().unwrap();
            let lane = TcpStream::connect(peer.address().unwrap()).unwrap();
            let stream = peer.accept().unwrap();
            let content = thread::scope(|scope| {
                let receiver = scope.spawn(|| if look { hash(&stream) } else { discard(&stream) });
                (&lane).write_all(b"abc").unwrap();
                lane.shutdown(std::net::Shutdown::Write).unwrap();
                receiver.join().unwrap().unwrap()
            });
            // The first example of FIPS 180-4.
            let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
            assert_eq!(content, Content { bytes: 3, sha256: look.then(|| abc.to_string()) });
        }
    }

    #[test]
    fn a_lane_that_did_not_connect_is_not_waited_for() {
        assert!(Peer::listen().unwrap().accept().is_err());
    }
}
