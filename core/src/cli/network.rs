//! The far ends that the command line can name: `HOST:PORT`, `unix:PATH`, and `-` for the standard streams.
//!
//! Sockets made here never block, so that a transfer always comes back to look for a signal. A TCP connection that is not
//! ended in order ([`end_in_order`]) is reset when it is closed, however the command ends, by SIGKILL too: to the peer an end
//! would say that the bytes before it were all. A UNIX-domain socket has no such thing: its peer reads an end.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Shutdown, getsockopt, setsockopt, shutdown, sockopt};

use super::failure::Failure;
use super::interruption::{self, wait_while};
use super::peers::Network;
use super::progress::remark;
use super::unix_socket::{self, UnixSocket};
use super::watchdog::Watchdog;
use crate::sys::unsent::unacknowledged;

/// A far end as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// `HOST:PORT`; without a host it is this machine, for others on it. `*` is every address of it, to listen.
    Tcp(String),
    /// `unix:PATH`.
    Unix(PathBuf),
    /// `-`: standard input or output.
    Standard,
}

impl Address {
    /// For clap: where bytes come from.
    pub fn source(text: OsString) -> Result<Self, String> {
        if is_input(text.as_ref()) { Ok(Self::Standard) } else { Self::parse(text) }
    }

    /// For clap: where bytes go.
    pub fn target(text: OsString) -> Result<Self, String> {
        if is_output(text.as_ref()) { Ok(Self::Standard) } else { Self::parse(text) }
    }

    /// For clap: a socket, and no standard stream.
    pub fn parse(text: OsString) -> Result<Self, String> {
        if let Some(path) = text.as_bytes().strip_prefix(b"unix:") {
            return Ok(Self::Unix(OsStr::from_bytes(path).into()));
        }
        let text = String::from_utf8(text.into_vec()).map_err(|_| "neither HOST:PORT nor unix:PATH".to_owned())?;
        match text.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => Ok(Self::Tcp(text)),
            _ => Err("neither HOST:PORT nor unix:PATH".to_owned()),
        }
    }

    /// Whether the system is to choose the port, so that only [`Listener::address`] can tell it.
    pub fn leaves_choice(&self) -> bool {
        matches!(self, Self::Tcp(text) if text.ends_with(":0"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Standard => f.write_str("-"),
        }
    }
}

/// What standard input is called on the command line.
pub(super) fn is_input(path: &Path) -> bool {
    ["-", "/dev/stdin"].map(OsStr::new).contains(&path.as_os_str())
}

/// … and standard output.
pub(super) fn is_output(path: &Path) -> bool {
    ["-", "/dev/stdout"].map(OsStr::new).contains(&path.as_os_str())
}

/// A connection to that address, waited for as long as `check` has no error.
pub(super) fn connect(address: &Address, check: &dyn Fn() -> io::Result<()>) -> io::Result<OwnedFd> {
    let socket = match address {
        Address::Tcp(text) => {
            let text = if text.starts_with(':') { format!("localhost{text}") } else { text.clone() };
            wait_while("connect", check, move || -> io::Result<OwnedFd> { prepared(TcpStream::connect(text)?) })
        }
        Address::Unix(path) => unix_socket::connect(path, check),
        Address::Standard => unreachable!("the standard streams are not connected"),
    };
    socket.map_err(|error| match error.raw_os_error() {
        None if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Failure>) => error,
        _ => Failure::os("connect", &address.to_string(), &error).into(),
    })
}

fn prepared(socket: TcpStream) -> io::Result<OwnedFd> {
    socket.set_nonblocking(true)?;
    // What is relayed piece by piece must not wait for the acknowledgement of the piece before.
    socket.set_nodelay(true)?;
    setsockopt(&socket, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?;
    Ok(socket.into())
}

/// Whether the peer is on another machine, as far as its address says so.
pub(super) fn is_remote(socket: BorrowedFd<'_>) -> bool {
    let peer = socket.try_clone_to_owned().and_then(|socket| TcpStream::from(socket).peer_addr());
    peer.is_ok_and(|peer| !peer.ip().to_canonical().is_loopback())
}

/// For clap: a time in seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|time| !time.is_zero()).ok_or_else(|| "not a number of seconds above 0".to_owned())
}

/// All has gone well: closing the connection ends it, and does not reset it.
pub(super) fn end_in_order(socket: BorrowedFd<'_>) {
    // One that is no TCP socket does not mind.
    let _ = setsockopt(&socket, sockopt::Linger, &libc::linger { l_onoff: 0, l_linger: 0 });
}

/// A socket that others connect to.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixSocket),
}

impl Listener {
    /// `from` is who may come.
    pub fn bind(address: &Address, from: &[Network]) -> io::Result<Self> {
        if let (Address::Unix(_), [_, ..]) = (address, from) {
            return Err(
                Failure::new("bind", "a unix: socket has permissions of its own, and --from means networks").into()
            );
        }
        let bound = match address {
            Address::Tcp(text) => match text.rsplit_once(':') {
                Some(("", port)) => TcpListener::bind(format!("127.0.0.1:{port}"))
                    .or_else(|_| TcpListener::bind(format!("[::1]:{port}"))),
                // Both families where there are both.
                Some(("*", port)) => {
                    TcpListener::bind(format!("[::]:{port}")).or_else(|_| TcpListener::bind(format!("0.0.0.0:{port}")))
                }
                _ => TcpListener::bind(text),
            }
            .and_then(|listener| listener.set_nonblocking(true).map(|()| Self::Tcp(listener))),
            Address::Unix(path) => UnixSocket::bind(path).map(Self::Unix),
            Address::Standard => unreachable!("nobody listens on the standard streams"),
        };
        bound.map_err(|error| Failure::os("bind", &address.to_string(), &error).into())
    }

    /// Where it listens: with the port that the system chose, if it was to.
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => listener.local_addr().map_or_else(|_| "?".into(), |address| address.to_string()),
            Self::Unix(socket) => format!("unix:{}", socket.path().display()),
        }
    }

    /// The next connection from one of these networks and who it is from, or the interruption that comes first. `idle` is called
    /// while nobody comes, and ends the wait with an error.
    pub fn accept(&self, from: &[Network], mut idle: impl FnMut() -> io::Result<()>) -> io::Result<(OwnedFd, String)> {
        loop {
            interruption::check("accept")?;
            match self.try_accept(from) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    idle()?;
                    let mut polled = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
                    // Whatever it answers, the next look says more.
                    let _ = poll(&mut polled, PollTimeout::from(100u8));
                }
                // A connection that was gone before it was taken; a signal.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {
                }
                Ok(None) => {}
                Ok(Some(accepted)) => return Ok(accepted),
                Err(error) => return Err(error).map_err(|error| Failure::os("accept", &self.address(), &error).into()),
            }
        }
    }

    /// `None` for who is not to come; that connection is reset.
    fn try_accept(&self, from: &[Network]) -> io::Result<Option<(OwnedFd, String)>> {
        match self {
            Self::Tcp(listener) => {
                let (socket, peer) = listener.accept()?;
                let socket = prepared(socket)?;
                if !Network::allow(from, peer.ip()) {
                    remark(&format!("{peer}: turned away, not in --from"));
                    return Ok(None);
                }
                Ok(Some((socket, peer.to_string())))
            }
            Self::Unix(listener) => {
                let socket = listener.accept()?;
                socket.set_nonblocking(true)?;
                Ok(Some((socket.into(), self.address())))
            }
        }
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

/// Ends the writing side and waits until the peer's kernel has acknowledged every byte (TCP), or the peer has read it
/// (`AF_UNIX`): only then has it arrived.
pub(super) fn finish(socket: BorrowedFd<'_>, watchdog: &Watchdog<'_>) -> io::Result<()> {
    let fail = |operation, errno: Errno| io::Error::from(Failure::os(operation, "", &io::Error::from(errno)));
    match shutdown(socket.as_raw_fd(), Shutdown::Write) {
        // The peer has reset the connection; SO_ERROR, if it is still there, says more.
        Ok(()) | Err(Errno::ENOTCONN) => {}
        Err(errno) => return Err(fail("shutdown", errno)),
    }
    let (mut pause, mut before) = (Duration::from_micros(100), None);
    loop {
        let left = unacknowledged(socket).map_err(|errno| fail("ioctl", errno))?;
        if before.replace(left) != Some(left) {
            watchdog.restart();
        }
        match getsockopt(&socket, sockopt::SocketError).map_err(|errno| fail("getsockopt", errno))? {
            0 if left == 0 => {
                end_in_order(socket);
                return Ok(());
            }
            0 => {}
            errno => return Err(fail("send", Errno::from_raw(errno))),
        }
        watchdog.check("send")?;
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart() {
        let parse = |text: &str| Address::source(text.into());
        assert_eq!(parse("-"), Ok(Address::Standard));
        assert_eq!(parse("unix:/a b"), Ok(Address::Unix("/a b".into())));
        for text in ["host:80", ":0", "[::1]:443"] {
            assert_eq!(parse(text), Ok(Address::Tcp(text.into())));
        }
        for text in ["host", "host:", "host:http", "host:70000", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(Address::parse("-".into()).is_err());
        // The other stream's name is a file's.
        for (ours, others) in [(Address::source as fn(OsString) -> _, "/dev/stdout"), (Address::target, "/dev/stdin")] {
            assert_eq!(ours("-".into()), Ok(Address::Standard));
            assert!(ours(others.into()).is_err());
        }
    }
}
