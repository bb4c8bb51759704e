//! Who encrypts what is written to a TCP socket: nobody below the program, the kernel, or a network device.
//!
//! Where the kernel does it (kTLS), the socket is an end like any other: whatever puts plain bytes into it (sendfile, splice,
//! write) has records of TLS sent. A socket that TLS was only attached to would send them as they are: it is no end at all.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;

use crate::copies::Copies;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::{Sys, tls};

/// Who encrypts the bytes that a sink was given.
///
/// ```
/// use zcio::{Encryption, Endpoint, Transfer};
///
/// let (_reader, writer) = std::io::pipe()?;
/// let report = Transfer::new(Endpoint::bytes(b"a few bytes"), Endpoint::new(&writer)?).run()?;
/// assert_eq!((report.encryption, report.encryption.name()), (Encryption::None, "none"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encryption {
    /// Nobody below the program.
    #[default]
    None,
    /// The kernel (TLS, `networking/tls.rst`). It reads each byte once and writes what it made of it to pages of its own. (Where
    /// the system has TLS sockets of both sorts, it may be the device: the kernel does not say of which one.)
    Kernel,
    /// The network device, as the bytes leave.
    Device,
}

impl Encryption {
    /// All of them.
    pub const ALL: &[Self] = &[Self::None, Self::Kernel, Self::Device];

    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Kernel => "kernel",
            Self::Device => "device",
        }
    }

    /// Of a TCP socket to which TLS is attached.
    pub(crate) fn of(socket: BorrowedFd<'_>) -> Result<Self> {
        remember();
        if let Err(errno) = tls::has_keys(socket) {
            let message = "TLS is attached to this socket, and the kernel has no keys to send with (TLS_TX): it would send plain \
                           bytes";
            // EBUSY, before the keys are set.
            return Err(Error::new(ErrorKind::Impossible, message).during("getsockopt").with_errno(errno));
        }
        Ok(by_statistics(&std::fs::read_to_string("/proc/thread-self/net/tls_stat").unwrap_or_default()))
    }

    /// `Ok` if what is read from the socket is bytes of the stream and nothing else.
    pub(crate) fn readable(self) -> Result<()> {
        if self == Self::None {
            return Ok(());
        }
        let message = "the source is a TCP socket with TLS in the kernel, whose records are not all bytes of the stream (alerts, \
                       new keys): read it by its TLS library";
        Err(Error::new(ErrorKind::Impossible, message).with_errno(Errno::EOPNOTSUPP))
    }

    /// What is known about copies to a sink, knowing this.
    pub(crate) fn copies(self, otherwise: Copies) -> Copies {
        match self {
            // What hands on pages hands them to the cipher, whatever the network device can.
            Self::Kernel if otherwise.count.is_none() => Copies::by_model(Some(1)),
            _ => otherwise,
        }
    }
}

/// Whether a socket with TLS in the kernel was ever seen in this process.
static IS_SEEN: AtomicBool = AtomicBool::new(false);

/// There is one.
pub(crate) fn remember() {
    IS_SEEN.store(true, Ordering::Relaxed);
}

/// Whether TLS is attached to a TCP socket; the error of anything else.
pub(crate) fn is_attached_now(socket: BorrowedFd<'_>) -> Sys<bool> {
    let is_attached = tls::is_attached(socket)?;
    if is_attached {
        remember();
    }
    Ok(is_attached)
}

/// Whether it is to a socket, for who has not looked at it: no system call where nobody uses it.
pub(crate) fn is_attached(socket: BorrowedFd<'_>) -> bool {
    IS_SEEN.load(Ordering::Relaxed) && tls::is_attached(socket).unwrap_or(false)
}

/// The kernel counts the sockets that are encrypted by devices, and those that are not.
fn by_statistics(statistics: &str) -> Encryption {
    let count = |name| {
        let mut lines = statistics.lines().filter_map(|line| line.split_once(char::is_whitespace));
        lines.find(|(found, _)| *found == name).and_then(|(_, count)| count.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    if count("TlsCurrTxDevice") > 0 && count("TlsCurrTxSw") == 0 { Encryption::Device } else { Encryption::Kernel }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KnownBy;

    #[test]
    fn a_device_is_known_where_all_sockets_are_its() {
        let statistics =
            |device, software| format!("TlsCurrTxSw   \t{software}\nTlsCurrTxDevice    {device}\nTlsTxSw 7\n");
        assert_eq!(by_statistics(&statistics(0, 3)), Encryption::Kernel);
        assert_eq!(by_statistics(&statistics(2, 0)), Encryption::Device);
        assert_eq!(by_statistics(&statistics(2, 3)), Encryption::Kernel);
        assert_eq!(by_statistics(""), Encryption::Kernel);
    }

    #[test]
    fn encrypting_is_a_copy_where_pages_are_handed_on() {
        let [unknown, two] = [None, Some(2)].map(Copies::by_model);
        let passed = Encryption::Kernel.copies(unknown);
        assert_eq!((passed.count, passed.known_by), (Some(1), KnownBy::Model));
        assert_eq!(Encryption::Kernel.copies(two), two);
        assert_eq!(Encryption::Device.copies(unknown), unknown);
        assert_eq!(Encryption::None.copies(unknown), unknown);
    }
}
