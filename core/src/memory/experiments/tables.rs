//! What page tables cost: they are a tree, so pages that lie far apart need more of them than pages side by side.

use super::page_size;
use crate::error::Result;
use crate::memory::{Process, page_table_bytes};
use crate::region::{Advice, Region};

/// The result of [`page_tables`].
///
/// ```
/// let found = zcio::memory::experiments::page_tables()?;
/// assert!(found.far_apart > found.side_by_side);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PageTables {
    /// Pages that were written to, each time.
    pub pages: u64,
    /// Bytes by which the tables of the process grew for pages next to each other.
    pub side_by_side: u64,
    /// Bytes between the beginnings of two pages that lie far apart: what one table of the lowest level covers.
    pub distance: u64,
    /// Bytes by which the tables grew for these.
    pub far_apart: u64,
}

/// Writes to as many pages as one table of the lowest level has entries, side by side and then each in the range of another
/// table. What other threads map meanwhile is counted, too: the kernel counts by process.
pub fn page_tables() -> Result<PageTables> {
    // An entry has eight bytes, and a table is a page (on every processor that zcio runs on).
    let pages = page_size() / 8;
    let distance = pages * page_size();
    Ok(PageTables { pages, side_by_side: cost(pages, page_size())?, distance, far_apart: cost(pages, distance)? })
}

/// Bytes of tables for that many pages, each so many bytes after the one before.
fn cost(pages: u64, step: u64) -> Result<u64> {
    let region = Region::anonymous(pages * step)?;
    region.advise(.., Advice::NoHugePage)?;
    let before = page_table_bytes(Process::Own)?;
    for page in 0..pages {
        region.write_at(page * step, &[1])?;
    }
    Ok(page_table_bytes(Process::Own)?.saturating_sub(before))
}
