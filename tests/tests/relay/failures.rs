//! Peers that reset, calls that are refused, and a byte that is urgent.

use super::*;

/// Closes with a reset instead of an orderly end.
fn reset(socket: TcpStream) {
    setsockopt(&socket, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 }).unwrap();
    drop(socket);
}

#[test]
fn a_reset_delivers_what_was_sent_and_is_no_end() {
    let _dog = watchdog(60, "a reset");
    for step in [false, true] {
        let (left, mut client) = tcp_pair();
        let (right, mut server) = tcp_pair();
        client.write_all(b"half a sentence").unwrap();
        server.write_all(b"the answer").unwrap();
        let mut joined = relay(&left, &right);
        while joined.report().forward.bytes < 15 || joined.report().backward.bytes < 10 {
            joined.step().unwrap();
        }
        let mut answer = [0; 10];
        client.read_exact(&mut answer).unwrap();
        reset(client);
        let error = if step {
            loop {
                match joined.step() {
                    Ok(RelayStep::Done) => panic!("done"),
                    Ok(_) => std::thread::sleep(Duration::from_millis(1)),
                    Err(error) => break error,
                }
            }
        } else {
            joined.run().unwrap_err()
        };
        assert_eq!((error.kind(), error.moved()), (ErrorKind::PeerClosed, 15), "{error}");
        let report = joined.report();
        assert!(matches!(report.forward.outcome, Outcome::Failed(_)), "{report:?}");
        assert!(matches!(report.backward.outcome, Outcome::Open), "{report:?}");
        assert_eq!((report.forward.bytes, report.backward.bytes), (15, 10));
        // The server has the words and no end.
        let mut words = [0; 15];
        server.read_exact(&mut words).unwrap();
        assert_eq!(&words, b"half a sentence");
        server.set_nonblocking(true).unwrap();
        assert_eq!(server.read(&mut words).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        // What it says now cannot be delivered, and says so.
        server.write_all(b"hello?").unwrap();
        let error = joined.run().unwrap_err();
        assert_eq!((error.kind(), error.moved()), (ErrorKind::PeerClosed, 10), "{error}");
        assert_eq!(joined.take_undelivered(Direction::Backward).unwrap(), b"hello?");
        assert!(matches!(joined.step().unwrap(), RelayStep::Done));
    }
}

/// A server that answers early and resets, because it does not want the rest of the request: the answer must arrive.
#[test]
fn an_answer_before_a_reset_arrives() {
    let _dog = watchdog(120, "an answer before a reset");
    // It fits into any receive window: what has not left the server is lost in its reset, by its own doing.
    let answer = pattern(40_000);
    for round in 0..40 {
        let (left, mut client) = tcp_pair();
        let (right, mut server) = tcp_pair();
        let expected = answer.clone();
        let peer = std::thread::spawn(move || {
            let mut start = [0; 1000];
            server.read_exact(&mut start).unwrap();
            server.write_all(&expected).unwrap();
            // Unread bytes make this a reset; by now the answer is in the relay's receive queue.
            std::thread::sleep(Duration::from_millis(round % 4));
            drop(server);
        });
        let mut request = client.try_clone().unwrap();
        let sender = std::thread::spawn(move || while request.write_all(&[1; 10_000]).is_ok() {});
        let answered = std::thread::spawn(move || {
            let mut received = Vec::new();
            // Relay's sockets are closed without reading the request: this too may end in a reset.
            let _ = client.read_to_end(&mut received);
            received
        });
        let error = relay(&left, &right).run().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PeerClosed, "{error}");
        peer.join().unwrap();
        left.shutdown(Shutdown::Write).unwrap();
        let received = answered.join().unwrap();
        assert!(received == answer, "round {round}: {} of {} bytes", received.len(), answer.len());
        drop((left, right));
        sender.join().unwrap();
    }
}

/// The connection dies while the relay writes to it: the way back must not read that as an orderly end.
#[test]
fn a_reset_met_by_a_write_is_no_end_for_the_way_back() {
    let _dog = watchdog(60, "a reset met by a write");
    for refused in [false, true] {
        let test = std::thread::spawn(move || {
            if refused {
                refuse(libc::SYS_splice, libc::ENOSYS);
            }
            let (left, mut client) = tcp_pair();
            let (right, server) = tcp_pair();
            let mut joined = relay(&left, &right);
            assert!(matches!(joined.step().unwrap(), RelayStep::Blocked { .. } | RelayStep::Moved { .. }));
            reset(server);
            client.write_all(b"too late").unwrap();
            // Both must have arrived. (An error shows without being asked for, and is not taken by poll.)
            poll(&mut [PollFd::new(right.as_fd(), PollFlags::empty())], PollTimeout::NONE).unwrap();
            poll(&mut [PollFd::new(left.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
            // Forward is served first and is told ECONNRESET.
            let error = joined.run().unwrap_err();
            assert_eq!((error.kind(), error.errno()), (ErrorKind::PeerClosed, Some(libc::ECONNRESET)), "{error}");
            let report = joined.report();
            assert!(matches!(report.backward.outcome, Outcome::Failed(_)), "{report:?}");
            assert_eq!(joined.take_undelivered(Direction::Forward).unwrap(), b"too late");
            drop(joined);
            // No end was passed on to the client.
            client.set_nonblocking(true).unwrap();
            assert_eq!(client.read(&mut [0; 9]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        });
        test.join().unwrap();
    }
}

#[test]
fn a_refused_splice_is_noted_and_the_bytes_go_on() {
    let _dog = watchdog(120, "a refused splice");
    let bytes = pattern(3 << 20);
    for errno in [libc::ENOSYS, libc::EPERM, libc::EINVAL] {
        for tcp in FAMILIES {
            let (there, back) = (bytes.clone(), bytes[11..].to_vec());
            let (left, client) = Socket::pair(tcp[0]);
            let (right, server) = Socket::pair(tcp[1]);
            let test = std::thread::spawn(move || {
                refuse(libc::SYS_splice, errno);
                let mut joined = relay(&left, &right);
                joined.run().unwrap()
            });
            let client = peer(client, there.clone(), PLAIN);
            let server = peer(server, back.clone(), PLAIN);
            let report = test.join().unwrap();
            assert!(server.join().unwrap() == there && client.join().unwrap() == back, "{errno} {tcp:?}");
            for direction in [report.forward, report.backward] {
                assert_eq!(direction.mechanism, Mechanism::ReadWrite);
                assert_eq!(direction.attempts.len(), 1);
                assert_eq!(direction.attempts[0].mechanism, Mechanism::Splice);
                assert_eq!((direction.attempts[0].operation, direction.attempts[0].errno), ("splice", Some(errno)));
            }
        }
    }
}

/// A filter that comes in the middle: the pipe's bytes go on through the buffer.
#[test]
fn a_splice_refused_in_the_middle_loses_nothing() {
    let _dog = watchdog(60, "a splice refused in the middle");
    let bytes = pattern(6 << 20);
    for tcp in FAMILIES {
        let (left, client) = Socket::pair(tcp[0]);
        let (right, server) = Socket::pair(tcp[1]);
        let client = peer(client, bytes.clone(), PLAIN);
        let test = std::thread::spawn(move || {
            let mut joined = relay(&left, &right);
            while joined.step().unwrap()
                != (RelayStep::Blocked { forward: Some(Side::Sink), backward: Some(Side::Source) })
            {}
            let held = joined.report().forward.undelivered;
            refuse(libc::SYS_splice, libc::EPERM);
            let server = peer(server, Vec::new(), PLAIN);
            let report = joined.run().unwrap();
            (held, report, server.join().unwrap())
        });
        let (held, report, received) = test.join().unwrap();
        assert!(held > 0 && received == bytes, "{tcp:?}");
        assert_eq!(report.forward.attempts.len(), 1);
        assert!(client.join().unwrap().is_empty());
    }
}

/// splice(2) stops at a TCP urgent byte and says EAGAIN, or the end: bytes would be lost.
#[test]
fn an_urgent_byte_is_stepped_over() {
    let _dog = watchdog(60, "an urgent byte");
    for end_first in [false, true] {
        let (left, mut client) = tcp_pair();
        let (right, server) = tcp_pair();
        client.write_all(b"before ").unwrap();
        assert_eq!(nix::sys::socket::send(std::os::fd::AsRawFd::as_raw_fd(&client), b"!", MsgFlags::MSG_OOB), Ok(1));
        client.write_all(b"after").unwrap();
        if end_first {
            client.shutdown(Shutdown::Write).unwrap();
        }
        let server = peer(Socket::Tcp(server), Vec::new(), PLAIN);
        let mut joined = relay(&left, &right);
        let running = std::thread::scope(|scope| {
            let running = scope.spawn(|| joined.run());
            if !end_first {
                std::thread::sleep(Duration::from_millis(20));
                client.shutdown(Shutdown::Write).unwrap();
            }
            running.join().unwrap()
        });
        running.unwrap();
        assert_eq!(server.join().unwrap(), b"before after", "{end_first}");
    }
}
