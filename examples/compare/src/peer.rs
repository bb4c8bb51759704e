//! The other end of a connection: neutral, the same for every lane, and as cheap as the kernel allows.
//!
//! In timed runs it discards what it receives with `MSG_TRUNC` (tcp(7)), which copies nothing, and sends one block of
//! memory over and over, so that the lane's cost shows and not the peer's. In runs that check the content it receives and
//! hashes every byte, and sends the file itself.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{Backlog, MsgFlags, listen, recv};

use crate::lane::{Lane, Sample};
use crate::pin::{Pin, Pinned, Side};
use crate::protocol::Message;
use crate::subject::{self, Content, Subject};

/// How closely the receiving end looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// At every byte. Too expensive to be timed.
    Content,
    /// At their number.
    Count,
}

impl Check {
    /// As lanes are told, on the routes where it is they who look.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Count => "count",
        }
    }
}

/// Bytes per call of the peer.
const BLOCK: usize = 1 << 20;

/// A listener on the loopback address and a free port.
pub struct Peer(TcpListener);

impl Peer {
    /// Listens. The lane is expected to connect before it is accepted.
    pub fn listen() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on the loopback address")?;
        // All connections are opened before one is accepted, and the standard library makes room for 128.
        listen(&listener, Backlog::MAXALLOWABLE)?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// Where to connect to.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.0.local_addr()?)
    }

    /// A connection that a lane has opened before it said that it was ready; never waits.
    pub fn accept(&self) -> Result<TcpStream> {
        let (stream, _) = self.0.accept().context("the lane said it was ready and had not connected")?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    }
}

/// Runs a lane that has connected, with one duty at the other end of each connection, each in a thread of its own.
///
/// The sending side of a stream is closed when its duty is over: a receiver's lane waits for that, and a sender's lane
/// has its end of file.
pub fn beside<T: Send>(
    lane: &mut Lane,
    pin: Pin,
    streams: Vec<TcpStream>,
    duty: impl Fn(usize, &TcpStream) -> Result<T> + Sync,
) -> Result<(Sample, Vec<T>)> {
    thread::scope(|scope| {
        // The lane waits for a connection to be closed, so the thread owns it; the other handles are for a lane that
        // fails and leaves the peer waiting.
        let cut = streams.iter().map(TcpStream::try_clone).collect::<Result<Vec<_>, _>>()?;
        let duty = &duty;
        let duties: Vec<_> = streams
            .into_iter()
            .enumerate()
            .map(|(index, stream)| {
                scope.spawn(move || {
                    let _pinned = Pinned::here(pin, Side::Peer)?;
                    let outcome = duty(index, &stream);
                    // A receiver is done here, and the lane may know it. A sender's lane has yet to read.
                    let _ = stream.shutdown(Shutdown::Write);
                    outcome
                })
            })
            .collect();
        let sample = lane.go();
        if sample.is_err() {
            // It fails only if the connection is gone already.
            for stream in &cut {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        let outcomes: Vec<_> = duties.into_iter().map(|duty| duty.join().expect("the peer does not panic")).collect();
        Ok((sample?, outcomes.into_iter().collect::<Result<_>>()?))
    })
}

/// Listens, hands over the job, and runs [`beside`] the only connection.
pub fn beside_one<T: Send>(
    lane: &mut Lane,
    pin: Pin,
    job: impl FnOnce(SocketAddr) -> Result<Message>,
    duty: impl Fn(&TcpStream) -> Result<T> + Sync,
) -> Result<(Sample, T)> {
    let peer = Peer::listen()?;
    lane.prepare(&job(peer.address()?)?)?;
    let (sample, mut outcomes) = beside(lane, pin, vec![peer.accept()?], |_, stream| duty(stream))?;
    Ok((sample, outcomes.pop().context("one connection has one outcome")?))
}

/// Receives until the end of the stream, looking as closely as asked.
pub fn receive(stream: &TcpStream, check: Check) -> Result<Content> {
    match check {
        Check::Content => subject::hash(stream),
        Check::Count => discard(stream),
    }
}

/// Receives until the end of the stream and throws it away inside the kernel.
fn discard(stream: &TcpStream) -> Result<Content> {
    // The kernel takes its length and does not write to it.
    let mut untouched = vec![0; BLOCK];
    let mut bytes = 0;
    loop {
        match recv(stream.as_raw_fd(), &mut untouched, MsgFlags::MSG_TRUNC) {
            Ok(0) => return Ok(Content::counted(bytes)),
            Ok(count) => bytes += count as u64,
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("the receiver failed"),
        }
    }
}

/// Sends the file that often where its content is checked, and as many bytes of anything where it is not; then the end.
pub fn send(stream: &TcpStream, subject: &Subject, times: u64, check: Check) -> Result<()> {
    match check {
        Check::Count => send_block(stream, subject.bytes * times)?,
        Check::Content => (0..times).try_for_each(|_| send_file(stream, subject))?,
    }
    Ok(stream.shutdown(Shutdown::Write)?)
}

fn send_block(mut stream: &TcpStream, size: u64) -> Result<()> {
    let block = vec![0x5a; BLOCK];
    let mut left = size;
    while left > 0 {
        let count = left.min(BLOCK as u64) as usize;
        stream.write_all(&block[..count]).context("the sender failed")?;
        left -= count as u64;
    }
    Ok(())
}

fn send_file(mut stream: &TcpStream, subject: &Subject) -> Result<()> {
    let mut file = File::open(&subject.path)?.take(subject.bytes);
    let sent = std::io::copy(&mut file, &mut stream).context("the sender failed")?;
    ensure!(sent == subject.bytes, "{} has changed its size", subject.path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_discarded_is_counted_and_what_is_hashed_is_hashed() {
        for check in [Check::Count, Check::Content] {
            let peer = Peer::listen().unwrap();
            let lane = TcpStream::connect(peer.address().unwrap()).unwrap();
            let stream = peer.accept().unwrap();
            let content = thread::scope(|scope| {
                let receiver = scope.spawn(|| receive(&stream, check));
                (&lane).write_all(b"abc").unwrap();
                lane.shutdown(Shutdown::Write).unwrap();
                receiver.join().unwrap().unwrap()
            });
            assert_eq!((content.bytes, content.sha256.is_some()), (3, check == Check::Content));
        }
    }

    #[test]
    fn a_lane_that_did_not_connect_is_not_waited_for() {
        assert!(Peer::listen().unwrap().accept().is_err());
    }
}
