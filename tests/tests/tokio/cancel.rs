//! A future that is dropped, or fails, leaves an operation that knows to the byte what was delivered, has what was not, and can
//! be awaited again.

use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::{MsgFlags, recv, setsockopt, sockopt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use zcio::{Direction, Endpoint, ErrorKind, FanOut, Mechanism, Relay, Transfer, tokio as futures};
use zcio_tests::{Random, file_with, pattern, watchdog};

use super::{for_a_while, on_each_runtime};

fn end(fd: &impl AsFd) -> Endpoint<'_> {
    Endpoint::new(fd.as_fd()).unwrap()
}

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

/// What is in a socket now, whatever tokio has heard of it.
fn rest(socket: &UnixStream) -> Vec<u8> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 1 << 20]);
    while let Ok(count @ 1..) = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
        bytes.extend_from_slice(&buffer[..count]);
    }
    bytes
}

/// Dropped many times, at places that differ, and awaited again each time: every byte once, in order.
#[test]
fn a_transfer_that_is_dropped_again_and_again_loses_nothing() {
    let _dog = watchdog(120, "dropped again and again");
    for mechanism in [None, Some(Mechanism::ReadWrite), Some(Mechanism::Splice)] {
        on_each_runtime(|| async move {
            let bytes = pattern(1 << 20);
            let (mut sender, source) = tcp().await;
            let (sink, receiver) = UnixStream::pair().unwrap();
            setsockopt(&sink, sockopt::SndBuf, &8192).unwrap();
            let sent = bytes.clone();
            let peer = tokio::spawn(async move { sender.write_all(&sent).await.unwrap() });
            let mut transfer = Transfer::new(end(&source), end(&sink));
            if let Some(mechanism) = mechanism {
                transfer = transfer.mechanism(mechanism);
            }
            // Nobody reads while the future lives: it cannot come to its end before it has been dropped often.
            let (mut drops, mut arrived, mut random) = (0, Vec::new(), Random::seeded(13));
            let report = loop {
                let ended = for_a_while(random.below(4), futures::transfer(&mut transfer)).await;
                arrived.extend(rest(&receiver));
                assert_eq!(transfer.report().map_or(0, |report| report.bytes), arrived.len() as u64);
                match ended {
                    Some(report) => break report.unwrap(),
                    None => drops += 1,
                }
            };
            assert_eq!(report.bytes, bytes.len() as u64);
            assert!(arrived == bytes, "other bytes");
            peer.await.unwrap();
            assert!(drops > 3, "{drops}");
        });
    }
}

#[test]
fn what_a_dropped_transfer_has_taken_can_be_taken_from_it() {
    let _dog = watchdog(60, "undelivered bytes");
    for mechanism in [Mechanism::ReadWrite, Mechanism::Splice] {
        on_each_runtime(|| async move {
            let bytes = pattern(1 << 20);
            let (mut sender, source) = UnixStream::pair().unwrap();
            let (sink, receiver) = UnixStream::pair().unwrap();
            setsockopt(&sink, sockopt::SndBuf, &8192).unwrap();
            let sent = bytes.clone();
            let feeding = tokio::spawn(async move { sender.write_all(&sent).await.map(|()| sender) });
            let mut transfer = Transfer::new(end(&source), end(&sink)).mechanism(mechanism);
            assert!(for_a_while(100, futures::transfer(&mut transfer)).await.is_none());
            let moved = transfer.report().unwrap().bytes;
            let undelivered = transfer.take_undelivered().unwrap();
            drop(transfer);
            let delivered = rest(&receiver);
            assert_eq!(moved, delivered.len() as u64);
            assert!(moved > 0 && moved < bytes.len() as u64 && !undelivered.is_empty());
            // What was delivered, what was handed back, and what is still in the source are all of it.
            let (mut all, mut remaining) = (delivered, Vec::new());
            all.extend(undelivered);
            let mut source = source;
            let (read, ()) = tokio::join!(source.read_to_end(&mut remaining), async { drop(feeding.await) });
            read.unwrap();
            all.extend(remaining);
            assert!(all == bytes, "other bytes");
        });
    }
}

#[test]
fn a_file_that_is_sent_is_at_the_byte_that_was_delivered() {
    use std::io::Seek;
    let _dog = watchdog(30, "a position");
    on_each_runtime(|| async {
        let file = file_with(&pattern(8 << 20));
        let (sink, receiver) = UnixStream::pair().unwrap();
        let mut transfer = Transfer::new(end(&file), end(&sink));
        assert!(for_a_while(50, futures::transfer(&mut transfer)).await.is_none());
        let moved = transfer.report().unwrap().bytes;
        assert_eq!((moved, transfer.take_undelivered().unwrap()), ((&file).stream_position().unwrap(), Vec::new()));
        drop(transfer);
        assert!(moved > 0 && rest(&receiver) == pattern(8 << 20)[..moved as usize]);
    });
}

#[test]
fn a_relay_and_a_fan_out_that_are_dropped_have_what_they_took() {
    let _dog = watchdog(60, "relay and fan-out");
    on_each_runtime(|| async {
        let bytes = pattern(1 << 20);
        let (mut client, left) = UnixStream::pair().unwrap();
        let (right, server) = UnixStream::pair().unwrap();
        setsockopt(&right, sockopt::SndBuf, &8192).unwrap();
        let sent = bytes.clone();
        let feeding = tokio::spawn(async move { (client.write_all(&sent).await, client).1 });
        let mut relay = Relay::new(end(&left), end(&right));
        assert!(for_a_while(100, futures::relay(&mut relay)).await.is_none());
        let mut all = rest(&server);
        let forward = relay.report().forward;
        assert_eq!((forward.bytes, relay.report().backward.bytes), (all.len() as u64, 0));
        let undelivered = relay.take_undelivered(Direction::Forward).unwrap();
        assert!(forward.bytes > 0 && undelivered.len() as u64 == forward.undelivered && !undelivered.is_empty());
        all.extend(undelivered);
        drop(relay);
        let (mut left, mut remaining) = (left, Vec::new());
        let (read, ()) = tokio::join!(left.read_to_end(&mut remaining), async { drop(feeding.await) });
        read.unwrap();
        all.extend(remaining);
        assert!(all == bytes, "other bytes");

        let (mut sender, source) = UnixStream::pair().unwrap();
        let (slow, slow_reader) = UnixStream::pair().unwrap();
        let (quick, quick_reader) = UnixStream::pair().unwrap();
        setsockopt(&slow, sockopt::SndBuf, &8192).unwrap();
        sender.write_all(&bytes[..100 << 10]).await.unwrap();
        let mut fan_out = FanOut::new(end(&source)).sink(end(&slow)).sink(end(&quick));
        assert!(for_a_while(100, futures::fan_out(&mut fan_out)).await.is_none());
        let sinks = fan_out.report().unwrap().sinks;
        for (index, reader) in [slow_reader, quick_reader].iter().enumerate() {
            let mut all = rest(reader);
            assert_eq!(all.len() as u64, sinks[index].bytes);
            all.extend(fan_out.take_undelivered(index).unwrap());
            assert!(all == bytes[..all.len()] && all.len() as u64 >= sinks[1].bytes);
        }
        assert!(sinks[0].bytes < sinks[1].bytes);
    });
}

#[test]
fn a_peer_that_vanishes_is_an_error_with_the_count() {
    let _dog = watchdog(60, "vanishing peers");
    on_each_runtime(|| async {
        let bytes = pattern(8 << 20);
        let file = file_with(&bytes);
        let (sink, mut reader) = tcp().await;
        let reading = tokio::spawn(async move {
            let mut head = vec![0; 100_000];
            reader.read_exact(&mut head).await.unwrap();
            head
        });
        let mut transfer = Transfer::new(end(&file), end(&sink));
        let error = futures::transfer(&mut transfer).await.unwrap_err();
        assert_eq!((error.kind(), error.moved()), (ErrorKind::PeerClosed, transfer.report().unwrap().bytes));
        assert!(error.moved() >= 100_000 && reading.await.unwrap() == bytes[..100_000]);

        // While nothing is moved: the source waits for bytes, and gets a reset.
        let (source, peer) = tcp().await;
        let (sink, _receiver) = UnixStream::pair().unwrap();
        let mut transfer = Transfer::new(end(&source), end(&sink));
        let (ended, ()) = tokio::join!(futures::transfer(&mut transfer), async {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            setsockopt(&peer, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 }).unwrap();
            drop(peer);
        });
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::PeerClosed);
    });
}
