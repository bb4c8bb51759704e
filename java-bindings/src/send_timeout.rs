//! How long one system call may wait for a socket in blocking mode: a twentieth of a second.
//!
//! A blocking socket that its peer does not read from holds a writing thread inside the kernel, where neither
//! `Thread.interrupt()` nor the closing of a channel is noticed. `O_NONBLOCK` would end that, but it belongs to the open
//! file description, which the duplicate shares with the channel and perhaps with another process. `SO_SNDTIMEO` asks for less:
//! the socket stays in blocking mode, and a call that has waited that long returns what it has written, or EAGAIN. The
//! core then waits in poll(2) and asks its watcher.
//!
//! Another thread that writes to the same channel meanwhile (which would mix its bytes with the transfer's) gets a short
//! write or EAGAIN, which `SocketChannel` answers by waiting itself.
//!
//! Transfers to one socket may overlap in time: the first one notes the socket's own timeout, the last one restores it, unless
//! somebody has set another meanwhile. Sockets are told apart by device and inode number, which cannot become another socket's
//! while an entry is there, because every entry has a descriptor of its socket.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use zcio::{Endpoint, Kind};

/// What a socket in blocking mode takes without a wait once poll(2) has called it writable, if its send buffer is no smaller
/// than [`ROOMY`]: that means that a third of the buffer is free.
const SMALL: u64 = 4096;
const ROOMY: usize = 16 << 10;

/// A socket whose send timeout is limited.
struct Limited {
    /// How many transfers limit it.
    users: usize,
    /// Its own timeout.
    before: TimeVal,
    /// The limit, as the kernel has rounded it.
    limit: TimeVal,
}

/// By device and inode number.
type Sockets = HashMap<(u64, u64), Limited>;

static LIMITED: LazyLock<Mutex<Sockets>> = LazyLock::new(Mutex::default);

/// Restores the socket's own timeout when it is dropped, which must be before its descriptor is closed.
pub(crate) struct SendTimeout {
    fd: BorrowedFd<'static>,
    identity: (u64, u64),
}

impl SendTimeout {
    /// Limits the send timeout of a sink. `None` for what needs no limit: anything but a socket in blocking mode, and at most
    /// `length` bytes that it will take at once.
    #[allow(unsafe_code)]
    pub fn limit(sink: &Endpoint<'_>, length: Option<u64>) -> Option<Self> {
        let facts = sink.facts();
        if facts.nonblocking || !matches!(facts.kind, Kind::Tcp | Kind::UnixStream) {
            return None;
        }
        let fd = sink.descriptor()?;
        let small = length.is_some_and(|length| length <= SMALL);
        if small && getsockopt(&fd, sockopt::SndBuf).is_ok_and(|size| size >= ROOMY) {
            return None;
        }
        let mut limited = limited();
        if let Some(entry) = limited.get_mut(&facts.identity) {
            entry.users += 1;
        } else {
            let before = timeout(fd)?;
            set(fd, TimeVal::milliseconds(50));
            let limit = timeout(fd)?;
            limited.insert(facts.identity, Limited { users: 1, before, limit });
        }
        // SAFETY: whoever keeps the sink drops this before it (see the fields of `Running`).
        Some(Self { fd: unsafe { BorrowedFd::borrow_raw(fd.as_raw_fd()) }, identity: facts.identity })
    }
}

impl Drop for SendTimeout {
    fn drop(&mut self) {
        let mut limited = limited();
        let Some(entry) = limited.get_mut(&self.identity) else { return };
        entry.users -= 1;
        if entry.users == 0 {
            if timeout(self.fd) == Some(entry.limit) {
                set(self.fd, entry.before);
            }
            limited.remove(&self.identity);
        }
    }
}

fn limited() -> MutexGuard<'static, Sockets> {
    // Nothing between lock and unlock can panic half-way through a change.
    LIMITED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn timeout(fd: BorrowedFd<'_>) -> Option<TimeVal> {
    getsockopt(&fd, sockopt::SendTimeout).ok()
}

fn set(fd: BorrowedFd<'_>, timeout: TimeVal) {
    // Without the limit the transfer works as well, and is only deaf while it waits.
    let _ = setsockopt(&fd, sockopt::SendTimeout, &timeout);
}
