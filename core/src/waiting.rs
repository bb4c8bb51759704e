//! Waiting for an end in poll(2), and what poll(2) calls ready that is not.
//!
//! What lies in a socket's error queue (notifications of `MSG_ZEROCOPY`, timestamps, ICMP errors: recv(2), `MSG_ERRQUEUE`)
//! makes poll(2) report `POLLERR` at once and for ever, until somebody reads it. It may be somebody else's, who never
//! will. It says nothing about the bytes: who took it for readiness would sleep in a read, or spin.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};

use crate::step::Readiness;
use crate::sys::{Sys, SyscallCounter, socket_option};

/// How long to wait where waiting in poll(2) is not to be had.
const NAP: Duration = Duration::from_millis(5);

/// Whether a call on the descriptor would find something (a failure, too) and not sleep.
pub(crate) fn is_ready(fd: BorrowedFd<'_>, events: PollFlags, calls: &mut SyscallCounter) -> Sys<bool> {
    let found = calls.poll(fd, events, PollTimeout::ZERO)?;
    Ok(!found.is_empty() && (found != PollFlags::POLLERR || !is_socket(fd, calls)))
}

/// What poll(2) is asked for.
pub(crate) fn events(readiness: Readiness) -> PollFlags {
    match readiness {
        Readiness::Readable => PollFlags::POLLIN,
        Readiness::Writable => PollFlags::POLLOUT,
    }
}

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// Somebody is ready.
    Ready,
    /// The time ran out.
    Nothing,
    /// A signal came first.
    Signal,
    /// There is an error, and nothing else: that of the socket itself, or its error queue. It was waited a little, because
    /// the next wait may end with the same at once.
    Error,
}

/// Waits in poll(2). With no events it waits for the error queue itself.
pub(crate) fn wait(
    fd: BorrowedFd<'_>,
    events: PollFlags,
    timeout: PollTimeout,
    calls: &mut SyscallCounter,
) -> Sys<Waited> {
    let found = match calls.poll(fd, events, timeout) {
        Err(Errno::EINTR) => return Ok(Waited::Signal),
        found => found?,
    };
    if found.is_empty() {
        return Ok(Waited::Nothing);
    }
    if found != PollFlags::POLLERR || events.is_empty() || !is_socket(fd, calls) {
        return Ok(Waited::Ready);
    }
    std::thread::sleep(NAP);
    Ok(Waited::Error)
}

/// Waits for several at once, none of which sleeps in its calls: an error is ready, too. See [`InVain`].
pub(crate) fn wait_for_any(ends: &mut [PollFd<'_>], timeout: PollTimeout, calls: &mut SyscallCounter) -> Sys<Waited> {
    match calls.poll_all(ends, timeout) {
        Ok(0) => Ok(Waited::Nothing),
        Ok(_) => Ok(Waited::Ready),
        Err(Errno::EINTR) => Ok(Waited::Signal),
        Err(errno) => Err(errno),
    }
}

/// The error of the socket itself, which is told once. It comes with a hang-up, save for those that `IP_RECVERR` asks for
/// (ip(7)).
pub(crate) fn own_error(socket: BorrowedFd<'_>, calls: &mut SyscallCounter) -> Sys<()> {
    calls.made += 1;
    match socket_option(socket, libc::SO_ERROR)? {
        0 => Ok(()),
        errno => Err(Errno::from_raw(errno)),
    }
}

/// Of anything but a socket `POLLERR` is final: a pipe that nobody reads.
fn is_socket(fd: BorrowedFd<'_>, calls: &mut SyscallCounter) -> bool {
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
