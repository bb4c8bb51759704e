//! The kernel at both ends: every mechanism, every cipher; what is refused.

use std::io::Read;
use std::os::fd::AsFd;

use zcio::{Encryption, Endpoint, ErrorKind, FanOut, KnownBy, Mechanism, Relay, Transfer};
use zcio_tests::{file_with, pattern, tcp_pair, watchdog};

use super::{CIPHERS, VERSIONS, attach, is_here, pair};
use zcio::ktls::{Cipher, Version};

const AES: (Cipher, usize) = (Cipher::Aes128Gcm, 16);

/// The reader stops at the last byte: one that waits in an open record would never come.
fn read(mut far: impl Read, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    far.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn every_cipher_and_every_mechanism_carries_every_byte() {
    let _dog = watchdog(120, "ktls ends");
    if !is_here() {
        return;
    }
    let named = [Mechanism::ReadWrite, Mechanism::MmapWrite, Mechanism::Sendfile, Mechanism::Splice].map(Some);
    for version in VERSIONS {
        for cipher in CIPHERS {
            for mechanism in named.into_iter().chain([None]) {
                for length in [1, 5_000, 16_384, (3 << 20) + 77] {
                    let case = format!("{version:?} {cipher:?} {mechanism:?} {length}");
                    let (bytes, (near, far)) = (pattern(length), pair(version, cipher));
                    let file = file_with(&bytes);
                    let reader = std::thread::spawn(move || read(far, length));
                    let mut transfer = Transfer::new(Endpoint::new(&file).unwrap(), Endpoint::new(&near).unwrap());
                    if let Some(mechanism) = mechanism {
                        transfer = transfer.mechanism(mechanism);
                    }
                    let report = transfer.offset(0).run().unwrap();
                    assert!(reader.join().unwrap() == bytes, "{case}: other bytes");
                    assert_eq!((report.bytes, report.encryption), (length as u64, Encryption::Kernel), "{case}");
                    let copies = match report.mechanism {
                        Mechanism::ReadWrite => 2,
                        _ => 1,
                    };
                    assert_eq!((report.copies.count, report.copies.known_by), (Some(copies), KnownBy::Model), "{case}");
                }
            }
        }
    }
}

#[test]
fn memory_and_more_than_a_file_has_arrive() {
    let _dog = watchdog(60, "ktls memory");
    if !is_here() {
        return;
    }
    let (bytes, (near, far)) = (pattern(70_001), pair(Version::Tls13, AES));
    let sink = || Endpoint::new(&near).unwrap();
    let report = Transfer::new(Endpoint::bytes(&bytes), sink()).run().unwrap();
    assert_eq!((report.bytes, report.encryption), (70_001, Encryption::Kernel));
    assert!(read(&far, 70_001) == bytes);
    let file = file_with(&bytes);
    for count in [70_002, 1 << 30] {
        let report = Transfer::new(Endpoint::new(&file).unwrap(), sink()).offset(1).count(count).run().unwrap();
        assert_eq!((report.bytes, report.is_short()), (70_000, true));
        assert!(read(&far, 70_000) == bytes[1..]);
    }
    // One that grows while it is sent, or was longer when it was opened.
    let source = Endpoint::new(&file).unwrap();
    file.set_len(10_000).unwrap();
    let report = Transfer::new(source, sink()).offset(0).mechanism(Mechanism::Sendfile).run().unwrap();
    assert_eq!(report.bytes, 10_000);
    assert!(read(&far, 10_000) == bytes[..10_000]);
    // What does not look at the ends leaves it to what does.
    let attempted = Transfer::attempt(file.as_fd(), near.as_fd(), Some(0), 16_000).unwrap();
    let zcio::transfer::Attempted::Begun(begun) = attempted else { panic!("{attempted:?}") };
    let mut transfer =
        Transfer::new(Endpoint::new(&file).unwrap(), sink()).offset(0).count(16_000).begun(begun.clone());
    let report = transfer.run().unwrap();
    assert_eq!((begun.moved(), report.bytes, report.encryption), (0, 10_000, Encryption::Kernel));
    assert!(read(&far, 10_000) == bytes[..10_000]);
}

#[test]
fn many_sinks_have_all_of_it() {
    let _dog = watchdog(60, "ktls fan-out");
    if !is_here() {
        return;
    }
    let bytes = pattern(300_000);
    let file = file_with(&bytes);
    let (first, second) = (pair(Version::Tls13, AES), tcp_pair());
    let readers = [first.1, second.1].map(|far| std::thread::spawn(move || read(far, 300_000)));
    let fan_out = FanOut::new(Endpoint::new(&file).unwrap()).offset(0);
    fan_out.sink(Endpoint::new(&first.0).unwrap()).sink(Endpoint::new(&second.0).unwrap()).run().unwrap();
    for reader in readers {
        assert!(reader.join().unwrap() == bytes);
    }
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let _dog = watchdog(60, "ktls refusals");
    if !is_here() {
        return;
    }
    let ((near, far), file) = (pair(Version::Tls13, AES), file_with(&pattern(100)));
    for mechanism in [Mechanism::Uring, Mechanism::ZerocopySend] {
        let ends = (Endpoint::new(&file).unwrap(), Endpoint::new(&near).unwrap());
        let error = Transfer::new(ends.0, ends.1).offset(0).mechanism(mechanism).run().unwrap_err();
        assert_eq!((error.kind(), error.moved()), (ErrorKind::Impossible, 0), "{error}");
    }
    // Half of it: without keys to send with, plain bytes would go out.
    let half = tcp_pair();
    attach(half.0.as_fd()).unwrap();
    let receiving = [&half.0, &far];
    for socket in receiving {
        let error = Endpoint::new(socket).unwrap_err();
        assert!(error.kind() == ErrorKind::Impossible && error.to_string().contains("no keys to send with"), "{error}");
    }
    // Its records are not all data.
    let (_reader, writer) = std::io::pipe().unwrap();
    let (plain, _peer) = tcp_pair();
    let (source, sink) = (|| Endpoint::new(&near).unwrap(), || Endpoint::new(&writer).unwrap());
    let errors = [
        Transfer::new(source(), sink()).run().unwrap_err(),
        FanOut::new(source()).sink(sink()).run().unwrap_err(),
        Relay::new(source(), Endpoint::new(&plain).unwrap()).run().unwrap_err(),
        Relay::new(Endpoint::new(&plain).unwrap(), source()).run().unwrap_err(),
    ];
    for error in errors {
        assert!(error.kind() == ErrorKind::Impossible && error.to_string().contains("TLS"), "{error}");
    }
}

#[test]
fn a_peer_that_is_gone_is_an_error() {
    let _dog = watchdog(60, "ktls peer");
    if !is_here() {
        return;
    }
    let ((near, far), file) = (pair(Version::Tls13, AES), file_with(&pattern(32 << 20)));
    let reader = std::thread::spawn(move || drop(read(far, 100_000)));
    let ends = (Endpoint::new(&file).unwrap(), Endpoint::new(&near).unwrap());
    let error = Transfer::new(ends.0, ends.1).offset(0).run().unwrap_err();
    reader.join().unwrap();
    assert_eq!(error.kind(), ErrorKind::PeerClosed, "{error}");
    assert!(error.moved() >= 100_000 && error.moved() < 32 << 20, "{}", error.moved());
}

#[test]
fn a_snapshot_and_other_sockets_are_as_before() {
    let (near, _far) = tcp_pair();
    let (unix, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for fd in [near.as_fd(), unix.as_fd(), udp.as_fd()] {
        assert_eq!(Endpoint::new(fd).unwrap().facts().encryption, Encryption::None);
    }
}
