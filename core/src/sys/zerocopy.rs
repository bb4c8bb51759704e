//! `MSG_ZEROCOPY`: send(2) by reference, and the notifications that say when the memory is free again and whether the
//! kernel copied after all (the kernel's `networking/msg_zerocopy.rst`). The `SO_EE_*` constants are missing in libc.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::{Sys, SyscallCounter, protocol_option};

/// `ee_origin` of a zero-copy notification.
const SO_EE_ORIGIN_ZEROCOPY: u8 = 5;
/// `ee_code`: the kernel copied instead.
const SO_EE_CODE_ZEROCOPY_COPIED: u8 = 1;

/// Options that bring messages to a socket's error queue: `msg_zerocopy.rst`, timestamping.rst, ip(7), ipv6(7), socket(7).
const ERROR_QUEUE: [(libc::c_int, libc::c_int); 5] = [
    (libc::SOL_SOCKET, libc::SO_ZEROCOPY),
    (libc::SOL_SOCKET, libc::SO_TIMESTAMPING),
    (libc::SOL_SOCKET, libc::SO_WIFI_STATUS),
    (libc::SOL_IP, libc::IP_RECVERR),
    (libc::SOL_IPV6, libc::IPV6_RECVERR),
];

/// A notification: sends of these numbers, both included, are complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub first: u32,
    pub last: u32,
    /// Whether the kernel copied the bytes of any of them.
    pub copied: bool,
}

impl SyscallCounter {
    /// `SO_ZEROCOPY`: without it the flag is silently ignored.
    pub fn set_zerocopy(&mut self, socket: BorrowedFd<'_>, on: bool) -> Sys<()> {
        self.made += 1;
        let on = libc::c_int::from(on);
        // SAFETY: the option value is a local int, and its size is said.
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ZEROCOPY,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        Errno::result(result).map(|_| ())
    }

    /// Whether somebody has asked for messages in the socket's error queue.
    pub fn uses_error_queue(&mut self, socket: BorrowedFd<'_>) -> bool {
        self.made += ERROR_QUEUE.len() as u64;
        // An option that the socket does not know (IPv6's of an IPv4 one) is not on.
        ERROR_QUEUE.iter().any(|&(level, option)| protocol_option(socket, level, option).is_ok_and(|value| value != 0))
    }

    /// send(2) with `MSG_ZEROCOPY` (or without, when `by_reference` is false).
    ///
    /// Memory-safe whatever becomes of the memory later: the kernel holds its own references to the pages. That the
    /// *bytes* stay as they are until the notification is the caller's duty.
    pub fn send(&mut self, socket: BorrowedFd<'_>, start: *const u8, length: usize, by_reference: bool) -> Sys<usize> {
        let length = self.enter("send", socket, length)?;
        let flags = libc::MSG_NOSIGNAL | if by_reference { libc::MSG_ZEROCOPY } else { 0 };
        // SAFETY: the kernel checks the range itself and answers EFAULT for what is not mapped; it only reads.
        let sent = unsafe { libc::send(socket.as_raw_fd(), start.cast(), length, flags) };
        Errno::result(sent).map(|sent| sent as usize)
    }

    /// One notification from the socket's error queue; `None` when there is none now. Messages of another origin are
    /// dropped: that there are none is asked before ([`Self::uses_error_queue`]), because `MSG_PEEK` is ignored here.
    pub fn zerocopy_notice(&mut self, socket: BorrowedFd<'_>) -> Sys<Option<Notice>> {
        loop {
            self.enter("recvmsg", socket, 0)?;
            let mut control = [0u64; 32];
            // SAFETY: all-zero is a valid msghdr (null pointers, zero lengths).
            let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = size_of_val(&control);
            let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
            // SAFETY: the header points at the control buffer above and at nothing else.
            let result = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
            match Errno::result(result) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => return Ok(None),
                Err(errno) => return Err(errno),
            }
            let found = notice(&message);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Ends a TCP connection at once: what is still to be sent is thrown away and the peer reads a reset (connect(2) to
    /// `AF_UNSPEC`). The kernel lets go of the memory of everything that was waiting.
    pub fn reset_connection(&mut self, socket: BorrowedFd<'_>) -> Sys<()> {
        self.made += 1;
        let nowhere = libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };
        // SAFETY: the address is a local, and its size is said.
        let result =
            unsafe { libc::connect(socket.as_raw_fd(), &raw const nowhere, size_of_val(&nowhere) as libc::socklen_t) };
        Errno::result(result).map(|_| ())
    }

    /// Whether nothing that was sent can have to be sent again: the peer has acknowledged everything, or there is no
    /// connection any more.
    pub fn nothing_to_send(&mut self, socket: BorrowedFd<'_>) -> bool {
        /// `linux/tcp_states.h`; the state is the first byte of what `TCP_INFO` tells.
        const TCP_CLOSE: u8 = 7;
        self.made += 1;
        let state = protocol_option(socket, libc::SOL_TCP, libc::TCP_INFO);
        state.is_ok_and(|info| info.to_ne_bytes()[0] == TCP_CLOSE) || !matches!(self.unacknowledged(socket), Ok(1..))
    }
}

/// The zero-copy notification in a message that was read from an error queue.
fn notice(message: &libc::msghdr) -> Option<Notice> {
    // SAFETY: the kernel filled the control buffer and set its length; the macros stay inside it.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: a header that CMSG_FIRSTHDR or CMSG_NXTHDR gave is inside the buffer.
        let (level, kind) = unsafe { ((*header).cmsg_level, (*header).cmsg_type) };
        if [(libc::SOL_IP, libc::IP_RECVERR), (libc::SOL_IPV6, libc::IPV6_RECVERR)].contains(&(level, kind)) {
            // SAFETY: a control message of this type carries a sock_extended_err, not necessarily aligned.
            let error: libc::sock_extended_err =
                unsafe { libc::CMSG_DATA(header).cast::<libc::sock_extended_err>().read_unaligned() };
            if error.ee_errno == 0 && error.ee_origin == SO_EE_ORIGIN_ZEROCOPY {
                let copied = error.ee_code == SO_EE_CODE_ZEROCOPY_COPIED;
                return Some(Notice { first: error.ee_info, last: error.ee_data, copied });
            }
        }
        // SAFETY: as for CMSG_FIRSTHDR.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}
