//! rustls at both ends: in one the kernel has its keys, in the other it keeps them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    SupportedProtocolVersion,
};
use zcio::ktls::{self, TlsStream};
use zcio::{Encryption, Endpoint, Transfer};
use zcio_tests::{file_with, pattern, tcp_pair, watchdog};

use super::{encrypted, is_here};

pub(super) fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(include_bytes!("certificate.pem")).unwrap()
}

/// The suites by part of their names, with the version they are of.
const SUITES: [(&str, &SupportedProtocolVersion); 6] = [
    ("TLS13_AES_128_GCM", &TLS13),
    ("TLS13_AES_256_GCM", &TLS13),
    ("TLS13_CHACHA20", &TLS13),
    ("ECDSA_WITH_AES_128_GCM", &TLS12),
    ("ECDSA_WITH_AES_256_GCM", &TLS12),
    ("ECDSA_WITH_CHACHA20", &TLS12),
];

fn provider(suite: &str) -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    provider.cipher_suites.retain(|known| format!("{:?}", known.suite()).contains(suite));
    assert_eq!(provider.cipher_suites.len(), 1, "{suite}");
    Arc::new(provider)
}

pub(super) fn server((suite, version): (&str, &'static SupportedProtocolVersion)) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(provider(suite)).with_protocol_versions(&[version]).unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(vec![certificate()], key).unwrap();
    config.enable_secret_extraction = true;
    Arc::new(config)
}

fn client((suite, version): (&str, &'static SupportedProtocolVersion)) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate()).unwrap();
    let config = ClientConfig::builder_with_provider(provider(suite)).with_protocol_versions(&[version]).unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.enable_secret_extraction = true;
    Arc::new(config)
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

type InProgram = StreamOwned<ClientConnection, TcpStream>;

/// The kernel at the server's end, the program at the client's, which does something in a thread.
fn serving<T: Send + 'static>(
    suite: (&'static str, &'static SupportedProtocolVersion),
    work: impl FnOnce(InProgram) -> T + Send + 'static,
) -> (TlsStream, JoinHandle<T>) {
    let (near, far) = tcp_pair();
    let peer = std::thread::spawn(move || {
        let mut stream = StreamOwned::new(ClientConnection::new(client(suite), localhost()).unwrap(), far);
        // At once, so that it may come with the last of the handshake.
        stream.write_all(b"question").unwrap();
        work(stream)
    });
    let mut stream = ktls::accept(server(suite), near).unwrap();
    let mut question = [0; 8];
    stream.read_exact(&mut question).unwrap();
    assert_eq!(&question, b"question");
    (stream, peer)
}

#[test]
fn a_client_in_user_space_has_every_byte_and_the_end() {
    let _dog = watchdog(120, "rustls client");
    if !is_here() {
        return;
    }
    let bytes = pattern((5 << 20) + 3);
    for suite in SUITES {
        let before = encrypted();
        let (stream, peer) = serving(suite, |mut stream| {
            let mut bytes = Vec::new();
            // Without close_notify it is an error.
            stream.read_to_end(&mut bytes).map(|_| bytes).unwrap()
        });
        let file = file_with(&bytes);
        let ends = (Endpoint::new(&file).unwrap(), Endpoint::new(&stream).unwrap());
        let report = Transfer::new(ends.0, ends.1).offset(0).run().unwrap();
        assert_eq!(report.encryption, Encryption::Kernel, "{suite:?}");
        (&stream).write_all(b"and a word").unwrap();
        stream.close_notify().unwrap();
        let received = peer.join().unwrap();
        assert!(received[..bytes.len()] == bytes && &received[bytes.len()..] == b"and a word", "{suite:?}");
        assert!(encrypted() > before, "{suite:?}");
    }
}

#[test]
fn a_server_in_user_space_has_every_byte_and_answers() {
    let _dog = watchdog(120, "rustls server");
    if !is_here() {
        return;
    }
    let bytes = pattern((1 << 20) + 3);
    for suite in SUITES {
        let (near, far) = tcp_pair();
        let peer = std::thread::spawn(move || {
            let mut stream = StreamOwned::new(ServerConnection::new(server(suite)).unwrap(), far);
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            stream.write_all(&bytes[..70_000]).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            bytes
        });
        let mut stream = ktls::connect(client(suite), localhost(), near).unwrap();
        let file = file_with(&bytes);
        let ends = (Endpoint::new(&file).unwrap(), Endpoint::new(&stream).unwrap());
        Transfer::new(ends.0, ends.1).offset(0).run().unwrap();
        stream.close_notify().unwrap();
        // Tickets come first (TLS 1.3), in pieces of one byte.
        let mut first = [0; 1];
        stream.read_exact(&mut first).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(stream.read(&mut first).unwrap(), 0);
        assert!(peer.join().unwrap() == bytes && first[0] == bytes[0] && answer == bytes[1..70_000], "{suite:?}");
    }
}

#[test]
fn an_end_without_a_word_an_alert_and_new_keys_are_errors() {
    let _dog = watchdog(60, "rustls ends");
    if !is_here() {
        return;
    }
    let mut buffer = [0; 100];
    for suite in SUITES {
        // Whoever closes with something unread resets the connection: it is kept open.
        let (mut stream, peer) = serving(suite, |stream| stream.sock.shutdown(Shutdown::Write).map(|()| stream));
        let error = stream.read(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{suite:?}: {error}");
        peer.join().unwrap().unwrap();
        // A record that nobody can decrypt.
        let (mut stream, peer) = serving(suite, |stream| {
            (&stream.sock).write_all(&[23, 3, 3, 0, 40]).unwrap();
            (&stream.sock).write_all(&[1; 40]).unwrap();
            stream
        });
        let error = stream.read(&mut buffer).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(74), "{suite:?}: {error}"); // EBADMSG
        peer.join().unwrap();
    }
    let (mut stream, peer) = serving(SUITES[0], |mut stream| {
        stream.write_all(b"last").unwrap();
        stream.conn.refresh_traffic_keys().unwrap();
        stream.write_all(b"not to be read").unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).map(|_| bytes).unwrap()
    });
    let mut last = [0; 4];
    stream.read_exact(&mut last).unwrap();
    let error = stream.read(&mut buffer).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported, "{error}");
    // What is sent goes on, by the keys there are.
    let ends = (Endpoint::bytes(b"whole"), Endpoint::new(&stream).unwrap());
    Transfer::new(ends.0, ends.1).run().unwrap();
    stream.close_notify().unwrap();
    assert_eq!((&last, peer.join().unwrap()), (b"last", b"whole".to_vec()));
}

#[test]
fn a_handshake_that_fails_says_why() {
    let _dog = watchdog(60, "rustls handshake");
    if !is_here() {
        return;
    }
    let (near, mut far) = tcp_pair();
    far.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let error = ktls::accept(server(SUITES[0]), near).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}");
    let (near, far) = tcp_pair();
    drop(far);
    let error = ktls::accept(server(SUITES[0]), near).unwrap_err();
    // Not connected any more, or at its end: whichever is seen first.
    assert_ne!(error.kind(), std::io::ErrorKind::InvalidData, "{error}");
}

/// On any kernel: it is refused before the handshake, or works.
#[test]
fn a_kernel_without_it_says_so() {
    let (near, _far) = tcp_pair();
    let attached = ktls::attach(std::os::fd::AsFd::as_fd(&near));
    if let Err(error) = attached {
        assert_eq!((error.kind(), error.errno()), (zcio::ErrorKind::Refused, Some(2)), "{error}");
    }
}
