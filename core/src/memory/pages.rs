//! The page-table entries of a range (/proc/pid/pagemap), and with `PAGEMAP_SCAN` what an entry there does not say: whether
//! the page is part of a huge one, and whether it is the kernel's one page of zeroes.

use std::fs::File;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use super::{Process, unreadable};
use crate::error::{Error, ErrorKind, Result};
use crate::region::Region;
use crate::sys::fork::PerProcess;
use crate::sys::laboratory::page_table::{PageRun, scan_pages};
use crate::sys::{Sys, heap, memory};

/// Bits of an entry of pagemap (Documentation/admin-guide/mm/pagemap.rst).
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const FILE: u64 = 1 << 61;
const EXCLUSIVE: u64 = 1 << 56;
const SOFT_DIRTY: u64 = 1 << 55;
const FRAME: u64 = (1 << 55) - 1;

/// Categories of `PAGEMAP_SCAN` (`PAGE_IS_PFNZERO`, `PAGE_IS_HUGE`).
const SCAN_ZERO: u64 = 1 << 5;
const SCAN_HUGE: u64 = 1 << 6;

/// What is behind one page.
///
/// ```
/// use zcio::memory::{Process, pages};
///
/// let number = 1_u64;
/// let address = &raw const number as u64;
/// let entry = pages(Process::Own, address..address + 8)?.entries[0];
/// assert!(entry.is_present() && !entry.is_of_file());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageEntry {
    bits: u64,
    /// The categories that `PAGEMAP_SCAN` gave, where there is one.
    scanned: Option<u64>,
}

impl PageEntry {
    /// In memory and mapped.
    pub fn is_present(self) -> bool {
        self.bits & PRESENT != 0
    }

    /// In swap.
    pub fn is_swapped(self) -> bool {
        self.bits & SWAPPED != 0
    }

    /// Of a file or of shared memory; otherwise, if it is there at all, anonymous.
    pub fn is_of_file(self) -> bool {
        self.bits & FILE != 0
    }

    /// Mapped here and nowhere else.
    pub fn is_exclusive(self) -> bool {
        self.bits & EXCLUSIVE != 0
    }

    /// Written since the last time `/proc/pid/clear_refs` was told to forget. `None` on kernels built without it.
    pub fn is_soft_dirty(self) -> Option<bool> {
        soft_dirty_works().then_some(self.bits & SOFT_DIRTY != 0)
    }

    /// Mapped as part of a huge page. `None` before Linux 6.7.
    pub fn is_huge(self) -> Option<bool> {
        self.scanned.map(|categories| categories & SCAN_HUGE != 0)
    }

    /// The page of zeroes that every private page shares until it is written. `None` before Linux 6.7.
    pub fn is_zero_page(self) -> Option<bool> {
        self.scanned.map(|categories| categories & SCAN_ZERO != 0)
    }

    /// The frame of physical memory. `None` if the page is not present, and for callers without `CAP_SYS_ADMIN`.
    pub fn frame(self) -> Option<u64> {
        // Frame 0 belongs to the firmware: 0 means hidden.
        Some(self.bits & FRAME).filter(|&frame| self.is_present() && frame != 0)
    }
}

/// The entries of a range of pages.
///
/// ```
/// use zcio::memory::{Process, pages};
///
/// let number = 1_u64;
/// let address = &raw const number as u64;
/// let table = pages(Process::Own, address..address + 8)?;
/// assert!(table.entries[0].is_present());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PageTable {
    /// The address of the first page.
    pub start: u64,
    /// The size of each page in bytes: base pages, also where huge ones are mapped.
    pub page_size: u64,
    /// One entry a page.
    pub entries: Vec<PageEntry>,
    /// What could not be seen, and why.
    pub unseen: Vec<String>,
}

impl PageTable {
    /// How many pages are in memory and mapped.
    pub fn present(&self) -> usize {
        self.entries.iter().filter(|entry| entry.is_present()).count()
    }

    /// The frames of all pages; `None` if one is not present or hidden.
    pub fn frames(&self) -> Option<Vec<u64>> {
        self.entries.iter().map(|entry| entry.frame()).collect()
    }
}

/// The entries of every page that has an address of the range. Pages that are not mapped have an entry, too: nothing.
///
/// [`ErrorKind::PermissionDenied`] for a process that the caller may not trace.
pub fn pages(process: Process, addresses: Range<u64>) -> Result<PageTable> {
    let page_size = memory::page_size() as u64;
    let start = addresses.start / page_size * page_size;
    let end = addresses.end.max(start).checked_next_multiple_of(page_size);
    let end = end.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "beyond every address").during("pages"))?;
    let path = process.file("pagemap");
    let pagemap = File::open(&path).map_err(|error| unreadable(&error, &path))?;

    let length = ((end - start) / page_size * 8) as usize;
    let mut words = heap::zeroes(length).map_err(|errno| Error::os("malloc", errno))?;
    let mut filled = 0;
    while filled < words.len() {
        match pagemap.read_at(&mut words[filled..], start / page_size * 8 + filled as u64) {
            // Above user space: no entries, so no pages.
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(&error, &path)),
        }
    }
    let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("chunks of eight"));
    let mut entries: Vec<_> =
        words.chunks_exact(8).map(|bytes| PageEntry { bits: word(bytes), scanned: None }).collect();

    let mut unseen = Vec::new();
    match scan(&pagemap, start..end) {
        Ok(runs) => note_runs(&mut entries, start, page_size, &runs),
        Err(errno) => unseen.push(format!("which pages are huge or zero: PAGEMAP_SCAN (Linux 6.7): {}", errno.desc())),
    }
    if entries.iter().any(|entry| entry.is_present() && entry.frame().is_none()) {
        unseen.push("frame numbers: the kernel shows them with CAP_SYS_ADMIN only".to_owned());
    }
    if !soft_dirty_works() {
        unseen.push("which pages are soft-dirty: this kernel is built without it".to_owned());
    }
    Ok(PageTable { start, page_size, entries, unseen })
}

/// The runs of pages that are huge or zero.
fn scan(pagemap: &File, range: Range<u64>) -> Sys<Vec<PageRun>> {
    let mut found = Vec::new();
    let mut runs = [PageRun::default(); 512];
    let mut from = range.start;
    while from < range.end {
        let (count, reached) = scan_pages(pagemap.as_fd(), from..range.end, SCAN_HUGE | SCAN_ZERO, &mut runs)?;
        found.extend_from_slice(&runs[..count]);
        // No further: the rest is above user space.
        if reached <= from {
            break;
        }
        from = reached;
    }
    Ok(found)
}

fn note_runs(entries: &mut [PageEntry], start: u64, page_size: u64, runs: &[PageRun]) {
    for entry in entries.iter_mut() {
        entry.scanned = Some(0);
    }
    for run in runs {
        let first = ((run.start - start) / page_size) as usize;
        let last = ((run.end - start) / page_size) as usize;
        for entry in &mut entries[first..last] {
            entry.scanned = Some(run.categories);
        }
    }
}

/// Whether this kernel tracks soft-dirty pages: a page that was written just now must be one.
fn soft_dirty_works() -> bool {
    static WORKS: PerProcess<OnceLock<bool>> = PerProcess::new(OnceLock::new);
    *WORKS.get().get_or_init(|| {
        let page_size = memory::page_size() as u64;
        let probe = || {
            let region = Region::anonymous(page_size).ok()?;
            region.write_at(0, b"x").ok()?;
            let address = region.view(..).ok()?.as_ptr() as u64;
            let mut word = [0; 8];
            File::open("/proc/self/pagemap").ok()?.read_exact_at(&mut word, address / page_size * 8).ok()?;
            Some(u64::from_ne_bytes(word) & SOFT_DIRTY != 0)
        };
        probe().unwrap_or(false)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_told_apart() {
        let entry = |bits| PageEntry { bits, scanned: Some(SCAN_HUGE) };
        let swapped = entry(SWAPPED | 5);
        assert!(swapped.is_swapped() && !swapped.is_present());
        assert_eq!(swapped.frame(), None, "a place in swap is no frame");
        let file = entry(PRESENT | FILE | 0x4d);
        assert!(file.is_of_file() && !file.is_exclusive());
        assert_eq!((file.frame(), file.is_huge(), file.is_zero_page()), (Some(0x4d), Some(true), Some(false)));
        assert_eq!(entry(PRESENT | EXCLUSIVE).frame(), None, "hidden");
        assert_eq!(PageEntry { bits: PRESENT, scanned: None }.is_huge(), None);
    }

    #[test]
    fn runs_land_on_their_pages() {
        let mut entries = [PageEntry { bits: 0, scanned: None }; 4];
        let run = PageRun { start: 0x2000, end: 0x4000, categories: SCAN_HUGE };
        note_runs(&mut entries, 0x1000, 0x1000, &[run]);
        assert_eq!(entries.map(|entry| entry.is_huge().unwrap()), [false, true, true, false]);
    }
}
