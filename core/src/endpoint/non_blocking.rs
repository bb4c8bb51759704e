//! A stream in blocking mode that somebody needs non-blocking for a while; [`streams`] counts who does.

use super::{Endpoint, Kind, LendFd, streams};
use crate::error::{Error, Result};
use crate::sys::{Sys, SyscallCounter};

impl Endpoint<'_> {
    /// The same end as a non-blocking one, if it is a stream: one that a [`NonBlockingGuard`] of the caller's keeps so, or a FIFO that
    /// was opened by its path and belongs to nobody else. It is switched if it has to be, and not switched back.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Os`](crate::ErrorKind::Os) if the mode cannot be changed.
    pub fn nonblocking(mut self) -> Result<Self> {
        self.learn();
        if let (Some(fd), true, false) = (self.descriptor(), self.facts.kind.is_stream(), self.facts.nonblocking) {
            SyscallCounter::default().set_nonblocking(fd, true).map_err(|errno| Error::os("fcntl", errno))?;
            self.facts.nonblocking = true;
        }
        Ok(self)
    }

    /// The same end, for who ends a wait in a system call on it by a signal: it is not asked beforehand whether it would sleep.
    #[doc(hidden)] // For the bindings.
    #[must_use]
    pub fn woken(mut self) -> Self {
        self.woken = true;
        self
    }

    /// Whether this thread, or a system call of it, may be put to sleep by the end's peer.
    pub(crate) fn sleeps(&self) -> bool {
        let waits = self.facts.kind.is_stream() || self.facts.kind == Kind::CharDevice;
        waits && !self.unblocked && !self.woken && !self.facts().nonblocking
    }

    /// Switches a stream to `O_NONBLOCK` until [`Self::block`].
    pub(crate) fn unblock(&mut self, calls: &mut SyscallCounter) -> Sys<()> {
        self.learn();
        if let (Some(fd), true, false) = (self.descriptor(), self.facts.kind.is_stream(), self.unblocked) {
            self.unblocked = streams::unblock(fd, self.facts.stream(), calls)?;
        }
        Ok(())
    }

    /// The same, and its facts say so: for whoever steps it and waits for it by himself.
    #[cfg(feature = "tokio")]
    pub(crate) fn stay_awake(&mut self, calls: &mut SyscallCounter) -> Sys<()> {
        self.unblock(calls)?;
        self.facts.nonblocking |= self.unblocked;
        Ok(())
    }

    /// Undoes both, as soon as nobody else needs it. The mode of an end that is lost may be somebody else's.
    pub(crate) fn block(&mut self, calls: &mut SyscallCounter) {
        if !std::mem::take(&mut self.unblocked) {
            return;
        }
        self.facts.nonblocking = false;
        if let (Some(fd), Ok(_held)) = (self.descriptor(), self.enter()) {
            streams::block(fd, &self.facts.stream(), calls);
        }
    }
}

/// A stream in non-blocking mode, for whoever steps a [`crate::Transfer`] in an event loop, where no step may sleep. Dropped,
/// it is in the mode again that it was in before, unless somebody else of this process needs it non-blocking: the users of
/// a stream are counted, those in [`crate::Relay`], [`crate::FanOut`] and [`crate::Batch`] too.
///
/// The mode is the socket's, or that of the open file description (`O_NONBLOCK`, fcntl(2)): others who have it, through
/// dup(2) or in other processes, see the change.
///
/// ```
/// let (socket, _peer) = std::os::unix::net::UnixStream::pair()?;
/// let guard = zcio::NonBlockingGuard::new(&socket)?;
/// let error = std::io::Read::read(&mut &socket, &mut [0]).unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
/// drop(guard); // From here on the socket is in blocking mode, as before.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NonBlockingGuard<'fd>(Endpoint<'fd>);

impl<'fd> NonBlockingGuard<'fd> {
    /// Switches the stream. What is no stream stays as it is.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::BadDescriptor`] if the descriptor is not open.
    pub fn new(fd: impl LendFd<'fd>) -> Result<Self> {
        let mut end = Endpoint::new(fd)?;
        end.unblock(&mut SyscallCounter::default()).map_err(|errno| Error::os("fcntl", errno))?;
        Ok(Self(end))
    }

    /// Leaves the stream in non-blocking mode, and so does everybody else of this process who needs it so for a while now.
    /// For a runtime whose own operations expect to find it that way.
    pub fn for_good(mut self) {
        if let (true, Some(fd)) = (std::mem::take(&mut self.0.unblocked), self.0.descriptor()) {
            streams::forget(fd, &self.0.facts.stream());
        }
    }
}

impl Drop for NonBlockingGuard<'_> {
    fn drop(&mut self) {
        self.0.block(&mut SyscallCounter::default());
    }
}
