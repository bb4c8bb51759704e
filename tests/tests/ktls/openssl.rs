//! openssl's own client at the other end.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use rustls::version::{TLS12, TLS13};
use zcio::{Encryption, Endpoint, Transfer, ktls};
use zcio_tests::{file_with, pattern, watchdog};

use super::handshakes::server;
use super::is_here;

#[test]
fn its_client_receives_what_the_kernel_has_encrypted() {
    let _dog = watchdog(120, "openssl s_client");
    if !is_here() {
        return;
    }
    // As much as the machine is given: a gigabyte takes minutes where the processor is emulated.
    let length = std::env::var("ZCIO_KTLS_BYTES").map_or((64 << 20) + 11, |bytes| bytes.parse().unwrap());
    let bytes = pattern(length);
    let dir = tempfile::tempdir().unwrap();
    let file = file_with(&bytes);
    for suite in [("TLS13_AES_256_GCM", &TLS13), ("ECDSA_WITH_AES_128_GCM", &TLS12)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (out, said) = (dir.path().join("out"), dir.path().join("said"));
        let address = listener.local_addr().unwrap().to_string();
        let mut client = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &address])
            .stdin(Stdio::piped())
            .stdout(std::fs::File::create(&out).unwrap())
            .stderr(std::fs::File::create(&said).unwrap())
            .spawn()
            .expect("openssl is installed");
        let stream = ktls::accept(server(suite), listener.accept().unwrap().0).unwrap();
        let ends = (Endpoint::new(&file).unwrap(), Endpoint::new(&stream).unwrap());
        let report = Transfer::new(ends.0, ends.1).offset(0).run().unwrap();
        assert_eq!((report.bytes, report.encryption), (length as u64, Encryption::Kernel));
        (&stream).flush().unwrap();
        stream.close_notify().unwrap();
        assert!(client.wait().unwrap().success(), "{}", std::fs::read_to_string(&said).unwrap());
        assert!(std::fs::read(&out).unwrap() == bytes, "{suite:?}");
    }
}
