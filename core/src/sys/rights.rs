//! Receiving descriptors (unix(7), `SCM_RIGHTS`) so that every one that arrives is owned at once. One that the socket's owner
//! has asked the kernel for, the sender's pidfd (`SO_PASSPIDFD`, Linux 6.5), is closed.
//!
//! nix's recvmsg drops the control messages of a truncated message, and with them the descriptors that did arrive: a
//! sender could fill the receiver's table.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::Sys;

/// What a message brought.
pub(crate) struct Received {
    /// Bytes.
    pub count: usize,
    /// Descriptors, closed on exec.
    pub descriptors: Vec<OwnedFd>,
    /// Something in it was lost: descriptors for which there was no room, in the message or in this process.
    pub truncated: bool,
}

/// linux/socket.h; libc does not have it.
const SCM_PIDFD: libc::c_int = 4;

/// recvmsg(2).
pub(crate) fn receive(socket: BorrowedFd<'_>, into: &mut [u8]) -> Sys<Received> {
    // Words, because control messages are aligned. Room for all that one message can carry (`SCM_MAX_FD`, 253) and for what
    // the socket's owner may have asked for besides (credentials, security label).
    let mut space = [0_u64; 512];
    let mut bytes = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    // SAFETY: zero bytes are a valid msghdr: no name, nothing to receive into.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut bytes;
    header.msg_iovlen = 1;
    header.msg_control = space.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&space) as _;
    // SAFETY: the header points to live buffers of the lengths it says.
    let result = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) };
    let count = Errno::result(result)? as usize;
    let mut descriptors = Vec::new();
    // SAFETY: the kernel has filled the control buffer in; the macros stay inside `msg_controllen`, and each descriptor in
    // one of these two messages is this process's new own.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(&raw const header);
        while let Some(message) = control.as_ref() {
            let socket_level = message.cmsg_level == libc::SOL_SOCKET;
            if socket_level && [libc::SCM_RIGHTS, SCM_PIDFD].contains(&message.cmsg_type) {
                let end = control.cast::<u8>().add(message.cmsg_len as _);
                let mut data = libc::CMSG_DATA(control);
                while data < end {
                    let mut number: RawFd = -1;
                    std::ptr::copy_nonoverlapping(data, (&raw mut number).cast(), size_of::<RawFd>());
                    let descriptor = OwnedFd::from_raw_fd(number);
                    if message.cmsg_type == libc::SCM_RIGHTS {
                        descriptors.push(descriptor);
                    }
                    data = data.add(size_of::<RawFd>());
                }
            }
            control = libc::CMSG_NXTHDR(&raw const header, control);
        }
    }
    Ok(Received { count, descriptors, truncated: header.msg_flags & libc::MSG_CTRUNC != 0 })
}
