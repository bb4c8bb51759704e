//! Handing shared memory to another process: its descriptor as a message on an `AF_UNIX` socket (unix(7), `SCM_RIGHTS`).
//!
//! Both sides ask the kernel who is at the other end before they give or take anything. A received descriptor is
//! believed to be nothing until its seals have been read.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, getsockopt, sendmsg, sockopt};

use super::refusal::{invalid, untrusted};
use super::{Seals, SharedRegion};
use crate::error::{Error, Result};
use crate::sys::files::effective_user;
use crate::sys::{rights, socket_option};

/// What goes with the descriptor: a message must have a byte, and these say what is meant.
const GREETING: [u8; 8] = *b"zcio-mem";

/// Who is at the other end of a socket: process, user and group, as they were when it connected, or when the pair of
/// sockets was made (unix(7), `SO_PEERCRED`).
///
/// ```
/// use std::os::fd::AsFd;
/// use zcio::region::{Credentials, Peer};
///
/// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
/// assert_eq!(Credentials::of_peer(near.as_fd())?.process, std::process::id() as i32);
/// Peer::SameUser.check(near.as_fd())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// Process number; 0 if it is in a namespace that cannot be seen from here.
    pub process: i32,
    /// Effective user.
    pub user: u32,
    /// Effective group.
    pub group: u32,
}

impl Credentials {
    /// The credentials of a socket's other end.
    pub fn of_peer(socket: BorrowedFd<'_>) -> Result<Self> {
        let peer = getsockopt(&socket, sockopt::PeerCredentials).map_err(|errno| Error::os("getsockopt", errno))?;
        Ok(Self { process: peer.pid(), user: peer.uid(), group: peer.gid() })
    }
}

/// Which other ends are accepted.
///
/// ```
/// use std::os::fd::AsFd;
/// use zcio::{ErrorKind, region::Peer};
///
/// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
/// Peer::SameUser.check(near.as_fd())?;
/// assert_eq!(Peer::Process(i32::MAX).check(near.as_fd()).unwrap_err().kind(), ErrorKind::Untrusted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// A process of this process's effective user.
    SameUser,
    /// A process of this user.
    User(u32),
    /// This process.
    Process(i32),
    /// Whoever holds the socket.
    Anyone,
}

impl Peer {
    /// Whether a socket's other end is accepted: [`ErrorKind::Untrusted`](crate::ErrorKind::Untrusted) if not. Sending and
    /// receiving ask by themselves; who waits for a socket to be ready asks before that.
    ///
    /// Only an `AF_UNIX` socket carries descriptors; over any other the greeting alone would go to somebody.
    pub fn check(self, socket: BorrowedFd<'_>) -> Result<()> {
        match socket_option(socket, libc::SO_DOMAIN) {
            Ok(libc::AF_UNIX) => {}
            Ok(_) | Err(Errno::ENOTSOCK) => {
                return Err(invalid("shared memory is handed over an AF_UNIX socket, and over nothing else"));
            }
            Err(errno) => return Err(Error::os("getsockopt", errno)),
        }
        let found = Credentials::of_peer(socket)?;
        let accepted = match self {
            Self::SameUser => found.user == effective_user(),
            Self::User(user) => found.user == user,
            Self::Process(process) => found.process == process,
            Self::Anyone => true,
        };
        if accepted {
            return Ok(());
        }
        let Credentials { process, user, .. } = found;
        Err(untrusted(format!("the peer is process {process} of user {user}, not {self:?}")))
    }
}

impl SharedRegion {
    /// Sends the descriptor to the accepted peer. The memory itself does not move: this takes microseconds, whatever the
    /// size. Refused while it is not sealed against shrinking: no receiver would take it.
    ///
    /// A non-blocking socket that is not ready gives EAGAIN.
    pub fn send(&self, socket: BorrowedFd<'_>, peer: Peer) -> Result<()> {
        peer.check(socket)?;
        self.with_file(|fd| {
            let seals = Seals::of(fd).map_err(|errno| Error::os("fcntl", errno))?;
            if !seals.contains(Seals::SHRINK) {
                return Err(invalid("shared memory must be sealed against shrinking before it is sent"));
            }
            let descriptors = [fd.as_raw_fd()];
            let message = ControlMessage::ScmRights(&descriptors);
            loop {
                let sent = sendmsg::<()>(
                    socket.as_raw_fd(),
                    &[IoSlice::new(&GREETING)],
                    std::slice::from_ref(&message),
                    MsgFlags::MSG_NOSIGNAL,
                    None,
                );
                match sent {
                    Err(Errno::EINTR) => {}
                    // The descriptor goes with the first byte; so few bytes are sent whole or not at all.
                    sent => return sent.map(drop).map_err(|errno| Error::os("sendmsg", errno)),
                }
            }
        })
    }

    /// Takes shared memory from the accepted peer, if it has at least the demanded seals; see
    /// [`SharedRegion::from_fd`].
    pub fn receive(socket: BorrowedFd<'_>, peer: Peer, demanded: Seals) -> Result<Self> {
        peer.check(socket)?;
        let (greeting, mut descriptors) = receive_message(socket)?;
        match (greeting == GREETING, descriptors.pop(), descriptors.is_empty()) {
            (true, Some(fd), true) => Self::from_fd(fd, demanded),
            // Every descriptor that came is closed here.
            _ => Err(untrusted("the message is not one descriptor of shared memory")),
        }
    }
}

/// One message and the descriptors in it.
fn receive_message(socket: BorrowedFd<'_>) -> Result<([u8; 8], Vec<OwnedFd>)> {
    let mut greeting = [0; 8];
    let received = loop {
        match rights::receive(socket, &mut greeting) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::os("recvmsg", errno)),
            Ok(received) => break received,
        }
    };
    match received.count {
        0 => Err(Error::os("recvmsg", Errno::ECONNRESET)),
        8 if !received.truncated => Ok((greeting, received.descriptors)),
        // There is room for all that a message can carry: it was this process's table that had none.
        8 if received.descriptors.is_empty() => Err(Error::os("recvmsg", Errno::EMFILE)),
        _ => Err(untrusted("the message is cut short")),
    }
}
