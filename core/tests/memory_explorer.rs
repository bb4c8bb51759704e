//! The memory explorer against /proc/self/maps, smaps and getrusage, with privileges and without.

mod support;

use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;

use support::*;
use zcio::ErrorKind;
use zcio::memory::{AreaKind, Faults, Process, address_space, experiments, pages};
use zcio::region::{Access, Advice, Populate, Region, RegionOptions, SharedRegion};

static CONSTANT: [u8; 64] = [7; 64];
static mut INITIALISED: u64 = 0x1234;
static mut ZERO: [u8; 1 << 20] = [0; 1 << 20];

fn function() {}

/// In a program with other threads the address space changes while it is read, and a fork elsewhere makes the next store to
/// a page fault once more and holds pages against reclaim: these run alone.
fn alone(test: &str) -> bool {
    if role().is_some() {
        return true;
    }
    assert!(child(test, "alone").output().unwrap().status.success());
    false
}

#[test]
fn the_address_space_is_what_maps_and_smaps_say() {
    if !alone("the_address_space_is_what_maps_and_smaps_say") {
        return;
    }
    // Twice: the first time brings the pages of the explorer's own memory in.
    address_space(Process::Own).unwrap();
    let space = address_space(Process::Own).unwrap();
    let text = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert_eq!(space.unseen, [""; 0]);
    // Allocations for the result itself may move the heap's end, so areas are compared by where they begin.
    let starts: Vec<_> =
        text.lines().map(|line| u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap()).collect();
    let found: Vec<_> = space.areas.iter().map(|area| area.addresses.start).collect();
    let common = starts.iter().filter(|start| found.contains(start)).count();
    assert!(common + 2 >= starts.len().max(found.len()), "{starts:x?} {found:x?}");
    for (area, line) in space
        .areas
        .iter()
        .zip(text.lines())
        .filter(|(area, line)| line.starts_with(&format!("{:x}-{:x} ", area.addresses.start, area.addresses.end)))
    {
        let rights: String = [
            if area.readable { 'r' } else { '-' },
            if area.writable { 'w' } else { '-' },
            if area.executable { 'x' } else { '-' },
            if area.shared { 's' } else { 'p' },
        ]
        .iter()
        .collect();
        assert!(line.contains(&rights) && line.ends_with(area.name.as_str()), "{area:?} {line}");
    }
    assert!(space.areas.windows(2).all(|pair| pair[0].addresses.end <= pair[1].addresses.start), "from low to high");

    let kind = |address: usize| space.area_at(address as u64).unwrap().kind;
    let (local, on_heap) = (0_u8, Box::new([1_u8; 64]));
    assert_eq!(kind(function as *const () as usize), AreaKind::Text);
    assert_eq!(kind(CONSTANT.as_ptr() as usize), AreaKind::ReadOnlyData);
    assert_eq!(kind(&raw const INITIALISED as usize), AreaKind::Data);
    // Its last byte: the first may share the data's last page.
    assert_eq!(kind(&raw const ZERO as usize + (1 << 20) - 1), AreaKind::Bss);
    // A test runs on a thread of its own, whose stack and heap are anonymous memory; the first thread's have names.
    assert_eq!(
        (kind(&raw const local as usize), kind(on_heap.as_ptr() as usize)),
        (AreaKind::Anonymous, AreaKind::Anonymous)
    );
    for only in [AreaKind::Heap, AreaKind::Stack, AreaKind::Vdso] {
        assert_eq!(space.of_kind(only).count(), 1, "{only:?}");
    }
    // SAFETY: getauxval reads a value that the kernel left at the start.
    assert_eq!(kind(unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) } as usize), AreaKind::Vdso);
    let shared = SharedRegion::create(1 << 20).unwrap();
    let view = shared.region().view(..).unwrap();
    let later = address_space(Process::Own).unwrap();
    assert_eq!(later.area_at(view.as_ptr() as u64).unwrap().kind, AreaKind::SharedMemory);
    assert_eq!(shared.region().len(), later.area_at(view.as_ptr() as u64).unwrap().len());

    // Where user space ends: 47 bits less a guard page on x86-64 (56 bits with five levels).
    let end = space.end_of_user_space;
    assert!(space.of_kind(AreaKind::Stack).all(|stack| stack.addresses.end <= end));
    if cfg!(target_arch = "x86_64") {
        assert!([(1 << 47) - 4096, (1 << 56) - 4096].contains(&end), "{end:#x}");
    }
}

#[test]
fn sizes_agree_with_smaps_and_rollup() {
    if !alone("sizes_agree_with_smaps_and_rollup") {
        return;
    }
    let length = 64 * page() as u64;
    let region = Region::anonymous(length).unwrap();
    region.advise(.., Advice::NoHugePage).unwrap();
    region.write_at(0, &pattern(20 * page())).unwrap();
    region.lock(..8 * page() as u64).unwrap();
    let at = region.view(..).unwrap().as_ptr() as usize;
    let space = address_space(Process::Own).unwrap();
    let usage = space.area_at(at as u64).unwrap().usage.unwrap();
    for (found, name) in [
        (usage.resident, "Rss"),
        (usage.proportional, "Pss"),
        (usage.private_dirty, "Private_Dirty"),
        (usage.anonymous, "Anonymous"),
        (usage.locked, "Locked"),
        (usage.swapped, "Swap"),
        (usage.page_size, "KernelPageSize"),
    ] {
        assert_eq!(found, smaps_bytes(at, name), "{name}");
    }
    assert_eq!(usage.locked, 8 * page() as u64);
    let all: u64 = space.areas.iter().filter_map(|area| area.usage).map(|usage| usage.resident).sum();
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let whole = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    let whole = whole.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024;
    assert!(all.abs_diff(whole) <= 128 * 1024, "{all} and {whole}");
}

#[test]
fn page_entries_agree_with_what_was_done() {
    // A child that another test forks shares every page until it ends: none is exclusive then.
    if !alone("page_entries_agree_with_what_was_done") {
        return;
    }
    let region = Region::anonymous(16 * page() as u64).unwrap();
    region.advise(.., Advice::NoHugePage).unwrap();
    let view = region.view(..).unwrap();
    let start = view.as_ptr() as u64;
    let table = || pages(Process::Own, start..start + 16 * page() as u64).unwrap();
    assert_eq!(table().present(), 0);
    region.write_at(3 * page() as u64, b"x").unwrap();
    let mut byte = [0];
    // A load of a page never written: the one page of zeroes.
    region.populate(5 * page() as u64..6 * page() as u64, Populate::Read).unwrap();
    region.read_at(5 * page() as u64, &mut byte).unwrap();
    let after = table();
    assert_eq!(after.entries.len(), 16);
    assert_eq!((0..16).filter(|&page| after.entries[page].is_present()).collect::<Vec<_>>(), [3, 5]);
    let (written, zero) = (after.entries[3], after.entries[5]);
    assert!(written.is_exclusive() && !written.is_of_file() && !written.is_swapped());
    if written.is_huge().is_some() {
        assert_eq!(
            (written.is_huge(), written.is_zero_page(), zero.is_zero_page()),
            (Some(false), Some(false), Some(true))
        );
    }
    if let Some(dirty) = written.is_soft_dirty() {
        assert!(dirty);
    } else {
        assert!(after.unseen.iter().any(|line| line.contains("soft-dirty")));
    }

    let file = file_with(&pattern(4 * page()));
    let mapped = RegionOptions::new().access(Access::Private).map(file.as_fd()).unwrap();
    mapped.populate(.., Populate::Read).unwrap();
    mapped.write_at(2 * page() as u64, b"copied").unwrap();
    let start = mapped.view(..).unwrap().as_ptr() as u64;
    let table = pages(Process::Own, start..start + 4 * page() as u64).unwrap();
    let of_file: Vec<_> = table.entries.iter().map(|entry| entry.is_of_file()).collect();
    assert_eq!(of_file, [true, true, false, true], "a copied page is anonymous");

    let huge = Region::anonymous(6 << 20).unwrap();
    huge.advise(.., Advice::HugePage).unwrap();
    huge.write_at(0, &pattern(6 << 20)).unwrap();
    let start = huge.view(..).unwrap().as_ptr() as u64;
    let table = pages(Process::Own, start..start + (6 << 20)).unwrap();
    if table.entries[0].is_huge().is_some() {
        let count = table.entries.iter().filter(|entry| entry.is_huge() == Some(true)).count() * page();
        assert_eq!(count as u64, smaps_bytes(start as usize + (3 << 20), "AnonHugePages"));
    }
    // Above user space there is nothing, and that is no error.
    assert_eq!(pages(Process::Own, u64::MAX - (1 << 20)..u64::MAX - (1 << 19)).unwrap().present(), 0);
}

#[test]
fn demand_paging_is_one_fault_a_page_then_none() {
    if !alone("demand_paging_is_one_fault_a_page_then_none") {
        return;
    }
    let before = (Faults::of_thread(), faults());
    assert_eq!((before.0.minor as i64, before.0.major as i64), before.1, "as getrusage counts");
    let result = experiments::demand_paging(100).unwrap();
    assert_eq!((result.present_before, result.present_after), (0, 100));
    assert_eq!((result.first_touch.minor, result.second_touch), (100, Faults::default()));
    assert!(faults().0 - before.1.0 >= 100);
}

#[test]
fn copy_on_write_copies_the_page_that_was_written() {
    let result = experiments::copy_on_write().unwrap();
    assert!(result.parent_unchanged);
    assert_eq!(result.exclusive_in_child, [result.written]);
    match result.own_frames {
        Some(own) => assert_eq!(own, [result.written]),
        None => skip("frames of copy-on-write", &result.unseen.join("; ")),
    }
}

#[test]
fn shared_mapping_has_the_same_frames() {
    let result = experiments::shared_mapping().unwrap();
    assert!(result.write_seen);
    assert_eq!(result.shared_pages, result.pages);
    match result.same_frames {
        Some(same) => assert!(same),
        None => skip("frames of shared mapping", &result.unseen.join("; ")),
    }
}

#[test]
fn reclaim_empties_memory_and_reading_fills_it_again() {
    if !alone("reclaim_empties_memory_and_reading_fills_it_again") {
        return;
    }
    let result = experiments::reclaim(&std::env::temp_dir()).unwrap();
    assert_eq!((result.present_before, result.present_after), (result.pages, 0));
    assert!(result.content_kept);
    assert!(result.read_again.major > 0, "{result:?}");
}

#[test]
fn the_hosts_children_are_not_disturbed() {
    let mut child = std::process::Command::new("sleep").arg("0.2").spawn().unwrap();
    experiments::copy_on_write().unwrap();
    assert!(child.wait().unwrap().success());
}

/// As nobody, in a program of its own: what is hidden is said, and nothing fails.
#[test]
fn without_privileges_it_says_what_it_could_not_see() {
    if role().is_some() {
        // SAFETY: reads a number.
        assert_ne!(unsafe { libc::geteuid() }, 0);
        let space = address_space(Process::Own).unwrap();
        assert!(space.areas.iter().any(|area| area.kind == AreaKind::Text));
        let stack = space.of_kind(AreaKind::Stack).next().unwrap().addresses.clone();
        let table = pages(Process::Own, stack).unwrap();
        assert!(table.present() > 0 && table.frames().is_none());
        assert!(table.unseen.iter().any(|line| line.contains("CAP_SYS_ADMIN")), "{:?}", table.unseen);
        assert_eq!(address_space(Process::Id(1)).unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(pages(Process::Id(1), 0..4096).unwrap_err().kind(), ErrorKind::PermissionDenied);
        let result = experiments::copy_on_write().unwrap();
        assert!(result.parent_unchanged && result.own_frames.is_none() && !result.unseen.is_empty());
        assert_eq!(result.exclusive_in_child, [result.written], "what is left as evidence");
        let result = experiments::shared_mapping().unwrap();
        assert!(result.write_seen && result.same_frames.is_none() && !result.unseen.is_empty());
        return println!("seen as nobody");
    }
    if !root_or_skip("without_privileges_it_says_what_it_could_not_see", "setuid") {
        return;
    }
    let mut command = child("without_privileges_it_says_what_it_could_not_see", "nobody");
    let output = command.uid(65534).gid(65534).output();
    match output {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("seen as nobody"), "{text}");
        }
        Err(error) => skip("without_privileges_it_says_what_it_could_not_see", &format!("as nobody: {error}")),
    }
}
