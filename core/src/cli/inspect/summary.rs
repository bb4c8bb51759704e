//! The address space of a process in numbers: what each group has in memory, and what its page tables say.

use std::collections::BTreeMap;

use serde::Serialize;

use super::groups::{Group, Grouping};
use crate::memory::{AddressSpace, Area, Process, pages};

/// How many addresses are looked at in one call: the entries of that many pages are in memory at a time.
const WINDOW: u64 = 64 << 20;

/// One group, in bytes.
#[derive(Debug, Default, Serialize)]
pub(super) struct GroupSummary {
    pub name: &'static str,
    pub areas: u64,
    #[serde(rename = "virtual")]
    pub reserved: u64,
    pub resident: u64,
    pub proportional: u64,
    pub swapped: u64,
    pub huge: u64,
    pub locked: u64,
    pub known_by: String,
    /// First address and the first behind the last; for groups that are found as a whole.
    pub addresses: Vec<[u64; 2]>,
}

impl GroupSummary {
    fn add(&mut self, area: &Area) {
        let usage = area.usage.unwrap_or_default();
        self.areas += 1;
        self.reserved += area.len();
        self.resident += usage.resident;
        self.proportional += usage.proportional;
        self.swapped += usage.swapped;
        self.huge += usage.huge;
        self.locked += usage.locked;
    }
}

/// All areas of a file together.
#[derive(Debug, Serialize)]
pub(super) struct FileSummary {
    pub path: String,
    #[serde(rename = "virtual")]
    pub reserved: u64,
    pub resident: u64,
    pub shared: bool,
    pub writable: bool,
}

/// What the page tables say, in pages.
#[derive(Debug, Default, Serialize)]
pub(super) struct PageCounts {
    pub present: u64,
    pub swapped: u64,
    pub of_file: u64,
    pub anonymous: u64,
    pub exclusive: u64,
    /// `None` where the kernel does not tell.
    pub huge: Option<u64>,
    pub zero: Option<u64>,
}

/// The groups that have something in them, in the order they are shown, and all of them together.
pub(super) fn groups(space: &AddressSpace, grouping: &Grouping) -> (Vec<GroupSummary>, GroupSummary) {
    let mut total = GroupSummary { name: "total", ..GroupSummary::default() };
    let mut found: BTreeMap<Group, GroupSummary> = BTreeMap::new();
    for (area, &group) in space.areas.iter().zip(&grouping.groups) {
        found.entry(group).or_default().add(area);
        total.add(area);
    }
    let named = Group::ALL.into_iter().filter_map(|group| {
        let mut summary = found.remove(&group)?;
        (summary.name, summary.known_by) = (group.name(), group.known_by().to_owned());
        if let Some(jvm) = &grouping.jvm {
            let places = match group {
                Group::JavaHeap => &jvm.heap,
                Group::CodeCache => &jvm.code_cache,
                _ => return Some(summary),
            };
            let ends = |run: &std::ops::Range<usize>| {
                [space.areas[run.start].addresses.start, space.areas[run.end - 1].addresses.end]
            };
            summary.addresses = places.iter().map(ends).collect();
            if group == Group::JavaHeap {
                summary.known_by.clone_from(&jvm.heap_known_by);
            }
        }
        Some(summary)
    });
    (named.collect(), total)
}

/// The mapped files, the one with the most in memory first.
pub(super) fn files(space: &AddressSpace, grouping: &Grouping) -> Vec<FileSummary> {
    let mut found: BTreeMap<&str, FileSummary> = BTreeMap::new();
    for (area, &group) in space.areas.iter().zip(&grouping.groups) {
        if group != Group::MappedFiles {
            continue;
        }
        let path = area.name.clone();
        let empty = FileSummary { path, reserved: 0, resident: 0, shared: false, writable: false };
        let summary = found.entry(&area.name).or_insert(empty);
        summary.reserved += area.len();
        summary.resident += area.usage.unwrap_or_default().resident;
        summary.shared |= area.shared;
        summary.writable |= area.writable;
    }
    let mut files: Vec<_> = found.into_values().collect();
    files.sort_by_key(|file| std::cmp::Reverse((file.resident, file.reserved)));
    files
}

/// Walks the page tables of every area that has something in memory or in swap. What could not be seen is added to
/// `unseen`.
pub(super) fn page_tables(process: Process, space: &AddressSpace, unseen: &mut Vec<String>) -> Option<PageCounts> {
    let mut counts = PageCounts { huge: Some(0), zero: Some(0), ..PageCounts::default() };
    // Behind the end there are only the kernel's own pages, which are in no table of the process.
    let of_user = |area: &&Area| area.addresses.end <= space.end_of_user_space;
    let has_pages = |area: &&Area| area.usage.is_none_or(|usage| usage.resident + usage.swapped > 0);
    for area in space.areas.iter().filter(of_user).filter(has_pages) {
        let mut at = area.addresses.start;
        while at < area.addresses.end {
            let end = area.addresses.end.min(at + WINDOW);
            match pages(process, at..end) {
                Ok(table) => table.entries.iter().for_each(|&entry| counts.add(entry)),
                Err(error) => {
                    unseen.push(format!("page tables: {error}"));
                    return None;
                }
            }
            at = end;
        }
    }
    if counts.huge.is_none() {
        unseen.push("which pages are huge or zero: PAGEMAP_SCAN needs Linux 6.7".to_owned());
    }
    Some(counts)
}

impl PageCounts {
    fn add(&mut self, entry: crate::memory::PageEntry) {
        let add = |count: Option<u64>, fact: Option<bool>| Some(count? + u64::from(fact?));
        self.swapped += u64::from(entry.is_swapped());
        if entry.is_present() {
            self.present += 1;
            self.of_file += u64::from(entry.is_of_file());
            self.anonymous += u64::from(!entry.is_of_file());
            self.exclusive += u64::from(entry.is_exclusive());
            self.huge = add(self.huge, entry.is_huge());
            self.zero = add(self.zero, entry.is_zero_page());
        }
    }
}
