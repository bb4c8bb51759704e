//! What a transfer leaves that was stopped: sends whose memory the kernel may still read, and whose notifications would stay
//! in the socket's error queue, where poll(2) calls them an error for ever.
//!
//! A thread of its own takes them out as they come, on a duplicate of the socket, until all have come or the connection is
//! over; nobody waits for it. The memory needs no keeping: it is a mapped file, or [`crate::Pages`], whose pages stay what
//! they are after munmap(2) (borrowed memory never gets here). Meanwhile the socket is not for another `zerocopy_send`,
//! which would take this one's notifications for its own.
//!
//! `SO_ZEROCOPY` is off meanwhile. Where it, or another option that brings messages, is on again, somebody else waits for
//! some, which the kernel may join to ours; and a message that was read is gone (`MSG_PEEK` is ignored in an error queue).
//! So the options are looked at before each message, and the thread leaves the queue to who switched one on.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFlags, PollTimeout};

use super::ledger::Ledger;
use crate::sys::SyscallCounter;
use crate::sys::fork::{Duplicate, ForkSafe, Process};
use crate::sys::resident;
use crate::sys::threads::without_signals;

/// The sockets whose error queue is ours, a transfer's or a thread's, by inode number, and the process whose they are.
static AT_WORK: ForkSafe<Vec<(u64, Process)>> = ForkSafe::new(Vec::new());

/// Where everything has been acknowledged for so long, a notification that has not come was read by somebody else.
const PATIENCE: Duration = Duration::from_secs(2);

/// The error queue of a socket, for one transfer and the thread that it leaves: of two that begin at the same time one gets it.
#[derive(Debug)]
pub(super) struct Claim(u64, Process);

impl Claim {
    /// `None` while a transfer is at it, or notifications of one that was stopped are still to come.
    ///
    /// What a child of fork(2) has inherited nobody crosses out for it. There it holds until everything has been acknowledged:
    /// then all have come, to the parent's thread.
    pub fn new(socket: BorrowedFd<'_>, inode: u64, calls: &mut SyscallCounter) -> Option<Self> {
        let at = |&(other, _): &(u64, Process)| other == inode;
        // Few have a claim, and who has none is not asked.
        let over = AT_WORK.read().iter().any(at) && calls.nothing_to_send(socket);
        let mut all = AT_WORK.write();
        all.retain(|one| !at(one) || one.1.is_this() || !over);
        if all.iter().any(at) {
            return None;
        }
        let claim = (inode, Process::this());
        all.push(claim);
        Some(Self(claim.0, claim.1))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut all = AT_WORK.write();
        if let Some(place) = all.iter().position(|&one| one == (self.0, self.1)) {
            all.swap_remove(place);
        }
    }
}

/// A thread that looks after a socket. Dropped, it is left alone to the end.
#[derive(Debug)]
pub(super) struct Watchman {
    relieved: Arc<AtomicBool>,
    thread: JoinHandle<Ledger>,
}

impl Watchman {
    /// Looks after a socket, by its duplicate, until the kernel has let go of all sends.
    pub fn at(socket: Duplicate, claim: Claim, mut ledger: Ledger) -> Option<Self> {
        let _ = SyscallCounter::default().set_zerocopy(socket.as_fd(), false);
        let relieved = Arc::new(AtomicBool::new(false));
        let is_relieved = relieved.clone();
        let work = move || {
            let mut calls = SyscallCounter::default();
            let relieved = || is_relieved.load(Ordering::Relaxed);
            let stops = |calls: &mut SyscallCounter| relieved() || calls.uses_error_queue(socket.as_fd());
            if !collect_notices(socket.as_fd(), &mut ledger, stops, &mut calls) && !relieved() {
                ledger.forget();
            }
            drop(claim);
            ledger
        };
        // Without a thread the notifications stay where they are. Nobody waits for it, not even who unloads the library.
        let start = || std::thread::Builder::new().name("zcio-notices".into()).spawn(work);
        let started = resident::stay().map_err(std::io::Error::from).and_then(|()| without_signals(start));
        started.ok().map(|thread| Self { relieved, thread })
    }

    /// The transfer goes on: what is still outstanding. Waits for the thread's next look, not for the peer.
    pub fn relieve(self) -> Ledger {
        self.relieved.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// Takes notifications out, none more than are expected; false if it was to give up before, which it is asked before each.
pub(super) fn collect_notices(
    socket: BorrowedFd<'_>,
    ledger: &mut Ledger,
    gives_up: impl Fn(&mut SyscallCounter) -> bool,
    calls: &mut SyscallCounter,
) -> bool {
    let mut quiet: Option<Instant> = None;
    loop {
        let before = ledger.outstanding();
        while ledger.outstanding() > 0 {
            if gives_up(calls) {
                return false;
            }
            // What else is wrong with a socket, its own calls say.
            let Ok(Some(notice)) = calls.zerocopy_notice(socket) else { break };
            ledger.note(notice);
        }
        if ledger.outstanding() == 0 {
            return true;
        }
        if calls.nothing_to_send(socket) {
            if quiet.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
                return true;
            }
        } else {
            quiet = None;
        }
        let found = calls.poll(socket, PollFlags::empty(), PollTimeout::from(100_u8));
        if found != Ok(PollFlags::empty()) && ledger.outstanding() == before {
            // No notification: the connection's end, which poll(2) tells again and again.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
