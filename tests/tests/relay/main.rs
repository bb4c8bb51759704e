//! A relay between two real sockets with a peer at each: what one peer sends is what the other receives, in both
//! directions, whatever the peers' pace and however they end.

mod failures;
mod upkeep;

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
