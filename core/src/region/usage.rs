//! Who is using a mapping: how many system calls of transfers there are at it, and whether it may still be used at all.
//!
//! One number, so that whoever closes the mapping and whoever enters it agree on who came first. It knows the process it
//! belongs to: in a child of fork(2) none of the users of its parent exist.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::sys::fork;

/// The generation of the process (32 bits), closed (1 bit), somebody is alone (1 bit), users (30 bits).
#[derive(Debug, Default)]
pub(super) struct Usage(AtomicU64);

const CLOSED: u64 = 1 << 31;
const ALONE: u64 = 1 << 30;
const USERS: u64 = ALONE - 1;

/// Nobody is inside, and whoever comes waits until this is dropped, or finds the mapping closed if it was to be. So what is tried
/// meanwhile and fails has been seen by nobody.
#[must_use]
pub(super) struct Alone<'a>(&'a Usage);

impl Alone<'_> {
    /// Nobody enters any more.
    pub fn close(self) {
        let _ = self.0.change(|state| Some(state | CLOSED));
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        let _ = self.0.change(|state| Some(state & !ALONE));
    }
}

impl Usage {
    /// One user more; false, and none more, once it is closed.
    pub fn enter(&self) -> bool {
        self.patiently(|state| if state & CLOSED == 0 { Some(state + 1) } else { None }).is_ok()
    }

    /// One user less. True for the last one of a mapping that has been closed.
    pub fn leave(&self) -> bool {
        // One that entered before fork(2) and leaves after it, in the child, has not been counted there.
        let left = self.change(|state| (state & USERS > 0).then(|| state - 1));
        left.is_ok_and(|before| before & (CLOSED | USERS) == CLOSED | 1)
    }

    /// Nobody enters any more, if somebody is inside, who is then to be waited for: true. False, and nothing is changed, if nobody is.
    pub fn close_used(&self) -> bool {
        self.patiently(|state| (state & USERS > 0).then_some(state | CLOSED)).is_ok()
    }

    /// Keeps everybody out for a while. `None` while somebody is inside: then nothing is changed, not for a moment.
    pub fn alone(&self) -> Option<Alone<'_>> {
        self.patiently(|state| (state & USERS == 0).then_some(state | ALONE)).ok().map(|_| Alone(self))
    }

    pub fn is_closed(&self) -> bool {
        of_this_process(self.0.load(Ordering::Acquire)) & CLOSED != 0
    }

    /// As [`Usage::change`], once nobody is alone, which takes no longer than some system calls about memory.
    fn patiently(&self, change: impl Fn(u64) -> Option<u64>) -> Result<u64, u64> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.change(|state| if state & ALONE == 0 { change(state) } else { None }) {
                Err(state) if state & ALONE == 0 => return Err(state),
                Err(_) if tries < 100 => std::thread::yield_now(),
                // A hole is being punched into a file.
                Err(_) => std::thread::sleep(Duration::from_micros(50)),
                changed => return changed,
            }
        }
    }

    /// Changes the number, as one of this process; the number before.
    fn change(&self, change: impl Fn(u64) -> Option<u64>) -> Result<u64, u64> {
        let changed = |state| change(of_this_process(state));
        let before = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, changed);
        before.map(of_this_process).map_err(of_this_process)
    }
}

/// Without the users of another process. One who was alone there was about to change the pages, and does not come back: here it is
/// closed.
fn of_this_process(state: u64) -> u64 {
    let generation = u64::from(fork::generation()) << 32;
    if state & !(CLOSED | ALONE | USERS) == generation {
        return state;
    }
    generation | if state & (CLOSED | ALONE) == 0 { 0 } else { CLOSED }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn the_last_one_out_of_a_closed_mapping_is_told() {
        let usage = Usage::default();
        assert!(!usage.close_used(), "nobody is inside");
        assert!(usage.enter() && usage.enter());
        assert!(!usage.leave());
        assert!(usage.close_used() && usage.is_closed() && !usage.enter());
        assert!(usage.leave() && !usage.leave());
    }

    #[test]
    fn it_is_closed_under_nobody() {
        let usage = Usage::default();
        assert!(usage.enter() && usage.alone().is_none());
        assert!(!usage.is_closed() && usage.enter() && !usage.leave() && !usage.leave());
        usage.alone().unwrap().close();
        assert!(usage.is_closed() && !usage.enter());
    }

    /// What is tried with nobody inside is seen by nobody if it fails: neither by one that leaves, who is not the last one of a closed
    /// mapping, nor by one that comes, for whom it is not closed.
    #[test]
    fn a_refusal_is_seen_by_nobody() {
        let (usage, over) = (Usage::default(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    drop(usage.alone());
                }
            });
            let told = (0..1_000_000).filter(|_| !usage.enter() || usage.leave()).count();
            over.store(true, Ordering::Relaxed);
            assert_eq!(told, 0, "times it was told that the mapping is closed");
        });
    }

    #[test]
    fn a_child_waits_for_nobody_who_was_alone_in_its_parent() {
        let usage = Usage::default();
        assert!(usage.enter() && !usage.leave());
        let alone = usage.alone().unwrap();
        // SAFETY: the child only looks at the number, and ends without anything of the parent's being run.
        let status = unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::alarm(10);
                libc::_exit(i32::from(usage.enter() || !usage.is_closed()));
            }
            let mut status = -1;
            libc::waitpid(child, &raw mut status, 0);
            status
        };
        assert_eq!(status, 0, "it is closed there");
        drop(alone);
        assert!(usage.enter());
    }
}
