//! A TLS connection whose keys the kernel has: plain bytes in and out, and what is no bytes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use super::close_notify;
use crate::error::Error;
use crate::sys::tls::{self, ALERT, DATA, HANDSHAKE};

/// The first byte of a handshake message (RFC 8446, 4).
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;
/// The second byte of an alert.
const CLOSE_NOTIFY: u8 = 0;

/// A TLS connection that the kernel encrypts and decrypts, made by [`accept`](super::accept) or [`connect`](super::connect).
///
/// An [`Endpoint`](crate::Endpoint) of it is a sink. It is read by [`Read`]: some records are no bytes of the stream.
///
/// The kernel changes no keys. A peer that changes its own (`KeyUpdate`, TLS 1.3) ends reading with an error, never with wrong bytes;
/// sending goes on. A sender's AES-GCM key is good for 2^24.5 full records, some 380 GB (RFC 8446, 5.5): make a new connection before.
///
/// Dropped, it closes the socket without a word: [`close_notify`](Self::close_notify) first, or the peer must think that bytes are
/// missing.
#[derive(Debug)]
pub struct TlsStream {
    socket: TcpStream,
    /// Whether the peer has said that there are no more bytes.
    has_ended: AtomicBool,
}

impl TlsStream {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, has_ended: AtomicBool::new(false) }
    }

    /// The socket, for its options and addresses: bytes that are written to it are encrypted, too.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Says that no more bytes will come, and that these were all (`close_notify`, then shutdown(2)). What comes from the peer can
    /// still be read.
    ///
    /// # Errors
    ///
    /// If the peer is gone.
    pub fn close_notify(&self) -> io::Result<()> {
        close_notify(self.socket.as_fd()).map_err(Error::whole)?;
        self.socket.shutdown(Shutdown::Write)
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.has_ended.load(Ordering::Acquire) {
            return Ok(0);
        }
        loop {
            let part = tls::receive(self.socket.as_fd(), buffer)?;
            match part.record_type {
                Some(DATA) if part.count == 0 => {}
                Some(DATA) => return Ok(part.count),
                None => {
                    let message = "the connection ends without close_notify: bytes may be missing";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
                }
                Some(record_type) => {
                    let record = self.rest_of(buffer[..part.count].to_vec(), part.ends_record)?;
                    if self.ends_with(record_type, &record)? {
                        return Ok(0);
                    }
                }
            }
        }
    }

    /// A record that is no data need not fit into what the caller has for data.
    fn rest_of(&self, mut record: Vec<u8>, mut is_whole: bool) -> io::Result<Vec<u8>> {
        let mut buffer = [0; 1024];
        while !is_whole {
            let part = tls::receive(self.socket.as_fd(), &mut buffer)?;
            record.extend_from_slice(&buffer[..part.count]);
            is_whole = part.ends_record || part.count == 0;
        }
        Ok(record)
    }

    /// What a record says that is no data; true if it is the end.
    fn ends_with(&self, record_type: u8, record: &[u8]) -> io::Result<bool> {
        let (kind, message) = match (record_type, record) {
            (ALERT, [_, CLOSE_NOTIFY]) => {
                self.has_ended.store(true, Ordering::Release);
                return Ok(true);
            }
            (ALERT, [_, alert]) => {
                (io::ErrorKind::ConnectionAborted, format!("the peer has broken off: TLS alert {alert}"))
            }
            (HANDSHAKE, messages) if has_new_keys(messages) => {
                let message = "the peer has changed its keys (KeyUpdate), which the kernel does not follow: what it sends from now \
                               on cannot be read";
                (io::ErrorKind::Unsupported, message.to_string())
            }
            // Tickets for another session, which this one does not need.
            (HANDSHAKE, [NEW_SESSION_TICKET, ..]) => return Ok(false),
            (other, _) => {
                (io::ErrorKind::InvalidData, format!("a TLS record of type {other} that does not belong here"))
            }
        };
        Err(io::Error::new(kind, message))
    }
}

/// Whether one of the handshake messages in a record is a `KeyUpdate`: a byte for the type, three for the length.
fn has_new_keys(mut messages: &[u8]) -> bool {
    while let [kind, a, b, c, rest @ ..] = messages {
        if *kind == KEY_UPDATE {
            return true;
        }
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        messages = rest.get(length..).unwrap_or_default();
    }
    false
}

impl AsFd for TlsStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Read for &TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receive(buffer)
    }
}

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receive(buffer)
    }
}

impl Write for &TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.socket).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_keys_are_found_behind_a_ticket() {
        assert!(has_new_keys(&[24, 0, 0, 1, 0]));
        assert!(has_new_keys(&[4, 0, 0, 2, 24, 24, 24, 0, 0, 1, 1]));
        assert!(!has_new_keys(&[4, 0, 0, 2, 24, 24]));
        assert!(!has_new_keys(&[4, 1, 0, 0]) && !has_new_keys(&[]) && !has_new_keys(&[24]));
    }
}
