//! Streams in blocking mode that are switched to `O_NONBLOCK` while something of ours uses them.
//!
//! The mode belongs to the open file description, not to the descriptor or to its user, and a socket has two directions:
//! what takes bytes out of it and what brings bytes to it are often two operations; and several may write to a pipe. So
//! the users of a stream are counted, in the whole process, and the last one switches it back.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Endpoint, Facts};
use crate::error::{Error, Result};
use crate::sys::apart::pool::table;
use crate::sys::fork::PerProcess;
use crate::sys::process::same_description;
use crate::sys::{Calls, Sys};

/// An open file description that was in blocking mode, and the descriptors by which it is used: they stay open for as long as
/// they are here.
struct Stream {
    identity: (u64, u64),
    /// Whether it is for reading, and for writing.
    directions: (bool, bool),
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

impl Stream {
    /// Whether a descriptor is of this description; `None` where that cannot be found out. A socket has only one. Of a pipe
    /// there are at least two, and of a FIFO as many as it was opened; two tables of descriptors have the same one, as far as
    /// one can know, if it is for the same direction.
    fn is(&self, fd: BorrowedFd<'_>, facts: &Facts) -> Option<bool> {
        if self.identity != facts.identity {
            return Some(false);
        }
        if facts.kind.is_socket() {
            return Some(true);
        }
        match self.kept.as_ref().map_or_else(|| self.users[0], Kept::user) {
            (its, own) if its == table() => same_description(own, fd.as_raw_fd()),
            _ => Some(self.directions == (facts.readable, facts.writable)),
        }
    }
}

/// A child of fork(2) has none: what it inherits is its parent's.
static STREAMS: PerProcess<Mutex<Vec<Stream>>> = PerProcess::new(Mutex::default);

fn all() -> MutexGuard<'static, Vec<Stream>> {
    // Nothing between lock and unlock can panic half-way through a change.
    STREAMS.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// Switches a stream to `O_NONBLOCK`; true if that is to be undone by [`block`].
fn unblock(fd: BorrowedFd<'_>, facts: &Facts, calls: &mut Calls) -> Sys<bool> {
    let mut all = all();
    let is = |stream: &Stream| stream.is(fd, facts);
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
        let directions = (facts.readable, facts.writable);
        all.push(Stream { identity: facts.identity, directions, users: vec![user], doubtful: Vec::new(), kept: None });
        return Ok(true);
    }
    let perhaps = all.iter_mut().zip(&same).filter(|(_, same)| same.is_none());
    Ok(perhaps.map(|(stream, _)| stream.doubtful.push(user)).count() > 0)
}

/// Whether a stream is non-blocking only until its users here are done, as far as one can know.
pub(super) fn is_unblocked(fd: BorrowedFd<'_>, facts: &Facts) -> bool {
    all().iter().any(|stream| stream.is(fd, facts) != Some(false))
}

/// Undoes what [`unblock`] did, if nobody else needs it.
fn block(fd: BorrowedFd<'_>, facts: &Facts, calls: &mut Calls) {
    let this = (table(), fd.as_raw_fd());
    let take = |from: &mut Vec<User>| {
        let place = from.iter().position(|&user| user == this);
        place.map(|place| from.swap_remove(place)).is_some()
    };
    all().retain_mut(|stream| {
        if stream.identity != facts.identity || !(take(&mut stream.users) || take(&mut stream.doubtful)) {
            return true;
        }
        if !stream.users.is_empty() {
            return true;
        }
        if stream.doubtful.is_empty() {
            let own = stream.kept.as_ref().and_then(Kept::here).unwrap_or(fd);
            // A descriptor that is not open any more has no mode to restore.
            let _ = calls.set_nonblocking(own, false);
            return false;
        }
        if stream.kept.is_none() {
            stream.kept = Kept::new(fd);
        }
        // Without a descriptor for it, it is left as it is: asleep under somebody would be worse.
        stream.kept.is_some()
    });
}

impl Endpoint<'_> {
    /// Switches a stream to `O_NONBLOCK` until [`Self::block`].
    pub(crate) fn unblock(&mut self, calls: &mut Calls) -> Sys<()> {
        if let (Some(fd), true, false) = (self.descriptor(), self.facts.kind.is_stream(), self.unblocked) {
            self.unblocked = unblock(fd, &self.facts, calls)?;
        }
        Ok(())
    }

    /// Undoes [`Self::unblock`], as soon as nobody else needs it. The mode of an end that is lost may be somebody else's.
    pub(crate) fn block(&mut self, calls: &mut Calls) {
        if std::mem::take(&mut self.unblocked)
            && let (Some(fd), Ok(_held)) = (self.descriptor(), self.enter())
        {
            block(fd, &self.facts, calls);
        }
    }
}

/// A stream in non-blocking mode, for whoever steps a [`crate::Transfer`] in an event loop, where no step may sleep. Dropped,
/// it is in the mode again that it was in before, unless somebody else of this process needs it non-blocking: the users of
/// a stream are counted, those in [`crate::Relay`], [`crate::FanOut`] and [`crate::Batch`] too.
///
/// The mode is the socket's, or that of the open file description (`O_NONBLOCK`, fcntl(2)): others who have it, through
/// dup(2) or in other processes, see the change.
#[derive(Debug)]
pub struct Unblocked<'fd>(Endpoint<'fd>);

impl<'fd> Unblocked<'fd> {
    /// Switches the stream. What is no stream stays as it is.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::BadDescriptor`] if the descriptor is not open.
    pub fn new(fd: BorrowedFd<'fd>) -> Result<Self> {
        let mut end = Endpoint::new(fd)?;
        end.unblock(&mut Calls::default()).map_err(|errno| Error::os("fcntl", errno))?;
        Ok(Self(end))
    }

    /// Leaves the stream in non-blocking mode, and so does everybody else of this process who needs it so for a while now.
    /// For a runtime whose own operations expect to find it that way.
    pub fn for_good(mut self) {
        if let (true, Some(fd)) = (std::mem::take(&mut self.0.unblocked), self.0.descriptor()) {
            all().retain(|stream| stream.is(fd, &self.0.facts) == Some(false));
        }
    }
}

impl Drop for Unblocked<'_> {
    fn drop(&mut self) {
        self.0.block(&mut Calls::default());
    }
}
