//! One mapped range: where it is, who is using it, how it is moved, emptied and given back. The region owns it together
//! with its views and with the transfers that send from it or into it.
//!
//! It only knows addresses. Who wants to keep a region open for as long as a system call takes ([`Hold`]) is counted here:
//! the pages of a region that is closed meanwhile become zeroes when the last of them leaves, and not before.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use nix::errno::Errno;

use super::addresses::Addresses;
use super::fault::refused;
use super::guard::Watch;
use super::refusal::{closed, not_moved};
use super::usage::Usage;
use super::{range, room};
use crate::error::{Error, Result};
use crate::hold::Hold;
use crate::sys::fork::ForkSafe;
use crate::sys::{Sys, memory};

/// Every mapping that there is, by its first address, with its end: for memory that is given by its address.
static ALL: ForkSafe<Known> = ForkSafe::new(BTreeMap::new());

type Known = BTreeMap<usize, (usize, Weak<Mapping>)>;

#[derive(Debug)]
pub(super) struct Mapping {
    /// Before the addresses, so that the guard forgets the range before the range is given back.
    watch: Option<Watch>,
    addresses: Addresses,
    /// Bytes of the first page that are not part of it.
    skipped: usize,
    length: usize,
    /// The size of its pages in bytes: larger than a base page for hugetlb.
    page: usize,
    /// What file is behind it, if one is.
    file: Option<Behind>,
    /// See [`Parts::receives`].
    pub(super) receives: bool,
    /// Taken to write by who exchanges a page that others may store to, who take it to read: see `receiving`.
    pub(super) exchanged: ForkSafe<()>,
    usage: Usage,
    /// Somebody whose end is never told may have the addresses: see `lasting`.
    shown: AtomicBool,
}

/// What is to be mapped: the addresses of its pages, and the bytes that are meant.
pub(super) struct Parts {
    pub addresses: Addresses,
    pub skipped: usize,
    pub length: usize,
    pub page: usize,
    /// The file that is behind it, and with which pages can vanish.
    pub file: Option<Behind>,
    /// Pages of sockets' queues may be put into it, which may only be read: see `receiving`.
    pub receives: bool,
}

/// The part of a file that is behind memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Behind {
    /// See [`crate::Facts::identity`].
    pub identity: (u64, u64),
    /// Where in the file the memory begins.
    pub offset: u64,
    /// Whether what is stored in the memory is the file's.
    pub is_shared: bool,
}

impl Mapping {
    /// Takes new addresses over.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { addresses, skipped, length, page, file, receives } = parts;
        let mut mapping = Self {
            watch: None,
            addresses,
            skipped,
            length,
            page,
            file,
            receives,
            exchanged: ForkSafe::new(()),
            usage: Usage::default(),
            shown: AtomicBool::new(false),
        };
        mapping.watch = file.map(|_| Watch::new(mapping.all_pages()));
        let mapping = Arc::new(mapping);
        mapping.make_known(&mut ALL.write());
        mapping
    }

    fn make_known(self: &Arc<Self>, all: &mut Known) {
        let Range { start, end } = self.all_pages();
        all.insert(start, (end, Arc::downgrade(self)));
    }

    /// The mapping that has this address.
    pub fn at(address: usize) -> Option<Arc<Self>> {
        // Not dropped here under the lock, which dropping the last one takes.
        let all = ALL.read();
        let (_, (end, mapping)) = all.range(..=address).next_back()?;
        if address < *end { mapping.upgrade() } else { None }
    }

    pub fn start(&self) -> *mut u8 {
        self.addresses.start().wrapping_add(self.skipped)
    }

    pub fn len(&self) -> usize {
        self.length
    }

    /// The size of its pages in bytes.
    pub fn page(&self) -> usize {
        self.page
    }

    /// What is behind it from that address on, if a file is.
    pub fn behind(&self, address: *const u8) -> Option<Behind> {
        let skipped = (address as usize).saturating_sub(self.start() as usize) as u64;
        self.file.map(|file| Behind { offset: file.offset + skipped, ..file })
    }

    /// From now on the addresses outlive every view.
    pub fn show(&self) {
        self.shown.store(true, Ordering::Release);
    }

    /// Whether [`Mapping::show`] has been called.
    pub fn is_shown(&self) -> bool {
        self.shown.load(Ordering::Acquire)
    }

    /// Runs an operation with no transfer at it, for as long as it takes; not at all, and `None`, while one is.
    pub fn unused<T>(&self, operation: impl FnOnce() -> T) -> Option<T> {
        let _alone = self.usage.alone()?;
        Some(operation())
    }

    /// Fails once the content is gone or the guard has put zeroes in the place of a page.
    pub fn check(&self) -> Result<()> {
        if self.usage.is_closed() { Err(closed()) } else { self.check_pages() }
    }

    fn check_pages(&self) -> Result<()> {
        match &self.watch {
            Some(watch) if watch.is_poisoned() => Err(refused("load or store", Errno::EFAULT)),
            _ => Ok(()),
        }
    }

    /// The addresses of every page of the mapping; one page if it has no byte.
    fn all_pages(&self) -> Range<usize> {
        let start = self.start() as usize;
        range::outward(start..start + self.len().max(1), self.page)
    }

    /// Every page that has a byte of the range: its start and the length in bytes, 0 for an empty range.
    pub fn outward(&self, bytes: Range<usize>) -> (*mut u8, usize) {
        let start = self.start() as usize;
        self.span(range::outward(start + bytes.start..start + bytes.end, self.page))
    }

    /// The pages that lie wholly inside the range.
    pub fn inward(&self, bytes: Range<usize>) -> (*mut u8, usize) {
        let start = self.start() as usize;
        self.span(range::inward(&(start + bytes.start..start + bytes.end), self.page))
    }

    /// As [`Mapping::inward`], but the pages at the region's own ends count as whole: the rest of them is nobody's.
    pub fn inward_or_edge(&self, bytes: Range<usize>) -> (*mut u8, usize) {
        let (pages, start) = (self.all_pages(), self.start() as usize);
        let from = if bytes.start == 0 { pages.start } else { start + bytes.start };
        let to = if bytes.end == self.len() && !bytes.is_empty() { pages.end } else { start + bytes.end };
        self.span(range::inward(&(from..to), self.page))
    }

    fn span(&self, addresses: Range<usize>) -> (*mut u8, usize) {
        let distance = addresses.start as isize - self.start() as isize;
        (self.start().wrapping_offset(distance), addresses.len())
    }

    /// Makes the mapping longer or shorter; it may move, if it may. False, and nothing done, if a view or a transfer shares
    /// it.
    pub fn resize(this: &mut Arc<Self>, length: usize, may_move: bool) -> Result<bool> {
        // With no view there is nobody who could look for it by an address.
        if Arc::strong_count(this) > 1 {
            return Ok(false);
        }
        // Under the lock: somebody may have its address without a view, and finds it before or after.
        let mut all = ALL.write();
        all.remove(&(this.addresses.start() as usize));
        let resized = Arc::get_mut(this).map(|mapping| mapping.resize_alone(length, may_move));
        this.make_known(&mut all);
        resized.transpose().map(|resized| resized.is_some()).map_err(not_moved)
    }

    fn resize_alone(&mut self, length: usize, may_move: bool) -> Sys<()> {
        let pages = (self.skipped + length).max(1).next_multiple_of(self.page);
        if pages <= self.addresses.len() {
            // What is given back may be somebody else's at once.
            self.length = length;
            self.watch_all();
            // SAFETY: `&mut self`: no view has a pointer into the range.
            unsafe { self.addresses.shrink(pages) };
            return Ok(());
        }
        if let (Some(watch), true) = (&self.watch, may_move) {
            watch.cover(0..0);
        }
        // SAFETY: as above.
        let grown = unsafe { self.addresses.grow(pages, self.page, may_move) };
        if grown.is_ok() {
            self.length = length;
        }
        self.watch_all();
        grown
    }

    /// The guard knows where it is now.
    fn watch_all(&self) {
        if let Some(watch) = &self.watch {
            watch.cover(self.all_pages());
        }
    }

    /// A mapping that has taken the pages of this one over: here are zeroes from now on. False, and nothing done, while a
    /// transfer is at it.
    pub fn moved_away(&self) -> Result<Option<Arc<Self>>> {
        let Some(alone) = self.usage.alone() else { return Ok(None) };
        let addresses = self.move_away()?;
        alone.close();
        let Self { skipped, length, page, file, receives, .. } = *self;
        Ok(Some(Self::new(Parts { addresses, skipped, length, page, file, receives })))
    }

    fn move_away(&self) -> Result<Addresses> {
        let target = Addresses::reserve(self.addresses.len()).map_err(|errno| Error::os("mmap", errno))?;
        // SAFETY: the owner gives the content up; the other addresses are new.
        let way = unsafe { self.addresses.move_to(&target) }.map_err(not_moved)?;
        match self.empty() {
            // SAFETY: to where they came from. If they cannot go there, they stay where they are, and are the region.
            Err(errno) if unsafe { self.addresses.move_back(&target, way) }.is_ok() => Err(Error::os("mmap", errno)),
            _ => Ok(target),
        }
    }

    /// Lets file and memory go and keeps the addresses, as private zero pages; if a transfer is at it, as soon as it is not.
    /// The error leaves the mapping as it was.
    pub fn retire(&self) -> Result<()> {
        loop {
            if let Some(alone) = self.usage.alone() {
                self.empty().map_err(|errno| Error::os("mmap", errno))?;
                alone.close();
                return Ok(());
            }
            if self.usage.close_used() {
                return Ok(());
            }
        }
    }

    /// Puts private zero pages in the place of everything.
    ///
    /// Writable, whatever the region was, so that what is left of closed regions is one mapping. Views of one that was not
    /// writable are not either, and do not write. A system that counts all memory that could be written
    /// (`vm.overcommit_memory` 2) may refuse; then they are for reading.
    fn empty(&self) -> Sys<()> {
        let (start, length) = (self.addresses.start(), self.addresses.len());
        // SAFETY: this mapping, whose content the owner has given up.
        unsafe {
            memory::replace_by_zeroes(start, length, libc::PROT_READ | libc::PROT_WRITE)
                .or_else(|_| memory::replace_by_zeroes(start, length, libc::PROT_READ))
        }
    }
}

impl Hold for Mapping {
    fn enter(&self) -> Result<()> {
        if !self.usage.enter() {
            return Err(lost());
        }
        self.check_pages().inspect_err(|_| self.leave_pages())
    }

    fn leave(&self) {
        self.leave_pages();
    }

    fn check(&self) -> Result<()> {
        if self.usage.is_closed() { Err(lost()) } else { self.check_pages() }
    }
}

impl Mapping {
    fn leave_pages(&self) {
        if self.usage.leave() {
            // Closed meanwhile. If there are no zeroes to be had, the views go on showing what was there.
            let _ = self.empty();
        }
    }
}

fn lost() -> Error {
    Error::closed("the region was closed before all of it was moved")
}

impl Drop for Mapping {
    fn drop(&mut self) {
        ALL.write().remove(&(self.addresses.start() as usize));
        // What is left of a closed region may lie in the middle of others, and the rest would then be two mappings.
        if self.usage.is_closed() && room::for_one_more().is_err() {
            self.addresses.abandon();
        }
    }
}

pub(super) fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EINVAL))
}
