//! What a transfer leaves that was stopped: sends whose memory the kernel may still read, and whose notifications would stay
//! in the socket's error queue, where poll(2) calls them an error for ever.
//!
//! A thread of its own takes them out as they come, on a duplicate of the socket, until all have come or the connection is
//! over; nobody waits for it. The memory needs no keeping: it is a mapped file, or [`crate::Pages`], whose pages stay what
//! they are after munmap(2) (borrowed memory never gets here). Meanwhile the socket is not for another `zerocopy_send`,
//! which would take this one's notifications for its own.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFlags, PollTimeout};

use super::ledger::Ledger;
use crate::sys::Calls;
use crate::sys::threads::without_signals;

/// Inode numbers of the sockets at which a thread is, and zeroes. No lock: a child of fork(2) could find it locked.
static AT_WORK: [AtomicU64; 256] = [const { AtomicU64::new(0) }; 256];

/// Where everything has been acknowledged for so long, a notification that has not come was read by somebody else.
const PATIENCE: Duration = Duration::from_secs(2);

/// A socket that is being looked after.
struct Claim(&'static AtomicU64);

impl Claim {
    fn of(inode: u64) -> Option<Self> {
        let claims = |place: &&AtomicU64| place.compare_exchange(0, inode, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        AT_WORK.iter().find(claims).map(Self)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

/// Whether notifications of a stopped transfer are still to come to that socket.
pub(super) fn is_at_work(inode: u64) -> bool {
    AT_WORK.iter().any(|place| place.load(Ordering::Acquire) == inode)
}

/// A thread that looks after a socket. Dropped, it is left alone to the end.
#[derive(Debug)]
pub(super) struct Watchman {
    relieved: Arc<AtomicBool>,
    thread: JoinHandle<Ledger>,
}

impl Watchman {
    /// Looks after a socket (its duplicate, and its inode number) until the kernel has let go of all sends.
    pub fn at(socket: OwnedFd, inode: u64, mut ledger: Ledger) -> Option<Self> {
        let claim = Claim::of(inode);
        if claim.is_some() {
            let _ = Calls::default().set_zerocopy(socket.as_fd(), false);
        }
        let relieved = Arc::new(AtomicBool::new(false));
        let is_relieved = relieved.clone();
        let work = move || {
            let mut calls = Calls::default();
            settle(socket.as_fd(), &mut ledger, || is_relieved.load(Ordering::Relaxed), &mut calls);
            if claim.is_none() {
                // It was left on so that the next transfer would find the socket in use.
                let _ = calls.set_zerocopy(socket.as_fd(), false);
            }
            ledger
        };
        // Without a thread the notifications stay where they are.
        let start = || std::thread::Builder::new().name("zcio-notices".into()).spawn(work);
        let thread = without_signals(start).ok()?;
        Some(Self { relieved, thread })
    }

    /// The transfer goes on: what is still outstanding. Waits for the thread's next look, not for the peer.
    pub fn relieve(self) -> Ledger {
        self.relieved.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// Takes notifications out until none is to be expected any more; false if it was to give up before.
pub(super) fn settle(
    socket: BorrowedFd<'_>,
    ledger: &mut Ledger,
    gives_up: impl Fn() -> bool,
    calls: &mut Calls,
) -> bool {
    let mut quiet: Option<Instant> = None;
    loop {
        let before = ledger.outstanding();
        // What else is wrong with a socket, its own calls say.
        while let Ok(Some(notice)) = calls.zerocopy_notice(socket) {
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
        if gives_up() {
            return false;
        }
        let found = calls.poll(socket, PollFlags::empty(), PollTimeout::from(100_u8));
        if found != Ok(PollFlags::empty()) && ledger.outstanding() == before {
            // No notification: the connection's end, which poll(2) tells again and again.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
