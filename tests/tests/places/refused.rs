//! What no transfer takes as an end.

use super::*;

/// Pairs of sockets that keep messages apart.
fn misfits() -> Vec<(&'static str, OwnedFd, OwnedFd)> {
    let pair = |of_type| socketpair(AddressFamily::Unix, of_type, None, SockFlag::SOCK_NONBLOCK).unwrap();
    let udp = || {
        let (left, right) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        left.connect(right.local_addr().unwrap()).unwrap();
        right.connect(left.local_addr().unwrap()).unwrap();
        left.set_nonblocking(true).and(right.set_nonblocking(true)).unwrap();
        (OwnedFd::from(left), OwnedFd::from(right))
    };
    let [seqpacket, datagram, udp] = [pair(SockType::SeqPacket), pair(SockType::Datagram), udp()];
    vec![("seqpacket", seqpacket.0, seqpacket.1), ("datagram", datagram.0, datagram.1), ("UDP", udp.0, udp.1)]
}

/// What a read(2) takes out; none if there is nothing.
fn taken(fd: &OwnedFd) -> Option<Vec<u8>> {
    let mut buffer = [0; 64];
    let count = File::from(fd.try_clone().unwrap()).read(&mut buffer);
    count.ok().map(|count| buffer[..count].to_vec())
}

/// Every mechanism, and the choice, say that this end is impossible.
fn refused(name: &str, source: &Endpoint<'_>, sink: &Endpoint<'_>) {
    for mechanism in mechanisms() {
        let mut transfer = Transfer::new(source.borrow(), sink.borrow()).count(4);
        if let Some(mechanism) = mechanism {
            transfer = transfer.mechanism(mechanism);
        }
        let error = transfer.run().expect_err(name);
        assert_eq!((error.kind(), error.moved()), (ErrorKind::Impossible, 0), "{name}, {mechanism:?}: {error}");
        assert!(error.message().contains("no stream of bytes"), "{name}, {mechanism:?}: {error}");
    }
}

#[test]
fn sockets_that_keep_messages_apart_are_refused() {
    for (name, near, far) in misfits() {
        for kind in [Kind::File, Kind::Pipe, Kind::Tcp] {
            let (source, sink) = (Source::with(kind, b"message"), Sink::new(kind));
            refused(name, &source.end(), &Endpoint::new(near.as_fd()).unwrap());
            assert_eq!(taken(&far), None, "{name}: written although refused");
            File::from(far.try_clone().unwrap()).write_all(b"kept").unwrap();
            refused(name, &Endpoint::new(near.as_fd()).unwrap(), &Endpoint::new(sink.as_fd()).unwrap());
            assert_eq!(taken(&near).as_deref(), Some(&b"kept"[..]), "{name}: taken although refused");
            assert_eq!(sink.received(), b"", "{name}: written although refused");
            if let Source::Pipe(mut pipe, _) = source {
                let mut kept = Vec::new();
                pipe.read_to_end(&mut kept).unwrap();
                assert_eq!(kept, b"message", "{name}: taken although refused");
            }
        }
    }
}

#[test]
fn descriptors_of_the_kernel_are_refused() {
    // SAFETY: both make a new descriptor that nobody else owns, or -1, which the assertion stops.
    let made = unsafe { [libc::epoll_create1(libc::EPOLL_CLOEXEC), libc::eventfd(5, libc::EFD_NONBLOCK)] };
    assert!(made.iter().all(|&fd| fd >= 0));
    // SAFETY: as above.
    let [epoll, event] = made.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    for (name, fd) in [("epoll", epoll.as_fd()), ("eventfd", event.as_fd())] {
        for kind in [Kind::File, Kind::Pipe, Kind::Tcp] {
            let (source, sink) = (Source::with(kind, b"12345678"), Sink::new(kind));
            refused(name, &source.end(), &Endpoint::new(fd).unwrap());
            refused(name, &Endpoint::new(fd).unwrap(), &Endpoint::new(sink.as_fd()).unwrap());
            assert_eq!(sink.received(), b"", "{name}: written although refused");
        }
    }
    assert_eq!(taken(&event).as_deref(), Some(&5u64.to_ne_bytes()[..]), "eventfd: changed although refused");
}
