//! The streams of this process that are in blocking mode and are switched to `O_NONBLOCK` while something of ours uses them.
//!
//! The mode belongs to the open file description, not to the descriptor or to its user, and a socket has two directions:
//! what takes bytes out of it and what brings bytes to it are often two operations; and several may write to a pipe. So
//! the users of a stream are counted, in the whole process, and the last one switches it back.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sys::apart::tables::table;
use crate::sys::fork::PerProcess;
use crate::sys::process::same_description;
use crate::sys::{Sys, SyscallCounter};

/// What a stream is known by.
#[derive(Clone, Copy)]
pub(super) struct Stream {
    /// [`crate::Facts::identity`]
    pub identity: (u64, u64),
    pub is_socket: bool,
    /// Whether it is for reading, and for writing.
    pub directions: (bool, bool),
}

/// An open file description that was in blocking mode, and the descriptors by which it is used: they stay open for as long as
/// they are here.
struct Switched {
    stream: Stream,
    users: Vec<User>,
    /// Descriptors that may be of this description or of another one of the same pipe: as long as they are used it is not
    /// switched back.
    doubtful: Vec<User>,
    /// The description itself, to switch it back when its own users are done and the doubtful ones are not.
    kept: Option<Kept>,
}

/// A descriptor, and the table in which its number means something ([`crate::sys::apart`]).
type User = (u32, RawFd);

/// A descriptor of our own, which only a thread of its table can use and close.
struct Kept {
    table: u32,
    fd: Option<OwnedFd>,
}

impl Kept {
    fn new(fd: BorrowedFd<'_>) -> Option<Self> {
        Some(Self { table: table(), fd: Some(fd.try_clone_to_owned().ok()?) })
    }

    fn user(&self) -> User {
        (self.table, self.fd.as_ref().map_or(-1, AsRawFd::as_raw_fd))
    }

    /// The descriptor, if it is of this thread's table.
    fn here(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().filter(|_| self.table == table()).map(AsFd::as_fd)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.table != table() {
            // Here the number is somebody else's. It takes users in both tables of one pipe, and a filter that denies kcmp(2), to
            // come here and leave it open.
            std::mem::forget(self.fd.take());
        }
    }
}

impl Switched {
    /// Whether a descriptor is of this description; `None` where that cannot be found out. A socket has only one. Of a pipe
    /// there are at least two, and of a FIFO as many as it was opened; two tables of descriptors have the same one, as far as
    /// one can know, if it is for the same direction.
    fn is(&self, fd: BorrowedFd<'_>, stream: &Stream) -> Option<bool> {
        if self.stream.identity != stream.identity {
            return Some(false);
        }
        if stream.is_socket {
            return Some(true);
        }
        match self.kept.as_ref().map_or_else(|| self.users[0], Kept::user) {
            (its, own) if its == table() => same_description(own, fd.as_raw_fd()),
            _ => Some(self.stream.directions == stream.directions),
        }
    }
}

/// A child of fork(2) has none: what it inherits is its parent's.
static STREAMS: PerProcess<Mutex<Vec<Switched>>> = PerProcess::new(Mutex::default);

/// How often a stream of this process has been switched back.
static SWITCHED_BACK: AtomicU64 = AtomicU64::new(0);

/// A number that has changed if a stream was switched back meanwhile.
pub(super) fn switched_back() -> u64 {
    SWITCHED_BACK.load(Ordering::Acquire)
}

fn all() -> MutexGuard<'static, Vec<Switched>> {
    // Nothing between lock and unlock can panic half-way through a change.
    STREAMS.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// Switches a stream to `O_NONBLOCK`; true if that is to be undone by [`block`].
pub(super) fn unblock(fd: BorrowedFd<'_>, stream: Stream, calls: &mut SyscallCounter) -> Sys<bool> {
    let mut all = all();
    let is = |switched: &Switched| switched.is(fd, &stream);
    let user = (table(), fd.as_raw_fd());
    let mut same: Vec<_> = all.iter().map(is).collect();
    let switched = calls.set_nonblocking(fd, true)?;
    if switched {
        // What was switched with it is the same description, and what was not is another one.
        let after = all.iter().map(is);
        same = same.into_iter().zip(after).map(|(before, after)| before.or(Some(after != Some(false)))).collect();
    }
    if let Some(place) = same.iter().position(|&same| same == Some(true)) {
        all[place].users.push(user);
        return Ok(true);
    }
    if switched {
        all.push(Switched { stream, users: vec![user], doubtful: Vec::new(), kept: None });
        return Ok(true);
    }
    let perhaps = all.iter_mut().zip(&same).filter(|(_, same)| same.is_none());
    Ok(perhaps.map(|(switched, _)| switched.doubtful.push(user)).count() > 0)
}

/// Whether a stream is non-blocking only until its users here are done, as far as one can know.
pub(super) fn is_unblocked(fd: BorrowedFd<'_>, stream: &Stream) -> bool {
    all().iter().any(|switched| switched.is(fd, stream) != Some(false))
}

/// Nobody's use of the stream counts any more: it stays as it is.
pub(super) fn forget(fd: BorrowedFd<'_>, stream: &Stream) {
    all().retain(|switched| switched.is(fd, stream) == Some(false));
}

/// Undoes what [`unblock`] did, if nobody else needs it.
pub(super) fn block(fd: BorrowedFd<'_>, stream: &Stream, calls: &mut SyscallCounter) {
    let this = (table(), fd.as_raw_fd());
    let take = |from: &mut Vec<User>| {
        let place = from.iter().position(|&user| user == this);
        place.map(|place| from.swap_remove(place)).is_some()
    };
    all().retain_mut(|switched| {
        if switched.stream.identity != stream.identity || !(take(&mut switched.users) || take(&mut switched.doubtful)) {
            return true;
        }
        if !switched.users.is_empty() {
            return true;
        }
        if switched.doubtful.is_empty() {
            let own = switched.kept.as_ref().and_then(Kept::here).unwrap_or(fd);
            // A descriptor that is not open any more has no mode to restore.
            let _ = calls.set_nonblocking(own, false);
            SWITCHED_BACK.fetch_add(1, Ordering::Release);
            return false;
        }
        if switched.kept.is_none() {
            switched.kept = Kept::new(fd);
        }
        // Without a descriptor for it, it is left as it is: asleep under somebody would be worse.
        switched.kept.is_some()
    });
}
