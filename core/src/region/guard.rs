//! The SIGBUS guard: for those who read mapped files through raw pointers and must survive a file that is cut short.
//!
//! Opt-in ([`install`]), once per process, and chained: a fault at an address that is in none of our regions, and every
//! SIGBUS that is not about a missing page, goes to the handler that was there before. Within a region, the handler puts a
//! private zero page at the faulting address, marks the region, and lets the instruction go on: it reads zeroes. The
//! region's next operation, and [`Region::check`](super::Region::check), report it as
//! [`ErrorKind::Faulted`](crate::ErrorKind::Faulted).
//!
//! Checked copies ([`Region::read_at`](super::Region::read_at), [`Region::write_at`](super::Region::write_at)) are made by this
//! process's own instructions once the guard is installed, in less than half the time for a few pages, because the kernel need not
//! be asked for them. What they give stays what it was: where a page is gone the handler makes the copy end there, puts no zeroes
//! and marks nothing, and the kernel is asked for the rest, whose answer is the error. The kernel makes the whole copy, as without
//! the guard, in a thread that blocks SIGBUS, some milliseconds after somebody else has put a handler before this one, in a child of
//! fork(2), in a region of which a part may not be used so ([`Region::protect`](super::Region::protect)), and on processors other
//! than x86-64 and aarch64.
//!
//! Not for a process whose runtime has a SIGBUS handler of its own; checked copies serve there.
//! A handler that another library installs later stands before this one and should chain, too. So that it can, the library
//! that this crate is part of stays in the process once the guard is installed (`sys::resident` says why).
//!
//! The handler may interrupt anything, so the list of regions it searches is free of locks: slots that are linked in once,
//! used again, and never freed. Registering costs every region of a file a few stores, guard or no guard, so that one
//! installed late knows the regions of before.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use crate::error::{Error, Result};
use crate::sys::fork::ForkSafe;
use crate::sys::{memory, resident, signal};

/// Installs the guard; later calls do nothing. It stays for the life of the process.
pub fn install() -> Result<()> {
    static INSTALLED: ForkSafe<bool> = ForkSafe::new(false);
    let mut installed = INSTALLED.write();
    if !*installed {
        // The handler must find the page size known: asking for it the first time calls into the C library.
        memory::page_size();
        resident::stay().map_err(|errno| Error::os("dlopen", errno))?;
        signal::chain_sigbus(mend).map_err(|errno| Error::os("sigaction", errno))?;
        *installed = true;
    }
    Ok(())
}

/// A range of addresses that the handler knows.
#[derive(Debug, Default)]
struct Slot {
    /// 0: free.
    start: AtomicUsize,
    end: AtomicUsize,
    poisoned: AtomicBool,
}

const SLOTS: usize = 64;

/// Slots come in blocks, newest first; a block once linked in stays.
struct Block {
    slots: [Slot; SLOTS],
    next: *const Block,
}

static NEWEST: AtomicPtr<Block> = AtomicPtr::new(std::ptr::null_mut());
static FREE: ForkSafe<Vec<&'static Slot>> = ForkSafe::new(Vec::new());

/// A region's entry in the handler's list; taken out when dropped, which must be before the range is unmapped.
#[derive(Debug)]
pub(super) struct Watch(&'static Slot);

impl Watch {
    pub fn new(addresses: Range<usize>) -> Self {
        let slot = free_slot();
        slot.poisoned.store(false, Ordering::Relaxed);
        let watch = Self(slot);
        watch.cover(addresses);
        watch
    }

    /// It is these addresses from now on; with `0..0` none. Where they begin as before, those that stay are watched all the time.
    pub fn cover(&self, addresses: Range<usize>) {
        if self.0.start.load(Ordering::Relaxed) != addresses.start {
            self.0.start.store(0, Ordering::Release);
        }
        self.0.end.store(addresses.end, Ordering::Release);
        // Last: from here on the handler can find it.
        self.0.start.store(addresses.start, Ordering::Release);
    }

    /// Whether the handler has put zeroes in the place of a page.
    pub fn is_poisoned(&self) -> bool {
        self.0.poisoned.load(Ordering::Acquire)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.start.store(0, Ordering::Release);
        FREE.write().push(self.0);
    }
}

fn free_slot() -> &'static Slot {
    let mut free = FREE.write();
    if let Some(slot) = free.pop() {
        return slot;
    }
    let next = NEWEST.load(Ordering::Acquire);
    let block = Box::leak(Box::new(Block { slots: std::array::from_fn(|_| Slot::default()), next }));
    let block: &'static Block = block;
    free.extend(&block.slots[1..]);
    NEWEST.store(std::ptr::from_ref(block).cast_mut(), Ordering::Release);
    &block.slots[0]
}

/// Runs inside the signal handler: atomics and one system call, nothing else.
fn mend(address: usize) -> bool {
    let Some(slot) = find(address) else { return false };
    let page = memory::page_size();
    let start = address / page * page;
    // Writable, whatever the region is: SIGBUS never says whether it was a load or a store, and a store that the region
    // did not allow would have been SIGSEGV.
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the page lies in a registered mapping, which stays mapped while anyone may load from it, and there is no
    // memory behind it that could be lost.
    if unsafe { memory::replace_by_zeroes(start as *mut u8, page, rights) }.is_err() {
        return false;
    }
    slot.poisoned.store(true, Ordering::Release);
    true
}

fn find(address: usize) -> Option<&'static Slot> {
    let mut block = NEWEST.load(Ordering::Acquire).cast_const();
    // SAFETY: blocks are complete before they are linked in, and never freed.
    while let Some(current) = unsafe { block.as_ref() } {
        for slot in &current.slots {
            let start = slot.start.load(Ordering::Acquire);
            // The start again: a slot that changed hands between the loads is not the one of the live range we look for.
            if start != 0
                && (start..slot.end.load(Ordering::Acquire)).contains(&address)
                && slot.start.load(Ordering::Acquire) == start
            {
                return Some(slot);
            }
        }
        block = current.next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_while_watched_and_slots_are_used_again() {
        // Addresses no mapping has: below the lowest one allowed.
        let watches: Vec<_> = (1..200).map(|number| Watch::new(number * 16..number * 16 + 8)).collect();
        assert!(std::ptr::eq(find(16).unwrap(), watches[0].0));
        assert!(std::ptr::eq(find(199 * 16 + 7).unwrap(), watches[198].0));
        assert!(find(24).is_none(), "the end is outside");
        drop(watches);
        assert!(find(16).is_none());
        let again = Watch::new(16..24);
        assert!(std::ptr::eq(find(20).unwrap(), again.0));
        assert!(!again.is_poisoned());
        again.0.poisoned.store(true, Ordering::Release);
        again.cover(16..32);
        assert!(std::ptr::eq(find(28).unwrap(), again.0) && again.is_poisoned(), "as long as the region lives");
        again.cover(0..0);
        assert!(find(0).is_none() && find(20).is_none());
        again.cover(32..40);
        assert!(find(20).is_none() && find(32).is_some());
    }
}
