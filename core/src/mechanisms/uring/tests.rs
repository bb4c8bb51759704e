//! What only `io_uring` does: memory by reference, the kernel's verdict, a file that changes under the reads in flight.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

use crate::testing::has_uring;
use crate::{AlignedBuffer, Endpoint, KnownBy, Mechanism, Step, Transfer};

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

fn end(fd: &impl AsFd) -> Endpoint<'_> {
    Endpoint::new(fd.as_fd()).unwrap()
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8 ^ (i / 251 % 241) as u8).collect()
}

#[test]
fn memory_goes_to_every_kind_of_sink() {
    if !has_uring() {
        return;
    }
    let bytes = pattern((3 << 20) + 7);
    let mut buffer = AlignedBuffer::new(bytes.len()).unwrap();
    buffer.copy_from_slice(&bytes);
    let pages = buffer.freeze();
    for frozen in [false, true] {
        for tcp in [false, true] {
            let source = if frozen { Endpoint::pages(pages.clone()) } else { Endpoint::bytes(&bytes) };
            let (near, far): (Box<dyn AsFd>, Box<dyn Read + Send>) = if tcp {
                let (near, far) = tcp_pair();
                (Box::new(near), Box::new(far))
            } else {
                let (far, near) = std::io::pipe().unwrap();
                (Box::new(near), Box::new(far))
            };
            let mut far = far;
            let reader = std::thread::spawn(move || {
                let mut received = Vec::new();
                far.read_to_end(&mut received).unwrap();
                received
            });
            let fd = near.as_fd();
            let report = Transfer::new(source, end(&fd)).offset(1).mechanism(Mechanism::Uring).run().unwrap();
            drop(near);
            assert_eq!(report.bytes, bytes.len() as u64 - 1);
            assert!(reader.join().unwrap() == bytes[1..], "frozen {frozen}, TCP {tcp}: other bytes");
        }
    }
}

#[test]
fn over_loopback_the_kernel_says_that_it_copied() {
    if !has_uring() {
        return;
    }
    let mut source = tempfile::tempfile().unwrap();
    source.write_all(&pattern(4 << 20)).unwrap();
    let send = || {
        let (near, mut far) = tcp_pair();
        let reader = std::thread::spawn(move || std::io::copy(&mut far, &mut std::io::sink()).unwrap());
        let report = Transfer::new(end(&source), end(&near)).offset(0).mechanism(Mechanism::Uring).run().unwrap();
        drop(near);
        assert_eq!(reader.join().unwrap(), 4 << 20);
        // Far less than two calls for each slot of 128 KiB.
        assert!(report.system_calls < 64, "{report:?}");
        report.copies
    };
    // Only if every send was copied, which the kernel now and then does not say of one of them.
    let verdicts: Vec<_> = (0..8).map(|_| send()).collect();
    let copied = |copies: &crate::Copies| (copies.known_by, copies.count) == (KnownBy::Kernel, Some(2));
    assert!(verdicts.iter().any(copied), "{verdicts:?}");
}

#[test]
fn reads_in_flight_do_not_outlive_a_transfer_that_is_dropped() {
    if !has_uring() {
        return;
    }
    let mut source = tempfile::tempfile().unwrap();
    source.write_all(&pattern(8 << 20)).unwrap();
    let (_far, near) = std::io::pipe().unwrap();
    let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
    nix::fcntl::fcntl(&near, flags).unwrap();
    for _ in 0..100 {
        let mut transfer = Transfer::new(end(&source), end(&near)).offset(0).mechanism(Mechanism::Uring);
        while !matches!(transfer.step().unwrap(), Step::Blocked(_)) {}
    }
}

#[test]
fn a_file_that_grows_is_read_to_its_new_end() {
    if !has_uring() {
        return;
    }
    let mut source = tempfile::tempfile().unwrap();
    let bytes = pattern(1 << 20);
    source.write_all(&bytes[..100_000]).unwrap();
    let sink = tempfile::tempfile().unwrap();
    let mut transfer = Transfer::new(end(&source), end(&sink)).offset(0).mechanism(Mechanism::Uring);
    assert_eq!(transfer.step().unwrap(), Step::Moved(100_000));
    (&source).write_all(&bytes[100_000..]).unwrap();
    let report = transfer.run().unwrap();
    assert_eq!(report.bytes, 1 << 20);
    let mut stored = vec![0; 1 << 20];
    std::os::unix::fs::FileExt::read_exact_at(&sink, &mut stored, 0).unwrap();
    assert!(stored == bytes);
}
