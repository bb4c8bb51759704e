//! A relay between two real sockets with a peer at each: what one peer sends is what the other receives, in both
//! directions, whatever the peers' pace and however they end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, setsockopt, sockopt};
use zcio::{Direction, Endpoint, ErrorKind, Mechanism, Outcome, Readiness, Relay, RelayReport, RelayStep, Side};
use zcio_tests::seccomp::refuse;
use zcio_tests::{Random, nonblocking, open_descriptors, pattern, tcp_pair, watchdog};

/// A socket of either family.
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn pair(tcp: bool) -> (Self, Self) {
        if tcp {
            let (near, far) = tcp_pair();
            return (Self::Tcp(near), Self::Tcp(far));
        }
        let (near, far) = UnixStream::pair().unwrap();
        (Self::Unix(near), Self::Unix(far))
    }

    fn end_writing(&self) {
        match self {
            Self::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Self::Unix(socket) => socket.shutdown(Shutdown::Write),
        }
        .unwrap();
    }

    fn reader(&self) -> Box<dyn Read + Send> {
        match self {
            Self::Tcp(socket) => Box::new(socket.try_clone().unwrap()),
            Self::Unix(socket) => Box::new(socket.try_clone().unwrap()),
        }
    }

    fn small_buffers(&self) {
        setsockopt(&self.as_fd(), sockopt::SndBuf, &4096).unwrap();
        self.small_receive_buffer();
    }

    fn small_receive_buffer(&self) {
        setsockopt(&self.as_fd(), sockopt::RcvBuf, &4096).unwrap();
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(bytes),
            Self::Unix(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Read for Socket {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(bytes),
            Self::Unix(socket) => socket.read(bytes),
        }
    }
}

/// How a peer behaves.
#[derive(Clone, Copy, Debug, Default)]
struct Manners {
    /// Bytes written (and at most read) at once; 0: everything.
    piece: usize,
    /// Rest after each piece.
    pause: Option<Duration>,
    /// Sends nothing before it has received everything.
    answers_last: bool,
}

impl Manners {
    fn rest(self) {
        if let Some(pause) = self.pause {
            std::thread::sleep(pause);
        }
    }
}

/// A peer that sends `bytes` and its end, and receives to the end at the same time.
fn peer(mut socket: Socket, bytes: Vec<u8>, manners: Manners) -> JoinHandle<Vec<u8>> {
    let piece = if manners.piece == 0 { 1 << 20 } else { manners.piece };
    let mut reader = socket.reader();
    let receiver = std::thread::spawn(move || {
        let (mut received, mut buffer) = (Vec::new(), vec![0; piece]);
        loop {
            match reader.read(&mut buffer).unwrap() {
                0 => return received,
                count => received.extend_from_slice(&buffer[..count]),
            }
            manners.rest();
        }
    });
    std::thread::spawn(move || {
        let mut receiver = Some(receiver);
        let early = manners.answers_last.then(|| receiver.take().unwrap().join().unwrap());
        for part in bytes.chunks(piece) {
            socket.write_all(part).unwrap();
            manners.rest();
        }
        socket.end_writing();
        early.unwrap_or_else(|| receiver.unwrap().join().unwrap())
    })
}

fn relay<'fd>(first: &'fd impl AsFd, second: &'fd impl AsFd) -> Relay<'fd> {
    Relay::new(Endpoint::new(first.as_fd()).unwrap(), Endpoint::new(second.as_fd()).unwrap())
}

fn events(readiness: Readiness) -> PollFlags {
    match readiness {
        Readiness::Readable => PollFlags::POLLIN,
        Readiness::Writable => PollFlags::POLLOUT,
    }
}

/// An event loop around the steps.
fn drive(relay: &mut Relay<'_>) -> RelayReport {
    let mut totals = (0, 0);
    loop {
        match relay.step().unwrap() {
            RelayStep::Done => break,
            RelayStep::Moved { forward, backward } => totals = (totals.0 + forward, totals.1 + backward),
            RelayStep::Blocked { forward, backward } => {
                let mut expected = Vec::new();
                for (direction, side) in [(Direction::Forward, forward), (Direction::Backward, backward)] {
                    let Some(side) = side else { continue };
                    expected.push((relay.descriptor(direction, side), side.readiness()));
                }
                let wait = relay.interests().map(|(fd, readiness)| PollFd::new(fd, events(readiness)));
                let mut wait: Vec<_> = wait.collect();
                assert_eq!(wait.len(), expected.len());
                poll(&mut wait, PollTimeout::NONE).unwrap();
            }
        }
    }
    let report = relay.report();
    assert_eq!(totals, (report.forward.bytes, report.backward.bytes));
    report
}

/// Up to here the peers have small receive buffers as well; more would take minutes over TCP.
const SMALL: usize = 1 << 16;

/// Relays `there` and `back` between two peers and compares everything.
fn exchange(tcp: [bool; 2], there: &[u8], back: &[u8], manners: [Manners; 2], prepare: impl Fn(&Socket), step: bool) {
    let what = format!("tcp {tcp:?}, {} there, {} back, {manners:?}, step {step}", there.len(), back.len());
    let (left, client) = Socket::pair(tcp[0]);
    let (right, server) = Socket::pair(tcp[1]);
    [&left, &right].into_iter().for_each(&prepare);
    if there.len().max(back.len()) <= SMALL {
        [&client, &server].into_iter().for_each(Socket::small_receive_buffer);
    }
    let client = peer(client, there.to_vec(), manners[0]);
    let server = peer(server, back.to_vec(), manners[1]);
    let mut joined = relay(&left, &right);
    let report = if step { drive(&mut joined) } else { joined.run().unwrap() };
    assert!(server.join().unwrap() == there, "{what}: other bytes there");
    assert!(client.join().unwrap() == back, "{what}: other bytes back");
    assert_eq!((report.forward.bytes, report.backward.bytes), (there.len() as u64, back.len() as u64), "{what}");
    assert!(matches!((report.forward.outcome, report.backward.outcome), (Outcome::Ended, Outcome::Ended)), "{what}");
    assert_eq!((report.forward.undelivered, report.backward.undelivered), (0, 0));
}

const FAMILIES: [[bool; 2]; 4] = [[true, true], [true, false], [false, true], [false, false]];
const PLAIN: Manners = Manners { piece: 0, pause: None, answers_last: false };

#[test]
fn both_directions_in_any_mix_of_families() {
    let _dog = watchdog(120, "both directions");
    let (there, back) = (pattern((9 << 20) + 1), pattern((5 << 20) + 77));
    for tcp in FAMILIES {
        for step in [false, true] {
            exchange(tcp, &there, &back, [PLAIN; 2], |_| (), step);
            exchange(tcp, &there, &back, [PLAIN; 2], nonblocking, step);
            exchange(tcp, b"", b"", [PLAIN; 2], |_| (), step);
            exchange(tcp, b"x", b"", [PLAIN; 2], |_| (), step);
        }
    }
}

#[test]
fn sixty_four_mebibytes_each_way_at_once() {
    let _dog = watchdog(120, "bulk");
    let bytes = pattern(64 << 20);
    exchange([true, true], &bytes, &bytes[1..], [PLAIN; 2], |_| (), false);
}

#[test]
fn the_end_of_one_side_leaves_the_other_open_in_both_orders() {
    let _dog = watchdog(60, "half-close");
    let bytes = pattern(3 << 20);
    let last = Manners { answers_last: true, ..PLAIN };
    for tcp in FAMILIES {
        for step in [false, true] {
            exchange(tcp, &bytes, &bytes[7..], [PLAIN, last], |_| (), step);
            exchange(tcp, &bytes, &bytes[7..], [last, PLAIN], |_| (), step);
        }
    }
}

#[test]
fn messages_of_one_byte_and_tiny_buffers() {
    let _dog = watchdog(120, "one byte");
    let bytes = pattern(20_000);
    let single = Manners { piece: 1, ..PLAIN };
    for tcp in FAMILIES {
        exchange(tcp, &bytes, &bytes[3..], [single; 2], |_| (), false);
        exchange(tcp, &pattern(1 << 17), &bytes, [PLAIN, single], Socket::small_buffers, true);
        exchange(tcp, &bytes, &pattern(1 << 17), [PLAIN; 2], Socket::small_buffers, false);
    }
}

#[test]
fn slow_peers() {
    let _dog = watchdog(120, "slow peers");
    let bytes = pattern(2 << 20);
    let slow = Manners { piece: 30_000, pause: Some(Duration::from_micros(500)), ..PLAIN };
    for tcp in FAMILIES {
        exchange(tcp, &bytes, &bytes[9..], [slow, PLAIN], |_| (), false);
        exchange(tcp, &bytes, &bytes[9..], [PLAIN, slow], |_| (), true);
        exchange(tcp, &bytes[..1 << 16], &bytes[..1 << 16], [PLAIN, slow], Socket::small_buffers, true);
    }
}

#[test]
fn a_storm_of_signals_changes_no_byte() {
    let _dog = watchdog(60, "a storm of signals");
    let bytes = pattern(8 << 20);
    let _storm = zcio_tests::storm_of_signals();
    for tcp in FAMILIES {
        exchange(tcp, &bytes, &bytes[5..], [PLAIN; 2], |_| (), false);
    }
}

#[test]
fn random_exchanges() {
    let _dog = watchdog(300, "random exchanges");
    let mut random = Random::seeded(20_260_731);
    let bytes = pattern(1 << 21);
    for _ in 0..120 {
        let mut manners = || Manners {
            piece: random.of(&[0, 1 << 10, 4095, 65_537]),
            pause: random.of(&[None, None, Some(Duration::from_micros(50))]),
            answers_last: false,
        };
        let manners = [manners(), manners()];
        let mut part = || {
            let length = random.of(&[0, 1, 4096, 60_000, 1 << 20]);
            let start = random.below(1 << 20) as usize;
            &bytes[start..start + random.below(length + 1) as usize]
        };
        let (there, back) = (part(), part());
        let plain = [|_: &Socket| (), |socket: &Socket| nonblocking(socket)];
        let prepare = if there.len().max(back.len()) <= SMALL { Socket::small_buffers } else { random.of(&plain) };
        exchange(random.of(&FAMILIES), there, back, manners, prepare, random.of(&[true, false]));
    }
}

/// The deadlock that a relay which sleeps in one direction runs into: the peer reads only after it has been read from.
#[test]
fn a_peer_that_does_not_read_holds_up_nobody() {
    let _dog = watchdog(60, "a peer that does not read");
    for tcp in FAMILIES {
        let (left, mut client) = Socket::pair(tcp[0]);
        let (right, mut server) = Socket::pair(tcp[1]);
        // The client sends for ever and the server does not read: forward is stuck.
        let mut joined = relay(&left, &right);
        nonblocking(&client);
        let flood = pattern(1 << 20);
        let mut sent = 0;
        let mut stuck = 0;
        while stuck < 20 {
            if let Ok(count) = client.write(&flood[sent % flood.len()..]) {
                (sent, stuck) = (sent + count, 0);
            } else {
                stuck += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            while matches!(joined.step().unwrap(), RelayStep::Moved { .. }) {}
        }
        // The second socket may still find room for a little, now and later.
        let blocked = loop {
            match joined.step().unwrap() {
                RelayStep::Moved { .. } => {}
                blocked => break blocked,
            }
        };
        let expected = RelayStep::Blocked { forward: Some(Side::Sink), backward: Some(Side::Source) };
        assert_eq!(blocked, expected, "{tcp:?}");
        // Backward works all the same.
        server.write_all(b"still here").unwrap();
        poll(&mut [PollFd::new(right.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
        assert!(matches!(joined.step().unwrap(), RelayStep::Moved { backward: 10, .. }), "{tcp:?}");
        joined.step().unwrap();
        // Nothing is lost: what arrived, what is held, what is still in the first socket.
        let held = joined.take_undelivered(Direction::Forward).unwrap();
        assert!(!held.is_empty());
        let delivered = joined.report().forward.bytes as usize;
        drop(joined);
        client.end_writing();
        right.end_writing();
        let (mut arrived, mut rest) = (Vec::new(), Vec::new());
        server.read_to_end(&mut arrived).unwrap();
        left.reader().read_to_end(&mut rest).unwrap();
        assert_eq!(arrived.len(), delivered);
        let whole = [arrived, held, rest].concat();
        let expected: Vec<u8> = flood.iter().copied().cycle().take(sent).collect();
        assert!(whole == expected, "{tcp:?}: a byte was lost or doubled");
    }
}

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

#[test]
fn a_watcher_sees_the_counts_and_can_stop() {
    let _dog = watchdog(60, "a watcher");
    let (left, mut client) = tcp_pair();
    let (right, _server) = UnixStream::pair().unwrap();
    client.write_all(b"12345").unwrap();
    let (mut seen, mut joined) = (Vec::new(), relay(&left, &right));
    let error = joined
        .run_watched(|forward, backward| {
            seen.push((forward, backward));
            if seen.len() < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .unwrap_err();
    assert_eq!((error.kind(), error.moved()), (ErrorKind::Cancelled, 5));
    assert_eq!(seen, [(5, 0); 3]);
}

#[test]
fn sockets_get_their_mode_back() {
    let is_nonblocking =
        |fd: &TcpStream| OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL).unwrap()).contains(OFlag::O_NONBLOCK);
    let ((left, _client), (right, _server)) = (tcp_pair(), tcp_pair());
    right.set_nonblocking(true).unwrap();
    let mut joined = relay(&left, &right);
    assert!(!is_nonblocking(&left));
    joined.step().unwrap();
    assert!(is_nonblocking(&left));
    drop(joined);
    assert!(!is_nonblocking(&left) && is_nonblocking(&right));
}

#[test]
fn ends_that_cannot_be_joined() {
    let ((tcp, _far), (pipe, _writer)) = (tcp_pair(), std::io::pipe().unwrap());
    assert_eq!(relay(&tcp, &pipe).step().unwrap_err().kind(), ErrorKind::Impossible);
    assert_eq!(relay(&tcp, &tcp).step().unwrap_err().kind(), ErrorKind::InvalidInput);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(relay(&tcp, &listener).run().unwrap_err().kind(), ErrorKind::NotConnected);
}

#[test]
fn an_idle_relay_waits_in_poll() {
    let _dog = watchdog(60, "an idle relay");
    let ((left, client), (right, server)) = (tcp_pair(), tcp_pair());
    let began = Instant::now();
    let ends = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        drop((client, server));
    });
    let report = relay(&left, &right).run().unwrap();
    ends.join().unwrap();
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert!(report.system_calls < 40, "{report:?}");
}

/// A message costs a wait, a splice in and a splice out, not a dozen calls.
#[test]
fn a_message_costs_three_system_calls() {
    let _dog = watchdog(60, "messages");
    let ((left, mut client), (right, mut server)) = (tcp_pair(), tcp_pair());
    let echo = std::thread::spawn(move || {
        let mut message = [0; 64];
        while server.read_exact(&mut message).is_ok() {
            server.write_all(&message).unwrap();
        }
    });
    let asking = std::thread::spawn(move || {
        let mut message = [7; 64];
        for _ in 0..1000 {
            client.write_all(&message).unwrap();
            client.read_exact(&mut message).unwrap();
        }
    });
    let report = relay(&left, &right).run().unwrap();
    asking.join().unwrap();
    echo.join().unwrap();
    assert_eq!((report.forward.bytes, report.backward.bytes), (64_000, 64_000));
    assert!(report.system_calls < 2000 * 3 + 50, "{} calls", report.system_calls);
}

#[test]
fn relays_leave_no_descriptor_behind() {
    // Other tests of this file open descriptors at the same time: count in a child of our own.
    if std::env::var_os("ZCIO_TEST_CHILD").is_none() {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "relays_leave_no_descriptor_behind", "--nocapture"])
            .env("ZCIO_TEST_CHILD", "1")
            .status()
            .unwrap();
        assert!(child.success());
        return;
    }
    let once = || {
        let ((left, mut client), (right, server)) = (tcp_pair(), UnixStream::pair().unwrap());
        client.write_all(b"abc").unwrap();
        let mut joined = relay(&left, &right);
        joined.step().unwrap();
        drop(server);
        client.write_all(b"abc").unwrap();
        drop(client);
        let _ = joined.run();
    };
    // A pool of pipes may keep a few: let it fill first.
    (0..50).for_each(|_| once());
    let before = open_descriptors();
    (0..200).for_each(|_| once());
    assert_eq!(open_descriptors(), before);
}
