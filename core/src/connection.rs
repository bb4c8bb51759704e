//! Sockets that are not connected. The kernel has many words for it: ENOTCONN, EINVAL where an `AF_UNIX` socket is read, EPIPE
//! where a TCP socket is written that never was. They are one error here ([`ErrorKind::NotConnected`]), looked for only when
//! something has gone wrong, so that it costs nothing before.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;

use crate::endpoint::{Endpoint, Kind};
use crate::error::{Error, ErrorKind};
use crate::sys::{has_peer, socket_option, tcp_info};

/// The error in plain words, if what it says is that this end is a socket without a connection.
pub(crate) fn explain(error: Error, end: &Endpoint<'_>) -> Error {
    match end.descriptor() {
        Some(fd) => explain_at(error, fd, end.facts().kind),
        None => error,
    }
}

/// The same for a descriptor of that kind.
pub(crate) fn explain_at(error: Error, fd: BorrowedFd<'_>, kind: Kind) -> Error {
    let says = |errno| [Errno::ENOTCONN, Errno::EINVAL, Errno::EPIPE].contains(&errno);
    if !kind.is_socket() || !error.errno().map(Errno::from_raw).is_some_and(says) || was_connected(fd, kind) {
        return error;
    }
    let message = match socket_option(fd, libc::SO_ACCEPTCONN) {
        Ok(1) => "the socket listens: accept a connection first",
        _ => "the socket is not connected",
    };
    let operation = error.operation();
    Error::new(ErrorKind::NotConnected, message).during(operation).with_errno(Errno::ENOTCONN)
}

/// Whether there is a connection, or was one. A TCP socket that was reset has no peer any more, but has sent something to it.
fn was_connected(socket: BorrowedFd<'_>, kind: Kind) -> bool {
    has_peer(socket) || kind == Kind::Tcp && tcp_info(socket).is_none_or(|info| info.tcpi_segs_out > 0)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::{UnixListener, UnixStream};

    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

    use super::*;
    use crate::{FanOut, Mechanism, Relay, Transfer};

    fn end(fd: &impl AsFd) -> Endpoint<'_> {
        Endpoint::new(fd.as_fd()).unwrap()
    }

    #[test]
    fn a_socket_without_a_connection_is_called_so_at_either_end() {
        let dir = tempfile::tempdir().unwrap();
        let fresh = |family| socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        let lonely: [(&str, Box<dyn AsFd>); 4] = [
            ("TCP", Box::new(fresh(AddressFamily::Inet))),
            ("UNIX", Box::new(fresh(AddressFamily::Unix))),
            ("listening TCP", Box::new(TcpListener::bind("127.0.0.1:0").unwrap())),
            ("listening UNIX", Box::new(UnixListener::bind(dir.path().join("socket")).unwrap())),
        ];
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        for (name, socket) in &lonely {
            let socket = socket.as_fd();
            let named = Mechanism::ALL.iter().map(|&mechanism| Some(mechanism)).chain([None]);
            for mechanism in named {
                for towards in [false, true] {
                    let (source, sink) = if towards { (end(&file), end(&socket)) } else { (end(&socket), end(&file)) };
                    let mut transfer = Transfer::new(source, sink);
                    if towards {
                        transfer = transfer.offset(0);
                    }
                    if let Some(mechanism) = mechanism {
                        transfer = transfer.mechanism(mechanism);
                    }
                    let error = transfer.run().unwrap_err();
                    let refused = [ErrorKind::Impossible, ErrorKind::Refused].contains(&error.kind());
                    let right = error.kind() == ErrorKind::NotConnected || (mechanism.is_some() && refused);
                    assert!(
                        right && error.moved() == 0,
                        "{name}, {mechanism:?}, sink {towards}: {:?} {error}",
                        error.kind()
                    );
                }
            }
            let (near, mut far) = UnixStream::pair().unwrap();
            let error = FanOut::new(end(&socket)).sink(end(&near)).run().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotConnected, "{name}: {error}");
            let error = FanOut::new(end(&file)).offset(0).sink(end(&socket)).run().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotConnected, "{name}: {error}");
            far.write_all(b"question").unwrap();
            let error = Relay::new(end(&near), end(&socket)).run().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotConnected, "{name}: {error}");
        }
    }

    #[test]
    fn a_connection_that_is_gone_was_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        (&near).write_all(b"never read").unwrap();
        drop(far);
        // The reset is told once; after that the socket only says EPIPE.
        let _ = (&near).read(&mut [0; 1]);
        let error = Transfer::new(Endpoint::bytes(b"0123456789"), end(&near)).run().unwrap_err();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::PeerClosed, Some(libc::EPIPE)), "{error}");
    }
}
