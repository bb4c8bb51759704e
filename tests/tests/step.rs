//! `step()` never waits for a non-blocking end, and a transfer driven by `step()` and poll alone moves the same bytes.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zcio::{Endpoint, Mechanism, Readiness, Side, Step, Transfer};
use zcio_tests::{Kind, Sink, Source, has, nonblocking, pattern, tcp_pair, watchdog};

fn transfer<'fd>(source: &'fd impl AsFd, sink: &'fd impl AsFd, mechanism: Option<Mechanism>) -> Transfer<'fd> {
    let ends = (Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
    let transfer = Transfer::new(ends.0, ends.1);
    match mechanism {
        Some(mechanism) => transfer.mechanism(mechanism),
        None => transfer,
    }
}

/// An event loop in ten lines: what every binding's loop comes down to.
fn drive(transfer: &mut Transfer<'_>) -> u64 {
    let mut total = 0;
    loop {
        match transfer.step().unwrap() {
            Step::Done => return total,
            Step::Moved(count) => total += count,
            Step::Blocked(side) => {
                let events = match side.readiness() {
                    Readiness::Readable => PollFlags::POLLIN,
                    Readiness::Writable => PollFlags::POLLOUT,
                };
                poll(&mut [PollFd::new(transfer.descriptor(side), events)], PollTimeout::NONE).unwrap();
            }
            // poll(2) reports an error queue without being asked.
            Step::Completing => {
                let sink = PollFd::new(transfer.descriptor(Side::Sink), PollFlags::empty());
                poll(&mut [sink], PollTimeout::NONE).unwrap();
            }
        }
    }
}

#[test]
fn stepping_moves_the_same_bytes() {
    let _dog = watchdog(120, "stepping");
    let bytes = pattern((8 << 20) + 3);
    for source_kind in Kind::ALL {
        for sink_kind in Kind::ALL {
            // A clone is one step, on file systems that can (reflink.rs).
            let named = Mechanism::ALL.iter().copied().filter(|&named| named != Mechanism::Reflink && has(named));
            for mechanism in named.map(Some).chain([None]) {
                let (source, sink) = (Source::with(source_kind, &bytes), Sink::new(sink_kind));
                nonblocking(&source);
                nonblocking(&sink);
                let mut stepped = transfer(&source, &sink, mechanism);
                if let Some(mechanism) = mechanism {
                    let plan = zcio::plan::impossible(
                        mechanism,
                        Endpoint::new(source.as_fd()).unwrap().facts(),
                        Endpoint::new(sink.as_fd()).unwrap().facts(),
                        zcio::plan::Demand::default(),
                    );
                    if plan.is_some() {
                        continue;
                    }
                }
                assert_eq!(drive(&mut stepped), bytes.len() as u64);
                assert!(sink.received() == bytes, "{source_kind:?} -> {sink_kind:?}, {mechanism:?}: other bytes");
            }
        }
    }
}

#[test]
fn an_empty_source_blocks_nobody() {
    let _dog = watchdog(30, "an empty source");
    for mechanism in [Some(Mechanism::ReadWrite), Some(Mechanism::Splice), Some(Mechanism::Uring), None]
        .into_iter()
        .filter(|&named| has(named))
    {
        for sink_kind in Kind::ALL {
            let (tcp, mut tcp_writer) = tcp_pair();
            let (unix, mut unix_writer) = UnixStream::pair().unwrap();
            let (pipe, mut pipe_writer) = std::io::pipe().unwrap();
            let sources: [(&dyn AsFd, &mut dyn Write); 3] =
                [(&tcp, &mut tcp_writer), (&unix, &mut unix_writer), (&pipe, &mut pipe_writer)];
            for (source, writer) in sources {
                let sink = Sink::new(sink_kind);
                nonblocking(&source.as_fd());
                let fd = source.as_fd();
                let mut transfer = transfer(&fd, &sink, mechanism);
                for _ in 0..3 {
                    assert_eq!(transfer.step().unwrap(), Step::Blocked(Side::Source), "{mechanism:?} {sink_kind:?}");
                }
                writer.write_all(b"now").unwrap();
                // Loopback TCP delivers on another core: readable is a matter of microseconds, not of the call.
                poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
                assert_eq!(transfer.step().unwrap(), Step::Moved(3), "{mechanism:?} {sink_kind:?}");
                assert_eq!(transfer.step().unwrap(), Step::Blocked(Side::Source), "{mechanism:?} {sink_kind:?}");
                drop(transfer);
                assert_eq!(sink.received(), b"now");
            }
        }
    }
}

#[test]
fn a_full_sink_blocks_nobody_and_loses_nothing() {
    let _dog = watchdog(60, "a full sink");
    // More than any socket's buffers hold by default.
    let bytes = pattern(32 << 20);
    for mechanism in [
        Some(Mechanism::ReadWrite),
        Some(Mechanism::MmapWrite),
        Some(Mechanism::Sendfile),
        Some(Mechanism::Splice),
        Some(Mechanism::Uring),
        None,
    ]
    .into_iter()
    .filter(|&named| has(named))
    {
        let (tcp, tcp_reader) = tcp_pair();
        let (unix, unix_reader) = UnixStream::pair().unwrap();
        let (pipe_reader, pipe) = std::io::pipe().unwrap();
        let sinks: [(Box<dyn AsFd>, Box<dyn Read + Send>); 3] = [
            (Box::new(tcp), Box::new(tcp_reader)),
            (Box::new(unix), Box::new(unix_reader)),
            (Box::new(pipe), Box::new(pipe_reader)),
        ];
        for (sink, mut reader) in sinks {
            let source = zcio_tests::file_with(&bytes);
            nonblocking(&sink.as_fd());
            let mut stuck = {
                let fd = sink.as_fd();
                let mut transfer = transfer(&source, &fd, mechanism);
                while transfer.step().unwrap() != Step::Blocked(Side::Sink) {}
                for _ in 0..3 {
                    // A socket may still take a little; it must never wait, and never finish.
                    assert_ne!(transfer.step().unwrap(), Step::Done, "{mechanism:?}");
                }
                transfer.report().unwrap().bytes
            };
            assert!(stuck < bytes.len() as u64);
            // The position says where to go on: by a new transfer, with the same file.
            let collector = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(5));
                let mut received = Vec::new();
                reader.read_to_end(&mut received).unwrap();
                received
            });
            {
                let fd = sink.as_fd();
                stuck += drive(&mut transfer(&source, &fd, mechanism));
            }
            drop(sink);
            assert_eq!(stuck, bytes.len() as u64, "{mechanism:?}");
            assert!(collector.join().unwrap() == bytes, "{mechanism:?}: other bytes");
        }
    }
}
