//! Waiting for any of an operation's ends, on tokio's behalf, without sharing a readiness with anybody.
//!
//! An operation has an epoll(7) instance of its own, and that one descriptor is registered with tokio. Registering the ends
//! themselves would not do. One that is tokio's already cannot be registered again (EEXIST), and two operations may use one
//! socket. What tokio remembers of readiness is cleared by its own calls only, so that waiting beside them spins. And a message
//! in a socket's error queue (`MSG_ZEROCOPY`, timestamps), which may be somebody else's, is a closed socket to tokio from then
//! on: always ready.
//!
//! The ends are watched edge-triggered. A level is looked at when an end is armed: for the first time, and after a step that
//! moved something. A step that found nothing although its end had been called ready is waited for by the next edge alone. So
//! nothing is missed, and what is called ready for ever costs one step.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use ::tokio::io::unix::AsyncFd;
use ::tokio::io::{Interest, Ready};
use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags, EpollTimeout};

use crate::error::{Error, Result};
use crate::step::Readiness;
use crate::sys::epoll::EpollSet;

/// How many events are fetched at once.
const EVENTS: usize = 16;

/// See the module's introduction.
#[derive(Debug, Default)]
pub(super) struct Waiter {
    /// Made when something is waited for: most small transfers never do.
    set: Option<AsyncFd<EpollSet>>,
    /// What the kernel watches, and what of it is waited for now. A descriptor is borrowed by the operation and keeps its
    /// meaning.
    watched: Vec<Watched>,
    /// Nothing has moved since the last wait.
    in_vain: bool,
    /// An end that epoll(7) cannot watch: it is ready, or the next step says what is wrong with it.
    unwatchable: Option<Errno>,
}

#[derive(Debug)]
struct Watched {
    fd: RawFd,
    flags: EpollFlags,
    wanted: bool,
}

impl Waiter {
    /// The operation has moved something.
    pub fn note_progress(&mut self) {
        self.in_vain = false;
    }

    /// What the next wait is for; any of them is enough. Without a readiness it is the error queue alone.
    pub fn arm(&mut self, ends: &[(BorrowedFd<'_>, Option<Readiness>)]) -> Result<()> {
        let set = match &mut self.set {
            Some(set) => set,
            none => none.insert(new_set()?),
        };
        self.unwatchable = None;
        self.watched.iter_mut().for_each(|watched| watched.wanted = false);
        for (fd, _) in ends {
            // A relay waits for both directions of one socket.
            let same = ends.iter().filter(|(other, _)| other.as_raw_fd() == fd.as_raw_fd());
            let flags = same.fold(EpollFlags::EPOLLET, |flags, (_, readiness)| flags | events(*readiness));
            let mut event = EpollEvent::new(flags, fd.as_raw_fd() as u64);
            let known = self.watched.iter_mut().find(|watched| watched.fd == fd.as_raw_fd());
            let armed = match known {
                Some(watched) => {
                    let armed = watched.wanted || (self.in_vain && watched.flags == flags);
                    (watched.flags, watched.wanted) = (flags, true);
                    if armed { Ok(()) } else { set.get_ref().epoll().modify(fd, &mut event) }
                }
                None => set.get_ref().epoll().add(fd, event).map(|()| {
                    self.watched.push(Watched { fd: fd.as_raw_fd(), flags, wanted: true });
                }),
            };
            match armed {
                // A file or a device that is always ready; a descriptor that somebody has closed.
                Err(errno @ (Errno::EPERM | Errno::EBADF | Errno::ENOENT)) => self.unwatchable = Some(errno),
                armed => armed.map_err(|errno| Error::os("epoll_ctl", errno))?,
            }
        }
        Ok(())
    }

    /// Waits for what was armed last.
    pub async fn wait(&mut self) -> Result<()> {
        let in_vain = std::mem::replace(&mut self.in_vain, true);
        if let Some(errno) = self.unwatchable {
            // Ready, and yet it was not.
            return if in_vain { Err(Error::os("epoll_ctl", errno)) } else { Ok(()) };
        }
        let set = self.set.as_ref().expect("armed before");
        loop {
            let mut ready = set.ready(Interest::READABLE).await.map_err(|error| failure(&error))?;
            let mut events = [EpollEvent::empty(); EVENTS];
            let count = set.get_ref().epoll().wait(&mut events, EpollTimeout::ZERO);
            let count = count.map_err(|errno| Error::os("epoll_wait", errno))?;
            if count < EVENTS {
                // All were fetched. One that came since has made a readiness of its own, which this does not clear.
                ready.clear_ready_matching(Ready::READABLE);
            }
            let fetched = &events[..count];
            // Of what is watched and not waited for now, an event is nobody's.
            let is_wanted = |event: &EpollEvent| {
                self.watched.iter().any(|watched| watched.wanted && watched.fd as u64 == event.data())
            };
            if fetched.iter().any(is_wanted) {
                return Ok(());
            }
        }
    }
}

fn new_set() -> Result<AsyncFd<EpollSet>> {
    let set = EpollSet::new().map_err(|errno| Error::os("epoll_create1", errno))?;
    set.register().map_err(|error| failure(&error))
}

fn events(readiness: Option<Readiness>) -> EpollFlags {
    match readiness {
        Some(Readiness::Readable) => EpollFlags::EPOLLIN,
        Some(Readiness::Writable) => EpollFlags::EPOLLOUT,
        // EPOLLERR is reported without being asked for.
        None => EpollFlags::empty(),
    }
}

/// The runtime cannot watch the instance, or is gone.
fn failure(error: &io::Error) -> Error {
    Error::os("epoll_ctl", Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
}
