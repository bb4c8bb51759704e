//! TLS in the kernel (kTLS): a connection whose handshake is over gives its keys to the kernel, and from then on plain bytes go in.
//!
//! The kernel makes records of what is written, by write(2), sendfile(2) or splice(2), so that an
//! [`Endpoint`](crate::Endpoint) of the socket is one like any other; the [`Report`](crate::Report) says
//! [who encrypted](crate::Encryption). What is no data, it leaves to the program: handshakes, alerts, new keys.
//!
//! A key must never encrypt two records of the same number. So whoever gives a key away stops using it, and says which number
//! comes next.

#[cfg(feature = "ktls")]
mod handshake;
#[cfg(feature = "ktls")]
mod stream;

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{TcpTlsRx, TcpTlsTx, TcpUlp, TlsCryptoInfo};

use crate::encryption::remember;
use crate::error::{Error, Result};
use crate::sys::tls;
#[cfg(feature = "ktls")]
pub use handshake::{accept, connect};
#[cfg(feature = "ktls")]
pub use stream::TlsStream;

/// The versions that the kernel knows.
#[doc(hidden)] // For the bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Tls12,
    Tls13,
}

/// The ciphers that are given to it.
#[doc(hidden)] // For the bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    Aes128Gcm,
    Aes256Gcm,
    Chacha20Poly1305,
}

/// What the kernel has to know of one direction.
#[doc(hidden)] // For the bindings.
pub struct Keys {
    pub version: Version,
    pub cipher: Cipher,
    /// As long as the cipher wants it, 16 or 32 bytes.
    pub key: Vec<u8>,
    /// The initialisation vector. Of AES-GCM in TLS 1.2 the last eight bytes are the explicit nonce of the next record, which the
    /// kernel counts on from.
    pub iv: [u8; 12],
    /// The number of the next record.
    pub sequence: u64,
}

impl std::fmt::Debug for Keys {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("version", &self.version).field("cipher", &self.cipher).finish_non_exhaustive()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // Not left behind in memory that is used again, as far as the optimiser lets it.
        self.key.fill(0);
        std::hint::black_box(&self.key);
    }
}

/// Which direction of a connection.
#[doc(hidden)] // For the bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Sending,
    Receiving,
}

/// Attaches TLS to a connected TCP socket. Until it has keys, bytes pass through it as they are.
///
/// # Errors
///
/// [`ErrorKind::Refused`](crate::ErrorKind::Refused) where the kernel has no TLS.
#[doc(hidden)] // For the bindings.
pub fn attach(socket: BorrowedFd<'_>) -> Result<()> {
    remember();
    setsockopt(&socket, TcpUlp::default(), b"tls").map_err(|errno| {
        let reason = match errno {
            Errno::ENOENT => "there is no TLS in this kernel, or its module (tls) is not loaded",
            Errno::ENOTCONN => "the socket is not connected",
            Errno::EEXIST => "something else is attached to the socket already",
            _ => "the kernel does not attach TLS to this socket",
        };
        Error::refused("setsockopt", errno, reason)
    })
}

/// Gives the kernel the keys of one direction, for good.
///
/// # Errors
///
/// [`ErrorKind::Refused`](crate::ErrorKind::Refused) for a version or cipher that this kernel lacks: nothing has changed then.
#[doc(hidden)] // For the bindings.
pub fn set_keys(socket: BorrowedFd<'_>, way: Way, keys: &Keys) -> Result<()> {
    let info = keys.info();
    let Some(info) = info else {
        return Err(Error::refused("setsockopt", Errno::EINVAL, "the key has not the length that its cipher wants"));
    };
    let set = match way {
        Way::Sending => setsockopt(&socket, TcpTlsTx, &info),
        Way::Receiving => setsockopt(&socket, TcpTlsRx, &info),
    };
    let reason = "this kernel does not have this version of TLS, or this cipher";
    set.map_err(|errno| Error::refused("setsockopt", errno, reason))
}

/// Tells the peer that no more bytes will come (`close_notify`), after all that were written.
///
/// # Errors
///
/// [`ErrorKind::PeerClosed`](crate::ErrorKind::PeerClosed) and others as the kernel says.
#[doc(hidden)] // For the bindings.
pub fn close_notify(socket: BorrowedFd<'_>) -> Result<()> {
    const WARNING: u8 = 1;
    const CLOSE_NOTIFY: u8 = 0;
    loop {
        match tls::send_alert(socket.as_fd(), [WARNING, CLOSE_NOTIFY]) {
            Err(Errno::EINTR) => {}
            sent => return sent.map_err(|errno| Error::os("sendmsg", errno)),
        }
    }
}

impl Keys {
    fn info(&self) -> Option<TlsCryptoInfo> {
        let version = match self.version {
            Version::Tls12 => libc::TLS_1_2_VERSION,
            Version::Tls13 => libc::TLS_1_3_VERSION,
        };
        let info = |cipher_type| libc::tls_crypto_info { version, cipher_type };
        let (salt, iv) = (self.iv[..4].try_into().ok()?, self.iv[4..].try_into().ok()?);
        let rec_seq = self.sequence.to_be_bytes();
        Some(match self.cipher {
            Cipher::Aes128Gcm => TlsCryptoInfo::Aes128Gcm(libc::tls12_crypto_info_aes_gcm_128 {
                info: info(libc::TLS_CIPHER_AES_GCM_128),
                iv,
                key: self.key[..].try_into().ok()?,
                salt,
                rec_seq,
            }),
            Cipher::Aes256Gcm => TlsCryptoInfo::Aes256Gcm(libc::tls12_crypto_info_aes_gcm_256 {
                info: info(libc::TLS_CIPHER_AES_GCM_256),
                iv,
                key: self.key[..].try_into().ok()?,
                salt,
                rec_seq,
            }),
            Cipher::Chacha20Poly1305 => TlsCryptoInfo::Chacha20Poly1305(libc::tls12_crypto_info_chacha20_poly1305 {
                info: info(libc::TLS_CIPHER_CHACHA20_POLY1305),
                iv: self.iv,
                key: self.key[..].try_into().ok()?,
                salt: [],
                rec_seq,
            }),
        })
    }
}
