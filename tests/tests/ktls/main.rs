//! TLS in the kernel: what zcio writes to such a socket arrives, decrypted by the kernel, by rustls and by openssl, and ends as it
//! should. Runs in the virtual machines of tests/kernels: this needs a kernel with TLS.

mod ends;
mod handshakes;
mod openssl;

use std::net::TcpStream;
use std::os::fd::AsFd;

use zcio::ktls::{Cipher, Keys, Version, Way, attach, set_keys};
use zcio::{Answer, Capabilities};
use zcio_tests::tcp_pair;

const CIPHERS: [(Cipher, usize); 3] =
    [(Cipher::Aes128Gcm, 16), (Cipher::Aes256Gcm, 32), (Cipher::Chacha20Poly1305, 32)];
const VERSIONS: [Version; 2] = [Version::Tls12, Version::Tls13];

/// Whether this kernel has it. CI's need not: the judge of the virtual machines knows which of them must.
fn is_here() -> bool {
    let ktls = Capabilities::get().find("ktls").expect("it is asked for");
    if ktls.answer != Answer::Yes {
        eprintln!("SKIPPED: ktls: {}", ktls.reason);
    }
    ktls.answer == Answer::Yes
}

fn keys(version: Version, (cipher, length): (Cipher, usize)) -> Keys {
    Keys { version, cipher, key: vec![7; length], iv: [9; 12], sequence: 0 }
}

/// Two ends of a connection: the kernel encrypts what goes into the first and decrypts what comes out of the second.
fn pair(version: Version, cipher: (Cipher, usize)) -> (TcpStream, TcpStream) {
    let (near, far) = tcp_pair();
    for (end, way) in [(&near, Way::Sending), (&far, Way::Receiving)] {
        attach(end.as_fd()).unwrap();
        set_keys(end.as_fd(), way, &keys(version, cipher)).unwrap();
    }
    (near, far)
}

/// How many connections the kernel has encrypted so far.
fn encrypted() -> u64 {
    let statistics = std::fs::read_to_string("/proc/net/tls_stat").unwrap();
    let counts = statistics.lines().filter_map(|line| line.split_once(char::is_whitespace));
    let sent = counts.filter(|(name, _)| ["TlsTxSw", "TlsTxDevice"].contains(name));
    sent.map(|(_, count)| count.trim().parse::<u64>().unwrap()).sum()
}
