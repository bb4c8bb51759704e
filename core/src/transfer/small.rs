//! The first attempt at a small transfer from a file to a TCP socket, for callers who make very many of them.
//!
//! Looking at both ends takes longer than sending four kilobytes. This attempt asks one question: how much a TCP socket has
//! not sent yet. Only TCP answers it, and where that is little, a few pages more are taken without waiting, as sendfile(2)
//! has no flag to demand. Where it is not, poll(2) knows whether a third of the send buffer is free. (Only where the send
//! buffer or `TCP_NOTSENT_LOWAT` was made smaller than that they may have to wait, as with any sendfile; a signal ends it.
//! A socket with a timeout is non-blocking and never waits.) For more than a few pages the socket is asked how much room it
//! has. What the source is, sendfile(2) says itself: with an offset it takes nothing out of anything. Whatever is left
//! undone, a [`Transfer`](super::Transfer) does, from the byte it reached.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use nix::poll::PollFlags;

use crate::connection::explain_at;
use crate::encryption::{Encryption, is_attached};
use crate::endpoint::Kind;
use crate::error::{Error, Result, others_may_work};
use crate::mechanism::Mechanism;
use crate::report::Report;
use crate::sys::SyscallCounter;
use crate::waiting::is_ready;

/// A queue that is not deeper than this takes a few pages more: the send buffer of a new connection is some 80 KiB. (Nagle's
/// algorithm keeps a few kilobytes unsent until an acknowledgement comes.)
const SHALLOW: u64 = 32 << 10;

/// What an attempt did.
///
/// ```
/// use std::net::{TcpListener, TcpStream};
/// use std::os::fd::AsFd;
/// use zcio::transfer::Attempted;
/// use zcio::{Endpoint, Transfer};
///
/// # let mut file = tempfile::tempfile()?;
/// # std::io::Write::write_all(&mut file, &[1; 4096])?;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let socket = TcpStream::connect(listener.local_addr()?)?;
/// let report = match Transfer::attempt(file.as_fd(), socket.as_fd(), Some(0), 4096)? {
///     Attempted::Done(report) => report,
///     // A transfer of the same does the rest.
///     Attempted::Begun(begun) => {
///         let transfer = Transfer::new(Endpoint::new(&file)?, Endpoint::new(&socket)?);
///         transfer.offset(0).count(4096).begun(begun).run()?
///     }
/// };
/// assert_eq!(report.bytes, 4096);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub enum Attempted {
    /// All of it.
    Done(Report),
    /// A part of it, or nothing; see [`Transfer::begun`](super::Transfer::begun).
    Begun(Begun),
}

/// How far an attempt came.
///
/// ```
/// use std::net::{TcpListener, TcpStream};
/// use std::os::fd::AsFd;
/// use zcio::transfer::Attempted;
/// use zcio::Transfer;
///
/// # let mut file = tempfile::tempfile()?;
/// # std::io::Write::write_all(&mut file, &[1; 4096])?;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let socket = TcpStream::connect(listener.local_addr()?)?;
/// match Transfer::attempt(file.as_fd(), socket.as_fd(), Some(0), 4096)? {
///     Attempted::Done(_) => println!("all of it"),
///     Attempted::Begun(begun) => println!("{} bytes, and no more without waiting", begun.moved()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Begun {
    pub(super) moved: u64,
    pub(super) system_calls: u64,
    /// What left the source and is to be delivered next.
    pub(super) carried: Vec<u8>,
}

impl Begun {
    /// How many bytes were sent.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// Bytes that were taken out of the source and could not be delivered: the transfer that goes on delivers them first.
    pub fn carried(&self) -> &[u8] {
        &self.carried
    }

    pub(super) fn of(moved: u64, calls: &SyscallCounter) -> Self {
        Self { moved, system_calls: calls.made, carried: Vec::new() }
    }
}

impl Attempted {
    /// The most that is worth it: a transfer of more is not held up by some system calls, and whoever waits for it is not
    /// to wait long for a disk.
    pub const MOST: u64 = 1 << 20;

    /// A few pages: before more, a socket is asked whether it has the room.
    pub const FEW: u64 = 16 << 10;
}

/// See [`super::Transfer::attempt`].
pub(super) fn attempt(
    source: BorrowedFd<'_>,
    sink: BorrowedFd<'_>,
    offset: Option<u64>,
    count: u64,
) -> Result<Attempted> {
    let begun = |moved, calls: &_| Ok(Attempted::Begun(Begun::of(moved, calls)));
    let (mut calls, started) = (SyscallCounter::default(), Instant::now());
    if count == 0 || count > Attempted::MOST || is_attached(sink) {
        return begun(0, &calls);
    }
    let takes_more = if count > Attempted::FEW {
        // Beside the bytes the buffer holds a header for each of the kernel's packets.
        calls.room(sink).is_ok_and(|room| count + count / 8 <= room)
    } else {
        calls
            .unsent(sink)
            .is_ok_and(|unsent| unsent <= SHALLOW || is_ready(sink, PollFlags::POLLOUT, &mut calls).unwrap_or(false))
    };
    if !takes_more {
        return begun(0, &calls);
    }
    let moved = match calls.sendfile(source, offset, sink, count as usize) {
        Ok(moved) => moved as u64,
        // Not now; or a source that is none, as whoever looks at it more closely can say.
        Err(errno) if others_may_work(errno) => 0,
        Err(errno) => return Err(explain_at(Error::os("sendfile", errno), sink, Kind::Tcp)),
    };
    if moved < count {
        return begun(moved, &calls);
    }
    Ok(Attempted::Done(Report {
        bytes: moved,
        requested: Some(count),
        mechanism: Mechanism::Sendfile,
        automatic: true,
        attempts: Vec::new(),
        system_calls: calls.made,
        waits: 0,
        copies: Mechanism::Sendfile.copies(Kind::File, Kind::Tcp),
        mapped: 0,
        encryption: Encryption::None,
        elapsed: started.elapsed(),
    }))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;
    use crate::{Endpoint, Transfer};

    fn ends() -> (std::fs::File, TcpStream, TcpStream) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&(0..20_000_u32).map(|i| (i % 251) as u8).collect::<Vec<_>>()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (file, near, listener.accept().unwrap().0)
    }

    #[test]
    fn a_small_transfer_takes_two_calls() {
        let (file, near, mut far) = ends();
        let attempted = Transfer::attempt(file.as_fd(), near.as_fd(), Some(100), 4096).unwrap();
        let Attempted::Done(report) = attempted else { panic!("{attempted:?}") };
        assert_eq!((report.bytes, report.system_calls, report.is_short()), (4096, 2, false));
        let mut bytes = [0; 4096];
        far.read_exact(&mut bytes).unwrap();
        assert!(bytes.iter().zip(100_u32..).all(|(&byte, i)| u32::from(byte) == i % 251));
        let attempted = Transfer::attempt(file.as_fd(), near.as_fd(), Some(19_000), 4096).unwrap();
        assert!(matches!(attempted, Attempted::Begun(Begun { moved: 1000, .. })), "{attempted:?}");
    }

    #[test]
    fn more_pages_are_sent_as_long_as_there_is_room_and_positions_are_moved() {
        let (mut file, near, mut far) = ends();
        file.set_len(100_000).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let mut sent = 0;
        // Nobody reads: it ends, and never waits.
        while let Attempted::Done(report) = Transfer::attempt(file.as_fd(), near.as_fd(), Some(0), 50_000).unwrap() {
            assert_eq!((report.bytes, report.system_calls), (50_000, 3));
            sent += 50_000;
        }
        far.read_exact(&mut vec![0; sent]).unwrap();
        near.set_nonblocking(true).unwrap();
        assert!(matches!(Transfer::attempt(file.as_fd(), near.as_fd(), None, 4096).unwrap(), Attempted::Done(_)));
        assert_eq!(std::io::Seek::stream_position(&mut file).unwrap(), 4096);
        let begun = Begun { moved: 4096, system_calls: 2, carried: Vec::new() };
        let ends = (Endpoint::new(file.as_fd()).unwrap(), Endpoint::new(near.as_fd()).unwrap());
        let report = Transfer::new(ends.0, ends.1).count(10_000).begun(begun).run().unwrap();
        assert_eq!((report.bytes, std::io::Seek::stream_position(&mut file).unwrap()), (10_000, 10_000));
        let mut bytes = [0; 10_000];
        far.read_exact(&mut bytes).unwrap();
        assert!(bytes.iter().zip(0_u32..).all(|(&byte, i)| u32::from(byte) == i % 251));
    }

    /// Nothing is read at the other end, and the send buffer grows with what it is given.
    #[test]
    fn a_deep_queue_takes_what_it_has_room_for() {
        let (file, near, mut far) = ends();
        let (mut sent, mut deep) = (0, 0);
        loop {
            match Transfer::attempt(file.as_fd(), near.as_fd(), Some(0), 4096).unwrap() {
                Attempted::Done(report) => deep += u64::from(report.system_calls == 3),
                Attempted::Begun(begun) => break sent += begun.moved,
            }
            sent += 4096;
        }
        assert!(deep > 10, "{deep} of {sent} bytes");
        drop(near);
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, sent);
        assert!(bytes.iter().zip((0..4096_u32).cycle()).all(|(&byte, i)| u32::from(byte) == i % 251));
    }

    #[test]
    fn what_it_leaves_undone_a_transfer_does() {
        let (file, near, mut far) = ends();
        // Fills the connection until it takes nothing more.
        near.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(count) = (&near).write(&[7; 8 << 10]) {
            sent += count;
        }
        near.set_nonblocking(false).unwrap();
        let Ok(Attempted::Begun(begun)) = Transfer::attempt(file.as_fd(), near.as_fd(), Some(0), 16_000) else {
            panic!("it must not wait")
        };
        assert_eq!(begun.moved, 0);
        // As if it had come to the middle.
        let begun = Begun { moved: 6_000, system_calls: 2, carried: Vec::new() };
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            far.read_to_end(&mut bytes).map(|_| bytes).unwrap()
        });
        let ends = (Endpoint::new(file.as_fd()).unwrap(), Endpoint::new(near.as_fd()).unwrap());
        let report = Transfer::new(ends.0, ends.1).offset(0).count(16_000).begun(begun).run().unwrap();
        drop(near);
        assert_eq!((report.bytes, report.requested, report.system_calls > 2), (16_000, Some(16_000), true));
        let bytes = reader.join().unwrap();
        assert_eq!(bytes.len(), sent + 10_000);
        assert!(bytes[sent..].iter().zip(6_000_u32..).all(|(&byte, i)| u32::from(byte) == i % 251));
    }

    #[test]
    fn other_ends_are_left_alone() {
        let (file, near, _far) = ends();
        let (left, _right) = std::os::unix::net::UnixStream::pair().unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let (reader, _writer) = std::io::pipe().unwrap();
        for (source, sink) in [
            (file.as_fd(), left.as_fd()),
            (file.as_fd(), udp.as_fd()),
            (file.as_fd(), file.as_fd()),
            (reader.as_fd(), near.as_fd()),
            (near.as_fd(), near.as_fd()),
        ] {
            let attempted = Transfer::attempt(source, sink, Some(0), 100).unwrap();
            assert!(matches!(attempted, Attempted::Begun(Begun { moved: 0, .. })), "{attempted:?}");
        }
    }
}
