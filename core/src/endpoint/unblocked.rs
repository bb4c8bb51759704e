//! Streams in blocking mode that are switched to `O_NONBLOCK` while something of ours uses them.
//!
//! The mode belongs to the socket or pipe, not to the descriptor or to its user. A socket has two directions: what takes
//! bytes out of it and what brings bytes to it are often two operations; and several may write to a pipe. So the users of
//! a stream are counted, in the whole process, and the last one switches it back.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Endpoint, Facts};
use crate::error::{Error, Result};
use crate::sys::{Calls, Sys};

/// What a stream is known by: device and inode number, and of a pipe which of its ends it is (readable, writable).
type Key = ((u64, u64), bool, bool);

/// How many users each stream has that was in blocking mode.
struct Users {
    /// A child of fork(2) inherits the counts, but not the users.
    process: u32,
    streams: BTreeMap<Key, usize>,
}

static USERS: Mutex<Users> = Mutex::new(Users { process: 0, streams: BTreeMap::new() });

fn users() -> MutexGuard<'static, Users> {
    // Nothing between lock and unlock can panic half-way through a change.
    let mut users = USERS.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if users.process != process {
        *users = Users { process, streams: BTreeMap::new() };
    }
    users
}

fn key(facts: &Facts) -> Key {
    (facts.identity, facts.readable, facts.writable)
}

/// Switches a stream to `O_NONBLOCK`; true if that is to be undone by [`block`].
fn unblock(fd: BorrowedFd<'_>, facts: &Facts, calls: &mut Calls) -> Sys<bool> {
    let mut users = users();
    let known = users.streams.get_mut(&key(facts));
    let switched = calls.set_nonblocking(fd, true)?;
    if let Some(count) = known {
        *count += 1;
        return Ok(true);
    }
    if switched {
        users.streams.insert(key(facts), 1);
    }
    Ok(switched)
}

/// Undoes what [`unblock`] did, if nobody else needs it.
fn block(fd: BorrowedFd<'_>, facts: &Facts, calls: &mut Calls) {
    let mut users = users();
    // A child of fork(2) drops what its parent still uses.
    let Some(count) = users.streams.get_mut(&key(facts)) else { return };
    *count -= 1;
    if *count == 0 {
        users.streams.remove(&key(facts));
        // A descriptor that is not open any more has no mode to restore.
        let _ = calls.set_nonblocking(fd, false);
    }
}

impl Endpoint<'_> {
    /// Switches a stream to `O_NONBLOCK` until [`Self::block`].
    pub(crate) fn unblock(&mut self, calls: &mut Calls) -> Sys<()> {
        if let (Some(fd), true, false) = (self.descriptor(), self.facts.kind.is_stream(), self.unblocked) {
            self.unblocked = unblock(fd, &self.facts, calls)?;
        }
        Ok(())
    }

    /// Undoes [`Self::unblock`], as soon as nobody else needs it.
    pub(crate) fn block(&mut self, calls: &mut Calls) {
        if let (true, Some(fd)) = (std::mem::take(&mut self.unblocked), self.descriptor()) {
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
}

impl Drop for Unblocked<'_> {
    fn drop(&mut self) {
        self.0.block(&mut Calls::default());
    }
}
