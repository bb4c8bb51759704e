//! How an end is kept from putting a thread to sleep in a system call; see [`Waiting`].

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::{Mode, fstat};
use zcio::NonBlockingGuard;

/// Whose thread it is that will wait: decides how an end is kept from sleeping in a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// A platform thread's, in poll(2). A socket in blocking mode stays so (see [`crate::send_timeout`]).
    InPoll,
    /// A virtual thread's, parked: no end may ever sleep, and a socket is switched to non-blocking mode and left there, as
    /// the JDK's own operations on a virtual thread do.
    Parked,
    /// The caller's, in a selector: the channels are in non-blocking mode already.
    InSelector,
}

impl Waiting {
    /// As the Java side numbers them.
    pub fn of(number: i64) -> Self {
        match number {
            0 => Self::InPoll,
            1 => Self::Parked,
            _ => Self::InSelector,
        }
    }
}

/// A stream for a thread that must not sleep in a system call.
pub(crate) fn keep_awake(stream: OwnedFd, waiting: Waiting) -> OwnedFd {
    if waiting == Waiting::Parked
        && let Ok(unblocked) = NonBlockingGuard::new(stream.as_fd())
    {
        unblocked.for_good();
    }
    stream
}

/// A pipe's end gets an open file description of its own, in non-blocking mode: a call on it would otherwise hold the
/// thread where no interrupt reaches it, and `O_NONBLOCK` on the duplicate would change the channel's.
///
/// Where that is not possible (no /proc, or one that shows something else there; a pipe of another user) the duplicate is used
/// as it is by a platform thread, and switched for a virtual one, which must not hold its carrier; the JDK's pipe channels cope
/// with that.
pub(crate) fn pipe_of_our_own(duplicate: OwnedFd, waiting: Waiting) -> OwnedFd {
    let flags = fcntl(&duplicate, FcntlArg::F_GETFL).map_or(OFlag::empty(), OFlag::from_bits_retain);
    // What a platform thread reads from is asked by poll(2) first, and gives what is there.
    let read_in_poll = waiting == Waiting::InPoll && flags & OFlag::O_ACCMODE == OFlag::O_RDONLY;
    if waiting == Waiting::InSelector || read_in_poll || flags.contains(OFlag::O_NONBLOCK) {
        return duplicate;
    }
    // This thread's own table, should it be another one than the process's first thread has.
    let path = format!("/proc/thread-self/fd/{}", duplicate.as_raw_fd());
    let access = (flags & OFlag::O_ACCMODE) | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    match open(path.as_str(), access, Mode::empty()) {
        Ok(own) if is_same(&own, &duplicate) => own,
        _ => keep_awake(duplicate, waiting),
    }
}

/// Whether both are descriptors of the same pipe.
fn is_same(one: &OwnedFd, other: &OwnedFd) -> bool {
    let identity = |fd| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}
