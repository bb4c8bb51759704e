//! Which ends: whatever has a descriptor, in blocking mode or not, of tokio's or not, and what is always ready.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{MsgFlags, send};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use zcio::{Endpoint, FanOut, Mechanism, Relay, Transfer, tokio as futures};
use zcio_tests::terminals::terminal;
use zcio_tests::{Kind, Sink, Source, content, file_with, has, pattern, tcp_pair, watchdog};

use super::{on_each_runtime, runtimes};

#[test]
fn the_same_bytes_come_between_all_kinds_of_ends() {
    let _dog = watchdog(120, "transfers");
    let bytes = pattern((4 << 20) + 3);
    let kinds = || Kind::ALL.into_iter();
    for (runtime_kind, runtime) in runtimes() {
        for (source_kind, sink_kind) in
            kinds().chain([Kind::Bytes, Kind::Pages]).flat_map(|from| kinds().map(move |to| (from, to)))
        {
            for mechanism in [None, Some(Mechanism::ReadWrite), Some(Mechanism::Splice), Some(Mechanism::Uring)] {
                let (source, sink) = (Source::with(source_kind, &bytes), Sink::new(sink_kind));
                let mut transfer = Transfer::new(source.end(), Endpoint::new(sink.as_fd()).unwrap());
                if let Some(mechanism) = mechanism {
                    let demand = zcio::plan::Demand::default();
                    let ends = (source.end(), Endpoint::new(sink.as_fd()).unwrap());
                    if !has(mechanism)
                        || zcio::plan::impossible(mechanism, ends.0.facts(), ends.1.facts(), demand).is_some()
                    {
                        continue;
                    }
                    transfer = transfer.mechanism(mechanism);
                }
                let what = format!("{source_kind:?} -> {sink_kind:?}, {mechanism:?}, {runtime_kind}");
                let report = runtime.block_on(futures::transfer(&mut transfer));
                assert_eq!(report.unwrap_or_else(|error| panic!("{what}: {error}")).bytes, bytes.len() as u64);
                drop(transfer);
                assert!(sink.received() == bytes, "{what}: other bytes");
            }
        }
    }
}

#[test]
fn ends_in_blocking_mode_are_so_again() {
    let _dog = watchdog(30, "modes");
    let blocks = |fd: &dyn AsFd| {
        !OFlag::from_bits_retain(fcntl(fd.as_fd(), FcntlArg::F_GETFL).unwrap()).contains(OFlag::O_NONBLOCK)
    };
    for (_, runtime) in runtimes() {
        let (_sender, source) = StdUnixStream::pair().unwrap();
        let (_reader, sink) = std::io::pipe().unwrap();
        let mut transfer = Transfer::new(Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
        let waited = runtime.block_on(async {
            let waiting = super::for_a_while(50, futures::transfer(&mut transfer));
            tokio::join!(waiting, async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                assert!(!blocks(&source) && !blocks(&sink));
            })
            .0
        });
        assert!(waited.is_none() && blocks(&source) && blocks(&sink));
    }
}

/// Three at one socket: tokio reads it, a transfer takes from it meanwhile, another one writes to it.
#[test]
fn a_socket_of_tokios_serves_tokio_and_two_transfers() {
    let _dog = watchdog(60, "one socket");
    on_each_runtime(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (mut near, far) = (near.unwrap(), far.unwrap().0);
        let bytes = pattern(8 << 20);
        let (from, to) = (file_with(&bytes), tempfile::tempfile().unwrap());
        // tokio knows the socket, and has found it empty and writable.
        near.writable().await.unwrap();
        let (mut far_reader, mut far_writer) = far.into_split();
        let sent = bytes.clone();
        let peer = tokio::spawn(async move {
            far_writer.write_all(&sent).await.unwrap();
            let mut arrived = Vec::new();
            drop(far_writer);
            far_reader.read_to_end(&mut arrived).await.unwrap();
            arrived
        });
        let mut head = [0; 1000];
        near.read_exact(&mut head).await.unwrap();
        {
            let mut incoming = Transfer::new(Endpoint::new(near.as_fd()).unwrap(), Endpoint::new(to.as_fd()).unwrap());
            let mut outgoing =
                Transfer::new(Endpoint::new(from.as_fd()).unwrap(), Endpoint::new(near.as_fd()).unwrap());
            let reports = tokio::join!(futures::transfer(&mut incoming), futures::transfer(&mut outgoing));
            assert_eq!(
                (reports.0.unwrap().bytes, reports.1.unwrap().bytes),
                (bytes.len() as u64 - 1000, bytes.len() as u64)
            );
        }
        near.write_all(b"tail").await.unwrap();
        near.shutdown().await.unwrap();
        let arrived = peer.await.unwrap();
        assert!(arrived[..bytes.len()] == bytes && &arrived[bytes.len()..] == b"tail");
        assert!(head == bytes[..1000] && content(&to) == bytes[1000..]);
    });
}

#[test]
fn pipes_of_tokios_are_ends() {
    let _dog = watchdog(30, "pipes");
    on_each_runtime(|| async {
        let (mut sender, source) = pipe::pipe().unwrap();
        let (sink, mut receiver) = pipe::pipe().unwrap();
        let bytes = pattern(3 << 20);
        let sent = bytes.clone();
        let feeding = tokio::spawn(async move { sender.write_all(&sent).await.unwrap() });
        let moving = tokio::spawn(async move {
            let ends = (Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
            futures::transfer(&mut Transfer::new(ends.0, ends.1)).await.unwrap().bytes
        });
        let mut arrived = Vec::new();
        receiver.read_to_end(&mut arrived).await.unwrap();
        feeding.await.unwrap();
        assert!(moving.await.unwrap() == bytes.len() as u64 && arrived == bytes);
    });
}

#[test]
fn a_relay_and_a_fan_out_bring_the_same_bytes() {
    let _dog = watchdog(60, "relay and fan-out");
    on_each_runtime(|| async {
        let bytes = pattern((2 << 20) + 1);
        let (client, left) = UnixStream::pair().unwrap();
        let (right, server) = UnixStream::pair().unwrap();
        let peers = [(client, bytes.clone()), (server, bytes.iter().rev().copied().collect())].map(|(peer, sent)| {
            tokio::spawn(async move {
                let (mut reader, mut writer) = peer.into_split();
                let mut arrived = Vec::new();
                let (read, ()) = tokio::join!(reader.read_to_end(&mut arrived), async {
                    writer.write_all(&sent).await.unwrap();
                    writer.shutdown().await.unwrap();
                });
                read.unwrap();
                arrived
            })
        });
        let ends = (Endpoint::new(left.as_fd()).unwrap(), Endpoint::new(right.as_fd()).unwrap());
        let report = futures::relay(&mut Relay::new(ends.0, ends.1)).await.unwrap();
        assert_eq!((report.forward.bytes, report.backward.bytes), (bytes.len() as u64, bytes.len() as u64));
        let [client, server] = peers;
        assert!(server.await.unwrap() == bytes && client.await.unwrap().iter().rev().eq(&bytes));

        let (source, file) = (file_with(&bytes), tempfile::tempfile().unwrap());
        let (near, mut far) = UnixStream::pair().unwrap();
        let reader = tokio::spawn(async move {
            let mut arrived = Vec::new();
            far.read_to_end(&mut arrived).await.unwrap();
            arrived
        });
        let end = |fd| Endpoint::new(fd).unwrap();
        let mut fan_out = FanOut::new(end(source.as_fd())).sink(end(near.as_fd())).sink(end(file.as_fd()));
        assert_eq!(futures::fan_out(&mut fan_out).await.unwrap().bytes, bytes.len() as u64);
        drop(fan_out);
        drop(near);
        assert!(reader.await.unwrap() == bytes && content(&file) == bytes);
    });
}

/// epoll(7) refuses them.
#[test]
fn what_is_always_ready_is_an_end() {
    let _dog = watchdog(30, "devices");
    on_each_runtime(|| async {
        let devices = ["/dev/zero", "/dev/null"]
            .map(|path| std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap());
        let ends = devices.each_ref().map(|device| Endpoint::new(device.as_fd()).unwrap());
        let [zero, null] = ends;
        let mut transfer = Transfer::new(zero, null).count(3 << 20);
        assert_eq!(futures::transfer(&mut transfer).await.unwrap().bytes, 3 << 20);
    });
}

/// A step would sleep in its read, or in its write, and with it the only thread there is.
#[test]
fn a_terminal_in_blocking_mode_holds_nobody() {
    let _dog = watchdog(30, "a terminal");
    on_each_runtime(|| async {
        let (mut keyboard, terminal) = terminal();
        let (sink, mut reader) = UnixStream::pair().unwrap();
        let mut typed = Transfer::new(Endpoint::new(&terminal).unwrap(), Endpoint::new(&sink).unwrap());
        assert!(super::for_a_while(20, futures::transfer(&mut typed)).await.is_none());
        keyboard.write_all(b"typed").unwrap();
        assert!(super::for_a_while(20, futures::transfer(&mut typed)).await.is_none());
        let mut arrived = [0; 5];
        reader.read_exact(&mut arrived).await.unwrap();
        assert_eq!(&arrived, b"typed");

        // Nobody looks at what is printed, until somebody does.
        let bytes = pattern(1 << 20);
        let source = file_with(&bytes);
        let mut printed = Transfer::new(Endpoint::new(&source).unwrap(), Endpoint::new(&terminal).unwrap());
        assert!(super::for_a_while(50, futures::transfer(&mut printed)).await.is_none());
        assert!(printed.report().unwrap().bytes < bytes.len() as u64);
        let screen = tokio::task::spawn_blocking(move || {
            let mut arrived = vec![0; 1 << 20];
            keyboard.read_exact(&mut arrived).unwrap();
            arrived
        });
        assert_eq!(futures::transfer(&mut printed).await.unwrap().bytes, bytes.len() as u64);
        assert!(screen.await.unwrap() == bytes, "other bytes");
    });
}

/// All three are there when the transfer is woken, which happens once.
#[test]
fn an_urgent_byte_does_not_keep_a_transfer_waiting() {
    let _dog = watchdog(30, "an urgent byte");
    for mechanism in [Mechanism::Splice, Mechanism::ReadWrite] {
        on_each_runtime(|| async move {
            let (source, far) = tcp_pair();
            let (sink, mut reader) = UnixStream::pair().unwrap();
            let ends = (Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
            let mut transfer = Transfer::new(ends.0, ends.1).mechanism(mechanism);
            let sending = async {
                for _ in 0..3 {
                    (&far).write_all(b"before").unwrap();
                    assert_eq!(send(far.as_raw_fd(), b"!", MsgFlags::MSG_OOB), Ok(1));
                    (&far).write_all(b"after").unwrap();
                    let mut arrived = [0; 11];
                    reader.read_exact(&mut arrived).await.unwrap();
                    assert_eq!(&arrived, b"beforeafter");
                    // The transfer finds nothing more, and waits.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                far.shutdown(Shutdown::Write).unwrap();
            };
            let (report, ()) = tokio::join!(futures::transfer(&mut transfer), sending);
            assert_eq!(report.unwrap().bytes, 33);
        });
    }
}
