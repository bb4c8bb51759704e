//! One mapped range: where it is, how it is moved, emptied and given back. The region owns it together with its views.
//!
//! It only knows addresses. `MmapRaw` answers for mapping, remapping and unmapping with the right page arithmetic; what it
//! lacks (replacing the pages under live pointers) is here.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use memmap2::{MmapRaw, RemapOptions};
use nix::errno::Errno;

use super::guard::Watch;
use super::{closed, range, refused};
use crate::error::{Error, Result};
use crate::sys::memory;

#[derive(Debug)]
pub(super) struct Mapping {
    /// Before the map, so that the guard forgets the range before the range is given back.
    watch: Option<Watch>,
    map: MmapRaw,
    /// The size of its pages in bytes: larger than a base page for hugetlb.
    page: usize,
    /// The content is gone, only the addresses are kept.
    retired: AtomicBool,
    /// Somebody whose end is never told may have the addresses: see `lasting`.
    shown: AtomicBool,
}

impl Mapping {
    /// Takes a new mapping over. `watched`: pages can vanish from it (a file is behind it).
    pub fn new(map: MmapRaw, page: usize, watched: bool) -> Self {
        let mut mapping =
            Self { watch: None, map, page, retired: AtomicBool::new(false), shown: AtomicBool::new(false) };
        if watched {
            mapping.watch = Some(Watch::new(mapping.all_pages()));
        }
        mapping
    }

    pub fn start(&self) -> *mut u8 {
        self.map.as_mut_ptr()
    }

    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// The size of its pages in bytes.
    pub fn page(&self) -> usize {
        self.page
    }

    /// Whether pages can vanish from it.
    pub fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// From now on the addresses outlive every view.
    pub fn show(&self) {
        self.shown.store(true, Ordering::Release);
    }

    /// Whether [`Mapping::show`] has been called.
    pub fn is_shown(&self) -> bool {
        self.shown.load(Ordering::Acquire)
    }

    /// Fails once the content is gone or the guard has put zeroes in the place of a page.
    pub fn check(&self) -> Result<()> {
        if self.retired.load(Ordering::Acquire) {
            return Err(closed());
        }
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

    /// Makes the mapping longer or shorter; it may move, if it may. Only for a mapping that no view shares.
    pub fn resize(&mut self, length: usize, may_move: bool) -> Result<()> {
        let watched = self.watch.take().is_some();
        // SAFETY: `&mut self` proves that no view has a pointer into the range.
        let result = unsafe { self.map.remap(length, RemapOptions::new().may_move(may_move)) };
        if watched {
            self.watch = Some(Watch::new(self.all_pages()));
        }
        result.map_err(|error| Error::os("mremap", errno_of(&error)))
    }

    /// Lets file and memory go and keeps the addresses, as private zero pages.
    pub fn retire(&self, writable: bool) -> Result<()> {
        let pages = self.all_pages();
        let rights = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        let (start, length) = self.span(pages);
        // SAFETY: the range is this mapping, whole pages of it; the owner has given its content up.
        unsafe { memory::replace_by_zeroes(start, length, rights) }.map_err(|errno| Error::os("mmap", errno))?;
        self.retired.store(true, Ordering::Release);
        Ok(())
    }
}

pub(super) fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EINVAL))
}
