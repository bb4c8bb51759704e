//! Experiments about virtual memory, each a function that returns what it measured. They change nothing of the
//! caller's: they work on memory of their own, and their child processes are invisible to a host that counts children.
//!
//! Frame numbers are the direct evidence and need `CAP_SYS_ADMIN`. Without it they are `None`, the result says so, and the
//! kernel's bit "mapped here and nowhere else" is what remains.

mod spaces;
mod tables;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{Faults, PageTable, Process, pages, unreadable};
use crate::error::Result;
use crate::page_cache::evict;
use crate::region::{Access, Advice, Region, RegionOptions, Seals, SharedRegion, View};
use crate::sys::memory;

pub use spaces::{Spaces, spaces};
pub use tables::{PageTables, page_tables};

/// The result of [`demand_paging`].
///
/// ```
/// let found = zcio::memory::experiments::demand_paging(16)?;
/// assert_eq!((found.pages, found.present_after), (16, 16));
/// println!("{} faults at the first touch, {} at the second", found.first_touch.minor, found.second_touch.minor);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DemandPaging {
    /// Pages that were mapped and then touched twice.
    pub pages: u64,
    /// Pages in memory after mapping, before the first touch.
    pub present_before: u64,
    /// Page faults while every page was written for the first time.
    pub first_touch: Faults,
    /// Page faults while every page was written again.
    pub second_touch: Faults,
    /// Pages in memory after that.
    pub present_after: u64,
}

/// Memory is given when it is touched, not when it is mapped: one page fault a page at the first touch, none at the second.
pub fn demand_paging(count: u64) -> Result<DemandPaging> {
    let region = Region::anonymous(count * page_size())?;
    // One fault a page, however the system is set up.
    region.advise(.., Advice::NoHugePage)?;
    let view = region.view(..)?;
    let present_before = table(Process::Own, &view)?.present() as u64;
    let start = Faults::of_thread();
    view.fill(1);
    let middle = Faults::of_thread();
    view.fill(2);
    let end = Faults::of_thread();
    Ok(DemandPaging {
        pages: count,
        present_before,
        first_touch: middle.since(start),
        second_touch: end.since(middle),
        present_after: table(Process::Own, &view)?.present() as u64,
    })
}

/// The result of [`copy_on_write`].
///
/// ```
/// println!("{:?}", zcio::memory::experiments::copy_on_write()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CopyOnWrite {
    /// Pages that parent and child had in common.
    pub pages: u64,
    /// The page that the child wrote to, counted from 0.
    pub written: usize,
    /// The pages that are mapped in one process only, after the write: the one that was copied.
    pub exclusive_in_child: Vec<usize>,
    /// The pages whose frames differ between parent and child; `None` if frames are hidden.
    pub own_frames: Option<Vec<usize>>,
    /// Whether the parent still reads what it wrote before.
    pub parent_unchanged: bool,
    /// What could not be seen, and why.
    pub unseen: Vec<String>,
}

/// A child shares its parent's frames until one of them writes: then that page, and no other, gets a frame of its own.
pub fn copy_on_write() -> Result<CopyOnWrite> {
    const PAGES: u64 = 8;
    const WRITTEN: u64 = 5;
    let region = Region::anonymous(PAGES * page_size())?;
    region.advise(.., Advice::NoHugePage)?;
    let view = region.view(..)?;
    view.fill(b'p');
    let changed = region.view(WRITTEN * page_size()..(WRITTEN + 1) * page_size())?;
    let child = view.child_changing(&changed, b'c')?;
    let (here, there) = (table(Process::Own, &view)?, table(Process::Id(child.pid()), &view)?);
    drop(child);

    let mut first = [0];
    region.read_at(WRITTEN * page_size(), &mut first)?;
    let own_frames = here.frames().zip(there.frames()).map(|(here, there)| differing(&here, &there));
    Ok(CopyOnWrite {
        pages: PAGES,
        written: WRITTEN as usize,
        exclusive_in_child: (0..there.entries.len()).filter(|&page| there.entries[page].is_exclusive()).collect(),
        own_frames,
        parent_unchanged: first == *b"p",
        unseen: here.unseen,
    })
}

/// The result of [`shared_mapping`].
///
/// ```
/// println!("{:?}", zcio::memory::experiments::shared_mapping()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SharedMapping {
    /// Pages that were shared.
    pub pages: u64,
    /// Whether every page has the same frame in both processes; `None` if frames are hidden.
    pub same_frames: Option<bool>,
    /// Whether this process reads what the child wrote.
    pub write_seen: bool,
    /// Pages that the kernel says are mapped in more than one process.
    pub shared_pages: u64,
    /// What could not be seen, and why.
    pub unseen: Vec<String>,
}

/// Two processes that map the same memory have the same frames, and one reads what the other wrote.
pub fn shared_mapping() -> Result<SharedMapping> {
    const PAGES: u64 = 8;
    let shared = SharedRegion::create(PAGES * page_size())?;
    shared.seal(Seals::SHRINK | Seals::GROW)?;
    let region = shared.region();
    let view = region.view(..)?;
    view.fill(b'p');
    let child = view.child_changing(&view, b'c')?;
    let (here, there) = (table(Process::Own, &view)?, table(Process::Id(child.pid()), &view)?);
    drop(child);

    let mut bytes = [0];
    region.read_at((PAGES - 1) * page_size(), &mut bytes)?;
    Ok(SharedMapping {
        pages: PAGES,
        same_frames: here.frames().zip(there.frames()).map(|(here, there)| here == there),
        write_seen: bytes == *b"c",
        shared_pages: there.entries.iter().filter(|entry| entry.is_present() && !entry.is_exclusive()).count() as u64,
        unseen: here.unseen,
    })
}

/// The result of [`reclaim`].
///
/// ```
/// match zcio::memory::experiments::reclaim(std::path::Path::new("/var/tmp")) {
///     Ok(found) => println!("{found:?}"),
///     Err(error) => println!("not here: {error}"),
/// }
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Reclaim {
    /// Pages of the file.
    pub pages: u64,
    /// Of those, in memory before.
    pub present_before: u64,
    /// In memory after the kernel was asked to reclaim them.
    pub present_after: u64,
    /// Page faults while every page was read again.
    pub read_again: Faults,
    /// Whether the content was still the same.
    pub content_kept: bool,
}

/// Pages of a file that are clean need not stay in memory: asked to (`MADV_PAGEOUT`), the kernel drops them, and reads them
/// again when they are touched. The file is a nameless one in `directory`, which must be on a device: tmpfs has nowhere to
/// put its pages but swap.
pub fn reclaim(directory: &Path) -> Result<Reclaim> {
    const PAGES: u64 = 64;
    let content: Vec<u8> = (0..PAGES * page_size()).map(|place| (place % 251) as u8).collect();
    let file = clean_file(directory, &content)?;
    let region = RegionOptions::new().access(Access::ReadWrite).map(file.as_fd())?;
    region.advise(.., Advice::Random)?;
    let view = region.view(..)?;
    view.touch();
    let present_before = region.residency(..)?.present;
    let mut present_after = present_before;
    // Something else may hold a page for a moment, a journal or a child just forked.
    for _ in 0..10 {
        // New pages wait on a list of the processor that read them, where another one cannot reclaim them. Asked to drop
        // pages that it cannot drop, because they are mapped, the kernel empties those lists.
        evict(&file, 0, PAGES * page_size())?;
        region.advise(.., Advice::PageOut)?;
        present_after = region.residency(..)?.present;
        if present_after == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let before = Faults::of_thread();
    view.touch();
    let read_again = Faults::of_thread().since(before);
    let mut again = vec![0; content.len()];
    region.read_at(0, &mut again)?;
    Ok(Reclaim { pages: PAGES, present_before, present_after, read_again, content_kept: again == content })
}

/// The result of [`read_ahead`].
///
/// ```
/// if let Ok(found) = zcio::memory::experiments::read_ahead(std::path::Path::new("/var/tmp"), 64) {
///     assert!(found.faults.minor + found.faults.major <= found.pages);
/// }
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ReadAhead {
    /// Pages of the file that were read, one after the other.
    pub pages: u64,
    /// Of those, in memory before.
    pub present_before: u64,
    /// Page faults meanwhile.
    pub faults: Faults,
}

/// A mapped file brings more pages than the one that is touched: the kernel reads ahead, and maps neighbours of a page that
/// are in memory with the same fault. The file is as that of [`reclaim`], on its disk alone.
pub fn read_ahead(directory: &Path, count: u64) -> Result<ReadAhead> {
    let file = clean_file(directory, &vec![b'f'; (count * page_size()) as usize])?;
    evict(&file, 0, count * page_size())?;
    let region = RegionOptions::new().map(file.as_fd())?;
    let view = region.view(..)?;
    let present_before = region.residency(..)?.present;
    let before = Faults::of_thread();
    view.touch();
    Ok(ReadAhead { pages: count, present_before, faults: Faults::of_thread().since(before) })
}

/// A nameless file with this content, which is on its disk: the kernel drops clean pages only.
fn clean_file(directory: &Path, content: &[u8]) -> Result<File> {
    let failed = |error: std::io::Error| unreadable(&error, directory);
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_TMPFILE);
    let mut file = options.open(directory).map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(file)
}

fn page_size() -> u64 {
    memory::page_size() as u64
}

fn table(process: Process, view: &View) -> Result<PageTable> {
    let start = view.as_ptr() as u64;
    pages(process, start..start + view.len() as u64)
}

/// The places at which two lists differ.
fn differing(left: &[u64], right: &[u64]) -> Vec<usize> {
    (0..left.len()).filter(|&place| left[place] != right[place]).collect()
}
