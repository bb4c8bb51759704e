//! Who is using a mapping: how many system calls of transfers there are at it, and whether it may still be used at all.
//!
//! One number, so that whoever closes the mapping and whoever enters it agree on who came first. It knows the process it
//! belongs to: in a child of fork(2) none of the users of its parent exist.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::fork;

/// The generation of the process (32 bits), closed (1 bit), users (31 bits).
#[derive(Debug, Default)]
pub(super) struct Usage(AtomicU64);

const CLOSED: u64 = 1 << 31;
const USERS: u64 = CLOSED - 1;

impl Usage {
    /// One user more; false, and none more, once it is closed.
    pub fn enter(&self) -> bool {
        self.change(|state| if state & CLOSED == 0 { Some(state + 1) } else { None }).is_ok()
    }

    /// One user less. True for the last one of a mapping that has been closed.
    pub fn leave(&self) -> bool {
        // One that entered before fork(2) and leaves after it, in the child, has not been counted there.
        let left = self.change(|state| (state & USERS > 0).then(|| state - 1));
        left.is_ok_and(|before| before & (CLOSED | USERS) == CLOSED | 1)
    }

    /// Nobody enters any more; gives back how many are inside.
    pub fn close(&self) -> u64 {
        self.change(|state| Some(state | CLOSED)).map_or(0, |before| before & USERS)
    }

    /// As [`Usage::close`], but only while nobody is inside. Otherwise nothing is changed, not for a moment: one that left
    /// meanwhile would take itself for the last one of a closed mapping.
    pub fn close_unused(&self) -> bool {
        self.change(|state| (state & USERS == 0).then_some(state | CLOSED)).is_ok()
    }

    /// Undoes [`Usage::close`] where nobody was inside.
    pub fn reopen(&self) {
        let _ = self.change(|state| Some(state & !CLOSED));
    }

    pub fn is_closed(&self) -> bool {
        self.0.load(Ordering::Acquire) & CLOSED != 0
    }

    /// How many are inside.
    pub fn users(&self) -> u64 {
        of_this_process(self.0.load(Ordering::Acquire)) & USERS
    }

    /// Changes the number, as one of this process; the number before.
    fn change(&self, change: impl Fn(u64) -> Option<u64>) -> Result<u64, u64> {
        let changed = |state| change(of_this_process(state));
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, changed).map(of_this_process)
    }
}

/// Without the users of another process.
fn of_this_process(state: u64) -> u64 {
    let generation = u64::from(fork::generation()) << 32;
    if state & !(CLOSED | USERS) == generation { state } else { generation | (state & CLOSED) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn the_last_one_out_of_a_closed_mapping_is_told() {
        let usage = Usage::default();
        assert!(usage.enter() && usage.enter());
        assert!(!usage.leave());
        assert_eq!((usage.close(), usage.is_closed(), usage.enter()), (1, true, false));
        assert!(usage.leave() && !usage.leave());
        assert_eq!((usage.users(), usage.close()), (0, 0));
        usage.reopen();
        assert!(usage.enter() && !usage.leave());
    }

    #[test]
    fn it_is_closed_under_nobody() {
        let usage = Usage::default();
        assert!(usage.enter() && !usage.close_unused());
        assert!(!usage.is_closed() && usage.enter() && !usage.leave() && !usage.leave());
        assert!(usage.close_unused() && !usage.enter());
    }

    /// One that leaves while a close is refused is not the last one of a closed mapping, whose pages would be given up.
    #[test]
    fn a_refusal_is_seen_by_nobody() {
        let (usage, over) = (Usage::default(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    if usage.close_unused() {
                        usage.reopen();
                    }
                }
            });
            let told = (0..5_000_000).filter(|_| usage.enter() && usage.leave()).count();
            over.store(true, Ordering::Relaxed);
            assert_eq!(told, 0, "times it was told to give the pages up");
        });
    }
}
