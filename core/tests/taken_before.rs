//! Bytes that somebody had read before the transfer or the relay began: they come first, are counted, and are handed back.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use zcio::{Direction, Endpoint, ErrorKind, FanOut, FanOutStep, Mechanism, Relay, Step, Transfer};

fn read_all(mut stream: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_transfer_sends_them_first() {
    let (mut peer, source) = UnixStream::pair().unwrap();
    peer.write_all(b" and the rest, and more").unwrap();
    let (sink, receiver) = UnixStream::pair().unwrap();
    let ends = (Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
    let report = Transfer::new(ends.0, ends.1).taken_before(b"the head".to_vec()).count(21).run().unwrap();
    drop(sink);
    assert_eq!(report.bytes, 21);
    assert_eq!(read_all(receiver), b"the head and the rest");
}

#[test]
fn a_transfer_hands_them_back() {
    let (_peer, source) = UnixStream::pair().unwrap();
    let (sink, receiver) = UnixStream::pair().unwrap();
    drop(receiver);
    let ends = (Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
    let mut transfer = Transfer::new(ends.0, ends.1).taken_before(b"the head".to_vec());
    assert_eq!(transfer.run().unwrap_err().moved(), 0);
    assert_eq!(transfer.take_undelivered().unwrap(), b"the head");
}

#[test]
fn a_transfer_that_is_refused_hands_them_back() {
    let (_peer, source) = UnixStream::pair().unwrap();
    let sink = tempfile::tempfile().unwrap();
    let ends = (Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
    let transfer = Transfer::new(ends.0, ends.1).taken_before(b"the head".to_vec());
    let mut transfer = transfer.mechanism(Mechanism::Reflink);
    assert_eq!(transfer.run().unwrap_err().kind(), ErrorKind::Impossible);
    assert_eq!(transfer.take_undelivered().unwrap(), b"the head");
    assert_eq!(transfer.take_undelivered().unwrap(), b"");
}

#[test]
fn a_step_is_as_large_as_it_was_said_to_be() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; 1 << 20]).unwrap();
    let sink = tempfile::tempfile().unwrap();
    let ends = (Endpoint::new(file.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
    let mut transfer = Transfer::new(ends.0, ends.1).offset(0).step_size(100_000);
    let mut moved = 0;
    loop {
        match transfer.step().unwrap() {
            Step::Done => break,
            Step::Moved(count) => {
                assert!(count <= 100_000);
                moved += count;
            }
            step => panic!("{step:?}"),
        }
    }
    assert_eq!((moved, sink.metadata().unwrap().len()), (1 << 20, 1 << 20));
}

#[test]
fn a_relay_sends_them_first_in_both_directions() {
    let (client, left) = UnixStream::pair().unwrap();
    let (right, server) = UnixStream::pair().unwrap();
    (&client).write_all(b" from the client").unwrap();
    (&server).write_all(b" from the server").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    let relay = Relay::new(Endpoint::new(left.as_fd()).unwrap(), Endpoint::new(right.as_fd()).unwrap());
    let mut relay = relay
        .taken_before(Direction::Forward, b"something".to_vec())
        .taken_before(Direction::Backward, b"something else".to_vec());
    let report = relay.run().unwrap();
    drop(relay);
    drop((left, right));
    assert_eq!((report.forward.bytes, report.backward.bytes), (25, 30));
    assert_eq!(read_all(server), b"something from the client");
    assert_eq!(read_all(client), b"something else from the server");
}

#[test]
fn a_relay_takes_nothing_more_from_a_side_that_has_ended_before() {
    let (client, left) = UnixStream::pair().unwrap();
    let (right, server) = UnixStream::pair().unwrap();
    (&client).write_all(b" and what is not to be read").unwrap();
    (&server).write_all(b"answer").unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    let relay = Relay::new(Endpoint::new(left.as_fd()).unwrap(), Endpoint::new(right.as_fd()).unwrap());
    let mut relay = relay.taken_before(Direction::Forward, b"question".to_vec()).ended_before(Direction::Forward);
    let report = relay.run().unwrap();
    drop(relay);
    assert_eq!((report.forward.bytes, report.backward.bytes), (8, 6));
    drop(right);
    assert_eq!(read_all(server), b"question");
    drop(left);
    // The client reads its answer, and then a reset or an end: bytes of its own were left.
    let mut answer = [0; 6];
    (&client).read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
}

#[test]
fn a_fan_out_sends_them_first_to_every_sink() {
    // More than a pipe holds.
    let head: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let (mut peer, source) = UnixStream::pair().unwrap();
    peer.write_all(b" and the rest, and more").unwrap();
    let (left, right) = (tempfile::NamedTempFile::new().unwrap(), tempfile::NamedTempFile::new().unwrap());
    let report = FanOut::new(Endpoint::new(source.as_fd()).unwrap())
        .sink(Endpoint::create(left.path()).unwrap())
        .sink(Endpoint::create(right.path()).unwrap())
        .taken_before(head.clone())
        .count(3_000_013)
        .run()
        .unwrap();
    assert_eq!(report.bytes, 3_000_013);
    let expected = [&head[..], b" and the rest"].concat();
    for sink in [left, right] {
        assert!(std::fs::read(sink.path()).unwrap() == expected);
    }
}

#[test]
fn a_fan_out_hands_them_back() {
    let head: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let (_peer, source) = UnixStream::pair().unwrap();
    let pairs = [UnixStream::pair().unwrap(), UnixStream::pair().unwrap()];
    let mut fan_out = FanOut::new(Endpoint::new(source.as_fd()).unwrap()).taken_before(head.clone());
    for (sink, _) in &pairs {
        fan_out = fan_out.sink(Endpoint::new(sink.as_fd()).unwrap());
    }
    assert_eq!(fan_out.take_undelivered(0).unwrap(), head, "nothing has begun");
    while fan_out.step().unwrap() != FanOutStep::Blocked {}
    let report = fan_out.report().unwrap();
    for (index, sink) in report.sinks.iter().enumerate() {
        assert!(sink.bytes > 0 && sink.bytes < 3_000_000);
        assert!(fan_out.take_undelivered(index).unwrap() == head[sink.bytes as usize..]);
    }
}

#[test]
fn more_than_the_count_comes_back() {
    for count in [0, 3, 8, 100] {
        let (mut peer, source) = UnixStream::pair().unwrap();
        peer.write_all(b", in the socket").unwrap();
        let (sink, receiver) = UnixStream::pair().unwrap();
        let ends = (Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
        drop(peer);
        let mut transfer = Transfer::new(ends.0, ends.1).taken_before(b"the head".to_vec()).count(count);
        let report = transfer.run().unwrap();
        let whole = b"the head, in the socket";
        let moved = whole.len().min(count as usize);
        assert_eq!(report.bytes, moved as u64, "{count}");
        let surplus = transfer.take_undelivered().unwrap();
        assert_eq!(surplus, &b"the head"[moved.min(8)..], "{count}");
        assert_eq!(transfer.take_undelivered().unwrap(), b"", "{count}");
        drop(transfer);
        drop(sink);
        assert_eq!(read_all(receiver), whole[..moved], "{count}");
        assert_eq!(read_all(source), whole[moved.max(8)..], "{count}: what was not asked for stays in the socket");
    }
}

#[test]
fn more_than_the_count_comes_back_from_a_fan_out() {
    let (_peer, source) = UnixStream::pair().unwrap();
    let (sink, receiver) = UnixStream::pair().unwrap();
    let mut fan_out = FanOut::new(Endpoint::new(source.as_fd()).unwrap()).taken_before(b"the head".to_vec()).count(3);
    fan_out = fan_out.sink(Endpoint::new(sink.as_fd()).unwrap());
    assert_eq!(fan_out.run().unwrap().bytes, 3);
    assert_eq!(fan_out.take_undelivered(0).unwrap(), b" head");
    drop(fan_out);
    drop(sink);
    assert_eq!(read_all(receiver), b"the");
}

#[test]
fn more_than_the_count_is_not_sent_when_a_mechanism_refuses() {
    let (_peer, source) = UnixStream::pair().unwrap();
    // splice(2) refuses a file opened to append.
    let file = tempfile::NamedTempFile::new().unwrap();
    let sink = std::fs::OpenOptions::new().append(true).open(file.path()).unwrap();
    let ends = (Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
    let mut transfer = Transfer::new(ends.0, ends.1).taken_before(b"the head".to_vec()).count(3);
    assert_eq!(transfer.run().unwrap().bytes, 3);
    assert_eq!(transfer.take_undelivered().unwrap(), b" head");
    assert_eq!(std::fs::read(file.path()).unwrap(), b"the");
}

/// A terminal or another character device has no offsets either.
#[test]
fn a_device_has_them_too() {
    let device = std::fs::File::open("/dev/null").unwrap();
    for fans_out in [false, true] {
        let sink = tempfile::NamedTempFile::new().unwrap();
        let ends = (Endpoint::new(device.as_fd()).unwrap(), Endpoint::create(sink.path()).unwrap());
        let moved = if fans_out {
            FanOut::new(ends.0).sink(ends.1).taken_before(b"the head".to_vec()).run().unwrap().bytes
        } else {
            Transfer::new(ends.0, ends.1).taken_before(b"the head".to_vec()).run().unwrap().bytes
        };
        assert_eq!((moved, std::fs::read(sink.path()).unwrap()), (8, b"the head".to_vec()), "fan-out: {fans_out}");
    }
}
