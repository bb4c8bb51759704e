//! Waiting for an end in poll(2), and what poll(2) calls ready that is not.
//!
//! What lies in a socket's error queue (notifications of `MSG_ZEROCOPY`, timestamps, ICMP errors: recv(2), `MSG_ERRQUEUE`)
//! makes poll(2) report `POLLERR` at once and for ever, until somebody reads it. It may be somebody else's, who never
//! will. It says nothing about the bytes: who took it for readiness would sleep in a read, or spin.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFlags, PollTimeout};

use crate::sys::{Calls, Sys, socket_option};

/// How long to wait where waiting in poll(2) is not to be had.
const NAP: Duration = Duration::from_millis(5);

/// Whether a call on the descriptor would find something (a failure, too) and not sleep.
pub(crate) fn is_ready(fd: BorrowedFd<'_>, events: PollFlags, calls: &mut Calls) -> Sys<bool> {
    let found = calls.poll(fd, events, PollTimeout::ZERO)?;
    Ok(!found.is_empty() && (found != PollFlags::POLLERR || !is_socket(fd, calls)))
}

/// Waits until [`is_ready`]; false when that has to be asked again, usually because the time ran out.
///
/// With no events it waits for the error queue itself.
pub(crate) fn wait(fd: BorrowedFd<'_>, events: PollFlags, timeout: PollTimeout, calls: &mut Calls) -> Sys<bool> {
    let found = calls.poll(fd, events, timeout)?;
    if found != PollFlags::POLLERR || events.is_empty() || !is_socket(fd, calls) {
        return Ok(!found.is_empty());
    }
    // An error of the socket itself comes with a hang-up, save for those that IP_RECVERR asks for (ip(7)).
    calls.made += 1;
    match socket_option(fd, libc::SO_ERROR)? {
        0 => {
            std::thread::sleep(NAP);
            Ok(false)
        }
        errno => Err(Errno::from_raw(errno)),
    }
}

/// Of anything but a socket `POLLERR` is final: a pipe that nobody reads.
fn is_socket(fd: BorrowedFd<'_>, calls: &mut Calls) -> bool {
    calls.made += 1;
    socket_option(fd, libc::SO_TYPE).is_ok()
}

/// Steps without effect, one after the other, although poll(2) had called an end ready.
#[derive(Debug, Default)]
pub(crate) struct InVain(u32);

impl InVain {
    /// A step is over: it moved something, or it did not. Waits a little, and longer each time, if it is one of many.
    pub fn note(&mut self, moved: bool) {
        self.0 = if moved { 0 } else { self.0 + 1 };
        if self.0 > 3 {
            std::thread::sleep(Duration::from_millis(1 << (self.0 - 3).min(4)));
        }
    }
}
