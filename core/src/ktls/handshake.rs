//! The handshake of rustls over a socket, so that nothing of what follows it is taken out of the socket: what a program has read
//! too early, the kernel cannot decrypt any more. So it is read a record at a time.

use std::io::{self, Read};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use rustls::{ConnectionTrafficSecrets, ProtocolVersion};

use super::{Cipher, Keys, TlsStream, Version, Way, attach, set_keys};
use crate::error::Error;

/// The most that a record may have behind its header (RFC 5246, 6.2.3; in TLS 1.3 less).
const MOST: usize = (16 << 10) + 2048;
const HEADER: usize = 5;

/// Accepts a TLS connection, whose keys the kernel has afterwards.
///
/// The configuration must allow that (`enable_secret_extraction`). The socket must be in blocking mode until this returns.
///
/// ```no_run
/// use std::net::TcpListener;
/// use std::sync::Arc;
/// use zcio::{Endpoint, Transfer};
///
/// # fn configured() -> rustls::ServerConfig { unimplemented!() }
/// let mut config = configured();
/// config.enable_secret_extraction = true;
/// let config = Arc::new(config);
/// let (socket, _) = TcpListener::bind("127.0.0.1:4433")?.accept()?;
/// let stream = zcio::ktls::accept(config, socket)?;
/// let report = Transfer::new(Endpoint::open("film.mp4")?, Endpoint::new(&stream)?).run()?;
/// println!("{} bytes, encrypted by {}", report.bytes, report.encryption.name());
/// stream.close_notify()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Before the handshake begins, where the kernel has no TLS; what rustls says of the handshake (`InvalidData`); and a cipher that
/// this kernel lacks. A connection that failed is to be closed.
pub fn accept(config: Arc<ServerConfig>, socket: TcpStream) -> io::Result<TlsStream> {
    give(ServerConnection::new(config).map_err(io::Error::other)?.into(), socket)
}

/// Makes a TLS connection over a connected socket, as [`accept`] does at the other end.
///
/// # Errors
///
/// As [`accept`].
pub fn connect(config: Arc<ClientConfig>, name: ServerName<'static>, socket: TcpStream) -> io::Result<TlsStream> {
    give(ClientConnection::new(config, name).map_err(io::Error::other)?.into(), socket)
}

fn give(mut connection: Connection, socket: TcpStream) -> io::Result<TlsStream> {
    // First, for who has no TLS in the kernel. Without keys it changes nothing.
    attach(socket.as_fd()).map_err(Error::whole)?;
    shake_hands(&mut connection, &socket)?;
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => Version::Tls12,
        Some(ProtocolVersion::TLSv1_3) => Version::Tls13,
        other => return Err(io::Error::other(format!("the kernel has no {other:?}"))),
    };
    let secrets = connection.dangerous_extract_secrets().map_err(io::Error::other)?;
    for (way, (sequence, secrets)) in [(Way::Sending, secrets.tx), (Way::Receiving, secrets.rx)] {
        set_keys(socket.as_fd(), way, &keys(version, sequence, &secrets)?).map_err(Error::whole)?;
    }
    Ok(TlsStream::new(socket))
}

fn shake_hands(connection: &mut Connection, mut socket: &TcpStream) -> io::Result<()> {
    loop {
        while connection.wants_write() {
            connection.write_tls(&mut socket)?;
        }
        if !connection.is_handshaking() {
            return Ok(());
        }
        let record = record(socket)?;
        let mut rest = &record[..];
        while !rest.is_empty() {
            connection.read_tls(&mut rest)?;
            if let Err(error) = connection.process_new_packets() {
                // The peer is told why, if it still listens.
                while connection.wants_write() && connection.write_tls(&mut socket).is_ok() {}
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }
}

/// One record, and not a byte of the next.
fn record(mut socket: &TcpStream) -> io::Result<Vec<u8>> {
    let mut record = vec![0; HEADER];
    socket.read_exact(&mut record)?;
    let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
    // A type, and a version: who speaks something else is not waited for.
    if !(20..=23).contains(&record[0]) || record[1] != 3 || length > MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "what the peer sends is no TLS"));
    }
    record.resize(HEADER + length, 0);
    socket.read_exact(&mut record[HEADER..])?;
    Ok(record)
}

fn keys(version: Version, sequence: u64, secrets: &ConnectionTrafficSecrets) -> io::Result<Keys> {
    let (cipher, key, iv) = match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (Cipher::Aes128Gcm, key, iv),
        ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (Cipher::Aes256Gcm, key, iv),
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (Cipher::Chacha20Poly1305, key, iv),
        _ => return Err(io::Error::other("the kernel does not have this cipher")),
    };
    let mut iv: [u8; 12] = iv.as_ref().try_into().map_err(io::Error::other)?;
    if version == Version::Tls12 && cipher != Cipher::Chacha20Poly1305 {
        // Here the nonce goes with each record, and the kernel counts on from the first. rustls has sent with this value and the
        // numbers of its records in its last bits: half of all there are is left for the kernel.
        iv[4] ^= 0x80;
    }
    Ok(Keys { version, cipher, key: key.as_ref().to_vec(), iv, sequence })
}
