//! Streams in blocking mode that are switched to `O_NONBLOCK` while something of ours uses them.
//!
//! The mode belongs to the socket, not to the descriptor or to its user, and a socket has two directions: what takes bytes
//! out of it and what brings bytes to it are often two operations. So the users of a socket are counted, in the whole
//! process, and the last one switches it back. A pipe's end has one direction and one user, and is not counted.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Endpoint, Facts};
use crate::error::{Error, Result};
use crate::sys::{Calls, Sys};

/// How many users each socket has that was in blocking mode, by device and inode number.
struct Users {
    /// A child of fork(2) inherits the counts, but not the users.
    process: u32,
    sockets: BTreeMap<(u64, u64), usize>,
}

static USERS: Mutex<Users> = Mutex::new(Users { process: 0, sockets: BTreeMap::new() });

fn users() -> MutexGuard<'static, Users> {
    // Nothing between lock and unlock can panic half-way through a change.
    let mut users = USERS.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if users.process != process {
        *users = Users { process, sockets: BTreeMap::new() };
    }
    users
}

/// Switches a stream to `O_NONBLOCK`; true if that is to be undone by [`block`].
fn unblock(fd: BorrowedFd<'_>, facts: &Facts, calls: &mut Calls) -> Sys<bool> {
    if !facts.kind.is_socket() {
        return calls.set_nonblocking(fd, true);
    }
    let mut users = users();
    let known = users.sockets.get_mut(&facts.identity);
    let switched = calls.set_nonblocking(fd, true)?;
    if let Some(count) = known {
        *count += 1;
        return Ok(true);
    }
    if switched {
        users.sockets.insert(facts.identity, 1);
    }
    Ok(switched)
}

/// Undoes what [`unblock`] did, if nobody else needs it.
fn block(fd: BorrowedFd<'_>, facts: &Facts, calls: &mut Calls) {
    let mut users = users();
    if facts.kind.is_socket() {
        match users.sockets.get_mut(&facts.identity) {
            Some(1) => users.sockets.remove(&facts.identity),
            Some(count) => {
                *count -= 1;
                return;
            }
            // A child of fork(2) drops what its parent still uses.
            None => return,
        };
    }
    // A descriptor that is not open any more has no mode to restore.
    let _ = calls.set_nonblocking(fd, false);
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
/// a socket are counted, those in [`crate::Relay`], [`crate::FanOut`] and [`crate::Batch`] too.
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
