//! Memory as a source, by reference: what the receiver sees, what the report says, and that nothing is let go too early.

use std::io::Read;
use std::net::TcpStream;
use std::os::fd::AsFd;

use zcio::{AlignedBuffer, Endpoint, KnownBy, Mechanism, Report, Step, Transfer};
use zcio_tests::{file_with, pattern, tcp_pair, watchdog};

fn pages(bytes: &[u8]) -> zcio::Pages {
    let mut buffer = AlignedBuffer::new(bytes.len()).unwrap();
    buffer.copy_from_slice(bytes);
    buffer.freeze()
}

fn receive(mut from: TcpStream) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

#[test]
fn pages_in_a_pipe_outlive_the_buffer_they_came_from() {
    let bytes = pattern(40_000);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let report = Transfer::new(Endpoint::pages(pages(&bytes)), Endpoint::new(writer.as_fd()).unwrap()).run().unwrap();
    assert_eq!((report.mechanism, report.copies.count), (Mechanism::Vmsplice, Some(0)));
    drop(writer);
    // The buffer is unmapped by now; new memory must not show up in its place.
    let _other = (0..64).map(|_| vec![0xEE; 40_000]).collect::<Vec<_>>();
    let mut received = Vec::new();
    reader.read_to_end(&mut received).unwrap();
    assert!(received == bytes);
}

#[test]
fn on_loopback_the_kernel_says_that_it_copied() {
    let _dog = watchdog(30, "zero-copy notifications");
    let bytes = pattern((4 << 20) + 5);
    let file = file_with(&bytes);
    let from_file = || Endpoint::new(file.as_fd()).unwrap();
    for source in [Endpoint::bytes(&bytes), Endpoint::pages(pages(&bytes)), from_file()] {
        let (near, far) = tcp_pair();
        let receiver = receive(far);
        let report: Report = Transfer::new(source, Endpoint::new(near.as_fd()).unwrap())
            .mechanism(Mechanism::ZerocopySend)
            .run()
            .unwrap();
        drop(near);
        assert!(receiver.join().unwrap() == bytes);
        assert_eq!((report.copies.count, report.copies.known_by), (Some(1), KnownBy::Kernel));
    }
}

#[test]
fn a_zero_copy_send_is_not_done_before_the_peer_has_read() {
    let bytes = vec![1; 64 << 10];
    let (near, far) = tcp_pair();
    let sink = Endpoint::new(near.as_fd()).unwrap();
    let mut transfer = Transfer::new(Endpoint::pages(pages(&bytes)), sink).mechanism(Mechanism::ZerocopySend);
    assert_eq!(transfer.step().unwrap(), Step::Moved(64 << 10));
    // Loopback hands the very pages to the receiver's queue and copies them on the way, so the notification may be there
    // already; it must have come, in any case, once the peer has read everything.
    let step = transfer.step().unwrap();
    assert!(matches!(step, Step::Completing | Step::Done), "{step:?}");
    let mut received = vec![0; bytes.len()];
    (&far).read_exact(&mut received).unwrap();
    let report = transfer.run().unwrap();
    assert_eq!((report.bytes, received == bytes), (64 << 10, true));
}

#[test]
fn direct_io_starts_and_ends_anywhere_in_a_block() {
    let bytes = pattern((3 << 20) + 777);
    for (offset, sink_offset, count) in
        [(0, 0, 3 << 20), (1, 0, 100), (511, 513, 1 << 20), (4095, 1, (2 << 20) + 3), (700, 700, 3 << 20), (0, 4097, 0)]
    {
        let (source, sink) = (file_with(&bytes), file_with(b""));
        let ends = (Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
        let report = Transfer::new(ends.0, ends.1)
            .offset(offset)
            .sink_offset(sink_offset)
            .count(count)
            .mechanism(Mechanism::DirectIo)
            .run()
            .unwrap();
        let expected = &bytes[offset as usize..bytes.len().min((offset + count) as usize)];
        let stored = zcio_tests::content(&sink);
        assert_eq!(report.bytes, expected.len() as u64, "{offset} {sink_offset} {count}");
        let start = if expected.is_empty() { 0 } else { sink_offset as usize };
        assert!(stored[start..] == *expected, "{offset} {sink_offset} {count}: other bytes");
    }
}

#[test]
fn notifications_of_a_transfer_that_was_given_up_are_not_taken_for_ours() {
    let _dog = watchdog(30, "left-over notifications");
    let bytes = vec![1; 32 << 20];
    let (near, far) = tcp_pair();
    near.set_nonblocking(true).unwrap();
    let named = |bytes: &[u8]| {
        let sink = Endpoint::new(near.as_fd()).unwrap();
        Transfer::new(Endpoint::pages(pages(bytes)), sink).mechanism(Mechanism::ZerocopySend)
    };
    let mut given_up = named(&bytes);
    while !matches!(given_up.step().unwrap(), Step::Blocked(_)) {}
    let sent = given_up.report().unwrap().bytes;
    drop(given_up);
    let error = named(&bytes[..1000]).run().unwrap_err();
    assert_eq!((error.kind(), error.moved()), (zcio::ErrorKind::Refused, 0), "{error}");
    // Once the peer has everything, nothing can be on its way any more.
    let mut received = vec![0; sent as usize];
    (&far).read_exact(&mut received).unwrap();
    let start = std::time::Instant::now();
    let report = loop {
        match named(&bytes[..1000]).run() {
            Ok(report) => break report,
            Err(error) => assert!(start.elapsed().as_secs() < 60, "{error}"),
        }
    };
    assert_eq!(report.bytes, 1000);
    // The option is on again only for as long as a transfer needs it: the next one finds the socket as it was.
    assert_eq!(named(&bytes[..1000]).run().unwrap().bytes, 1000);
}
