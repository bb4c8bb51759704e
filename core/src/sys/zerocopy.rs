//! `MSG_ZEROCOPY`: send(2) by reference, and the notifications that say when the memory is free again and whether the
//! kernel copied after all (the kernel's `networking/msg_zerocopy.rst`). The `SO_EE_*` constants are missing in libc.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::{Calls, Sys};

/// `ee_origin` of a zero-copy notification.
const SO_EE_ORIGIN_ZEROCOPY: u8 = 5;
/// `ee_code`: the kernel copied instead.
const SO_EE_CODE_ZEROCOPY_COPIED: u8 = 1;

/// Notifications read in one go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Completions {
    /// How many sends are complete.
    pub sends: u32,
    /// Whether the kernel copied the bytes of any of them.
    pub copied: bool,
}

impl Calls {
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

    /// Whether `SO_ZEROCOPY` is on.
    pub fn has_zerocopy(&mut self, socket: BorrowedFd<'_>) -> Sys<bool> {
        self.made += 1;
        super::socket_option(socket, libc::SO_ZEROCOPY).map(|on| on != 0)
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

    /// One notification from the socket's error queue; `None` when there is none now.
    pub fn zerocopy_completion(&mut self, socket: BorrowedFd<'_>) -> Sys<Option<Completions>> {
        self.enter("recvmsg", socket, 0)?;
        let mut control = [0u64; 32];
        // SAFETY: all-zero is a valid msghdr (null pointers, zero lengths).
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        // SAFETY: the header points at the control buffer above and at nothing else.
        let result =
            unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) };
        match Errno::result(result) {
            Ok(_) => {}
            Err(Errno::EAGAIN) => return Ok(None),
            Err(errno) => return Err(errno),
        }
        let mut completions = Completions::default();
        // SAFETY: the kernel filled the control buffer and set its length; the macros stay inside it.
        let mut header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
        while !header.is_null() {
            // SAFETY: a header that CMSG_FIRSTHDR or CMSG_NXTHDR gave is inside the buffer.
            let (level, kind) = unsafe { ((*header).cmsg_level, (*header).cmsg_type) };
            let is_error = (level == libc::SOL_IP && kind == libc::IP_RECVERR)
                || (level == libc::SOL_IPV6 && kind == libc::IPV6_RECVERR);
            if is_error {
                // SAFETY: a control message of this type carries a sock_extended_err, not necessarily aligned.
                let error: libc::sock_extended_err =
                    unsafe { libc::CMSG_DATA(header).cast::<libc::sock_extended_err>().read_unaligned() };
                if error.ee_errno == 0 && error.ee_origin == SO_EE_ORIGIN_ZEROCOPY {
                    // A range of sends, both ends included; the numbers wrap.
                    completions.sends += error.ee_data.wrapping_sub(error.ee_info).wrapping_add(1);
                    completions.copied |= error.ee_code == SO_EE_CODE_ZEROCOPY_COPIED;
                }
            }
            // SAFETY: as for CMSG_FIRSTHDR.
            header = unsafe { libc::CMSG_NXTHDR(&raw const message, header) };
        }
        Ok(Some(completions))
    }
}
