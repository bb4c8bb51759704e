//! Streams in blocking mode that are switched to `O_NONBLOCK` while something of ours uses them.
//!
//! The mode belongs to the open file description, not to the descriptor or to its user, and a socket has two directions:
//! what takes bytes out of it and what brings bytes to it are often two operations; and several may write to a pipe. So
//! the users of a stream are counted, in the whole process, and the last one switches it back.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Endpoint, Facts, Kind};
use crate::error::{Error, Result};
use crate::sys::apart::pool::table;
use crate::sys::process::same_description;
use crate::sys::{Calls, Sys};

/// A stream that was in blocking mode, and the descriptors by which it is used: they stay open for as long as they are here.
struct Stream {
    identity: (u64, u64),
    /// In which the users' numbers mean something ([`crate::sys::apart`]).
    table: u32,
    users: Vec<RawFd>,
}

impl Stream {
    /// A socket has one open file description. Of a pipe there are at least two, and of a FIFO as many as it was opened.
    fn is(&self, fd: BorrowedFd<'_>, kind: Kind, identity: (u64, u64)) -> bool {
        let same = || self.table == table() && same_description(self.users[0], fd.as_raw_fd());
        self.identity == identity && (kind.is_socket() || same())
    }
}

struct Streams {
    /// A child of fork(2) inherits the users, who are not its own.
    process: u32,
    streams: Vec<Stream>,
}

static STREAMS: Mutex<Streams> = Mutex::new(Streams { process: 0, streams: Vec::new() });

fn all() -> MutexGuard<'static, Streams> {
    // Nothing between lock and unlock can panic half-way through a change.
    let mut all = STREAMS.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if all.process != process {
        *all = Streams { process, streams: Vec::new() };
    }
    all
}

/// Switches a stream to `O_NONBLOCK`; true if that is to be undone by [`block`].
fn unblock(fd: BorrowedFd<'_>, facts: &Facts, calls: &mut Calls) -> Sys<bool> {
    let mut all = all();
    let known = all.streams.iter_mut().find(|stream| stream.is(fd, facts.kind, facts.identity));
    let switched = calls.set_nonblocking(fd, true)?;
    match known {
        Some(stream) => stream.users.push(fd.as_raw_fd()),
        None if switched => {
            all.streams.push(Stream { identity: facts.identity, table: table(), users: vec![fd.as_raw_fd()] });
        }
        None => return Ok(false),
    }
    Ok(true)
}

/// Whether a stream is non-blocking only until its users here are done.
pub(super) fn is_unblocked(fd: BorrowedFd<'_>, kind: Kind, identity: (u64, u64)) -> bool {
    all().streams.iter().any(|stream| stream.is(fd, kind, identity))
}

/// Undoes what [`unblock`] did, if nobody else needs it.
fn block(fd: BorrowedFd<'_>, facts: &Facts, calls: &mut Calls) {
    let mut all = all();
    let is_it = |stream: &Stream| stream.identity == facts.identity && stream.users.contains(&fd.as_raw_fd());
    // A child of fork(2) drops what its parent still uses.
    let Some(place) = all.streams.iter().position(is_it) else { return };
    let users = &mut all.streams[place].users;
    users.swap_remove(users.iter().position(|&user| user == fd.as_raw_fd()).expect("it is among them"));
    if users.is_empty() {
        all.streams.swap_remove(place);
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

    /// Leaves the stream in non-blocking mode, and so does everybody else of this process who needs it so for a while now.
    /// For a runtime whose own operations expect to find it that way.
    pub fn for_good(mut self) {
        if let (true, Some(fd)) = (std::mem::take(&mut self.0.unblocked), self.0.descriptor()) {
            all().streams.retain(|stream| !stream.is(fd, self.0.facts.kind, self.0.facts.identity));
        }
    }
}

impl Drop for Unblocked<'_> {
    fn drop(&mut self) {
        self.0.block(&mut Calls::default());
    }
}
