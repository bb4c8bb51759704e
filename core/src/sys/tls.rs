//! TLS in the kernel, as the kernel's `networking/tls.rst` has it: what a TCP socket says of it, and records that are not data.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::{Sys, SyscallCounter, protocol_option};

/// The room that the name of an upper layer needs (`TCP_ULP_NAME_MAX`).
const NAME: usize = 16;
/// The type of a record, as a control message: of one that is sent (`TLS_SET_RECORD_TYPE`).
const SET_RECORD_TYPE: libc::c_int = 1;
/// A record with bytes of the application's (RFC 8446, 5.1).
pub(crate) const DATA: u8 = 23;
pub(crate) const ALERT: u8 = 21;
#[cfg(feature = "ktls")]
pub(crate) const HANDSHAKE: u8 = 22;

/// Whether TLS is attached to a TCP socket (tcp(7), `TCP_ULP`). The errno of a socket that is no TCP socket is its protocol's own.
pub(crate) fn is_attached(socket: BorrowedFd<'_>) -> Sys<bool> {
    let mut name = [0_u8; NAME];
    let mut length = NAME as libc::socklen_t;
    // SAFETY: both pointers are to locals, and the kernel writes no more than the length says.
    let result = unsafe {
        let name = name.as_mut_ptr().cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_TCP, libc::TCP_ULP, name, &raw mut length)
    };
    Errno::result(result)?;
    // Without one the length is 0.
    Ok(length > 0 && name.starts_with(b"tls\0"))
}

/// `Ok` if the kernel has the keys to send with. EBUSY: not yet.
pub(crate) fn has_keys(socket: BorrowedFd<'_>) -> Sys<()> {
    // Four bytes are answered with version and cipher, without the key.
    protocol_option(socket, libc::SOL_TLS, libc::TLS_TX).map(drop)
}

impl SyscallCounter {
    /// Closes a record that is still open for more (`MSG_MORE`, which sendfile(2) sets by itself), so that it is sent.
    pub fn end_record(&mut self, socket: BorrowedFd<'_>) -> Sys<()> {
        self.made += 1;
        // Naming a type ends the record before; without bytes none is begun.
        send(socket, DATA, &[])
    }
}

/// Sends an alert (RFC 8446, 6).
pub(crate) fn send_alert(socket: BorrowedFd<'_>, alert: [u8; 2]) -> Sys<()> {
    send(socket, ALERT, &alert)
}

/// A control message of one byte, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; 24]);

fn send(socket: BorrowedFd<'_>, record_type: u8, bytes: &[u8]) -> Sys<()> {
    let mut control = Control([0; 24]);
    let mut piece = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero is a valid header: no name, nothing to send.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut piece, 1);
    message.msg_control = (&raw mut control).cast();
    // SAFETY: plain arithmetic.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(1) } as _;
    // SAFETY: the buffer is aligned and has room for a header and one byte (24 on every 64-bit Linux), so that the first
    // header and its data lie in it.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_TLS;
        (*header).cmsg_type = SET_RECORD_TYPE;
        (*header).cmsg_len = libc::CMSG_LEN(1) as _;
        libc::CMSG_DATA(header).write(record_type);
    }
    // SAFETY: everything that the header points to lives longer than the call, which only reads it.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    Errno::result(sent).map(drop)
}

/// Whether there is TLS in this kernel, or its module is loaded. Asking a socket for it would make a privileged process load
/// the module: the list is only read.
pub(crate) fn is_loaded() -> bool {
    let list = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_ulp").unwrap_or_default();
    list.split_whitespace().any(|name| name == "tls")
}

/// A record, or a part of one.
#[cfg(feature = "ktls")]
pub(crate) struct Received {
    pub count: usize,
    /// `None` at the end of the connection.
    pub record_type: Option<u8>,
    pub ends_record: bool,
}

/// The type of a record, as a control message: of one that is received (`TLS_GET_RECORD_TYPE`).
#[cfg(feature = "ktls")]
const GET_RECORD_TYPE: libc::c_int = 2;

/// recvmsg(2), with what sort of record it was.
#[cfg(feature = "ktls")]
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Sys<Received> {
    let mut control = Control([0; 24]);
    let mut piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all-zero is a valid header.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut piece, 1);
    (message.msg_control, message.msg_controllen) = ((&raw mut control).cast(), size_of::<Control>() as _);
    // SAFETY: everything that the header points to may be written for the length that it says.
    let count = Errno::result(unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) })? as usize;
    // SAFETY: the kernel has filled the header and the control buffer, of which the first header is looked for in bounds.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message).as_ref() };
    let record_type = header.filter(|header| (header.cmsg_level, header.cmsg_type) == (libc::SOL_TLS, GET_RECORD_TYPE));
    // SAFETY: a message of this type has one byte.
    let record_type = record_type.map(|header| unsafe { libc::CMSG_DATA(header).read() });
    Ok(Received { count, record_type, ends_record: message.msg_flags & libc::MSG_EOR != 0 })
}
