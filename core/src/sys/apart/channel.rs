//! The way for descriptors from the process's table into another one.
//!
//! sendmsg(2) takes its reference at once (`SCM_RIGHTS`, unix(7)), in the sender's thread. They are taken out of the socket,
//! in the order they were sent, by whoever needs one at the other side.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::sys::stat::fstat;

use crate::sys::{Sys, files, rights};

/// A way for descriptors from the process's table into another one.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) near: OwnedFd,
    /// Device and inode number of `near`, which others might close.
    identity: (u64, u64),
    /// How many have been sent.
    sent: Mutex<u64>,
    arrived: Mutex<Arrived>,
}

#[derive(Debug)]
struct Arrived {
    /// In the other table.
    far: RawFd,
    /// How many were taken out.
    count: u64,
    /// By their place in the order.
    held: HashMap<u64, Away>,
}

/// A descriptor in the other table, where it is closed.
#[derive(Debug)]
struct Away(RawFd);

impl Arrived {
    /// At the other side only.
    fn far(&self) -> BorrowedFd<'static> {
        // SAFETY: this thread's table is the one where it is open, until the end.
        unsafe { BorrowedFd::borrow_raw(self.far) }
    }
}

impl Channel {
    pub fn new(near: OwnedFd, far: RawFd) -> Sys<Self> {
        let identity = identity(near.as_fd())?;
        let arrived = Mutex::new(Arrived { far, count: 0, held: HashMap::new() });
        Ok(Self { near, identity, sent: Mutex::new(0), arrived })
    }

    /// Whether the near end still is what it was.
    pub fn is_there(&self) -> bool {
        identity(self.near.as_fd()) == Ok(self.identity)
    }

    /// Whether nothing comes any more: every copy of the near end is closed. At the other side only.
    pub fn has_ended(&self) -> bool {
        let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let mut far = [PollFd::new(arrived.far(), PollFlags::empty())];
        poll(&mut far, PollTimeout::ZERO) == Ok(1)
            && far[0].revents().is_some_and(|now| now.contains(PollFlags::POLLHUP))
    }

    /// Gives back the descriptor's place in the order.
    pub fn send(&self, fd: BorrowedFd<'_>) -> Sys<u64> {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let (one, flags) = ([std::io::IoSlice::new(&[0])], MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
        let number = [fd.as_raw_fd()];
        sendmsg::<()>(self.near.as_raw_fd(), &one, &[ControlMessage::ScmRights(&number)], flags, None)?;
        *sent += 1;
        Ok(*sent)
    }

    /// Takes out all that were sent, of which there can be only so many on the way. At the other side only.
    pub fn take_out(&self) {
        let sent = *self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.arrived(sent));
    }

    /// The number in the other table; None if there was no room for it. At the other side only.
    pub fn number(&self, place: u64) -> Option<RawFd> {
        self.arrived(place).held.get(&place).map(|away| away.0)
    }

    /// Takes it over. At the other side only.
    pub fn take(&self, place: u64) -> Option<OwnedFd> {
        let Away(number) = self.arrived(place).held.remove(&place)?;
        // SAFETY: it was owned by the table of arrivals, which has forgotten it.
        Some(unsafe { OwnedFd::from_raw_fd(number) })
    }

    /// Takes out all up to that one. At the other side only.
    fn arrived(&self, place: u64) -> MutexGuard<'_, Arrived> {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        while arrived.count < place {
            match rights::receive(arrived.far(), &mut [0]) {
                Ok(received) => {
                    arrived.count += 1;
                    let place = arrived.count;
                    // None, if there was no room in the table.
                    if let Some(fd) = received.descriptors.into_iter().next() {
                        arrived.held.insert(place, Away(fd.into_raw_fd()));
                    }
                }
                Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        arrived
    }
}

/// What a descriptor refers to, as in [`crate::endpoint::Facts`].
pub fn identity(fd: BorrowedFd<'_>) -> Sys<(u64, u64)> {
    fstat(fd).map(|stat| files::identity(&stat))
}
