//! Closing regions that still have views: 10,000 of them, after which nothing may be left. One test in a program of its
//! own, because it counts what the whole process has.

mod support;

use std::fs::File;
use std::os::fd::AsFd;

use support::*;
use zcio::ErrorKind;
use zcio::region::{Access, Region, RegionOptions, View};

const REGIONS: usize = 10_000;

/// Mappings, descriptors, and resident memory in kB.
fn holdings() -> (usize, usize, i64) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    (maps, std::fs::read_dir("/proc/self/fd").unwrap().count(), status_kb("VmRSS"))
}

fn assert_back_to(start: (usize, usize, i64), what: &str) {
    let now = holdings();
    eprintln!("{what}: mappings, descriptors, resident kB: {start:?} at the start, {now:?} now");
    // A sanitizer keeps notes of its own about every address that was ever used.
    if std::env::var_os("ZCIO_SANITIZER").is_some() {
        return;
    }
    // One mapping and 512 kB: what the allocator keeps for itself.
    assert!(now.0 <= start.0 + 1, "{what}: mappings {start:?} {now:?}");
    assert_eq!(now.1, start.1, "{what}: descriptors");
    assert!(now.2 <= start.2 + 512, "{what}: resident memory {start:?} {now:?}");
}

fn read(view: &View, place: usize) -> u8 {
    // SAFETY: inside the view.
    unsafe { view.as_ptr().add(place).read_volatile() }
}

fn one(file: &File, path: &std::path::Path, number: usize) -> (Region, View) {
    let access = [Access::ReadOnly, Access::ReadWrite, Access::Private][number % 3];
    let options = RegionOptions::new().offset(number as u64 % 5000).access(access);
    let region =
        if number.is_multiple_of(2) { options.open(path).unwrap() } else { options.map(file.as_fd()).unwrap() };
    let view = region.view(..).unwrap();
    assert_ne!(read(&view, 0), 0);
    (region, view)
}

#[test]
fn ten_thousand_regions_closed_under_their_views() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, pattern(16 * page())).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    // Once, so that everything is allocated that stays allocated.
    drop((0..300).map(|number| one(&file, &path, number)).collect::<Vec<_>>());
    let start = holdings();

    for number in 0..REGIONS {
        let (region, view) = one(&file, &path, number);
        let again = view.clone();
        region.close().unwrap();
        region.close().unwrap();
        drop(view);
        for place in (0..again.len()).step_by(page()) {
            assert_eq!(read(&again, place), 0);
        }
        assert_eq!(region.read_at(0, &mut [0]).unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(again.check().unwrap_err().kind(), ErrorKind::Closed);
        if again.is_writable() {
            // SAFETY: inside the view, and writable.
            unsafe { again.as_mut_ptr().add(page()).write_volatile(7) };
        }
        drop(region);
        assert_eq!(again.len(), 16 * page() - number % 5000);
    }
    assert_back_to(start, "one after the other");
    assert_eq!(std::fs::read(&path).unwrap(), pattern(16 * page()), "stores after closing go nowhere");

    // The second round must find everything that the first one left to be used again: the allocator's and the guard's lists.
    all_at_once(&file, start);
    let after_one = holdings();
    all_at_once(&file, start);
    assert_back_to(after_one, "all at once");

    // A dropped region is not a closed one: its views keep their content.
    let (region, view) = one(&file, &path, 1);
    drop(region);
    assert_eq!(read(&view, 0), pattern(16 * page())[1]);
    drop(view);
    assert_back_to(after_one, "dropped");
}

/// 10,000 regions of 64 kB, read-only and resident, closed while all their views exist.
fn all_at_once(file: &File, start: (usize, usize, i64)) {
    let mut all: Vec<_> = (0..REGIONS)
        .map(|_| {
            let region = RegionOptions::new().map(file.as_fd()).unwrap();
            let view = region.view(..).unwrap();
            for place in (0..view.len()).step_by(page()) {
                read(&view, place);
            }
            (region, view)
        })
        .collect();
    let (full, _, resident) = holdings();
    assert!(full >= start.0 + REGIONS && resident > start.2 + 600_000, "{full} mappings, {resident} kB");
    let blocks = |text: &str| text.lines().filter(|line| line.ends_with("/file")).count();
    assert_eq!(blocks(&std::fs::read_to_string("/proc/self/maps").unwrap()), REGIONS);

    for (region, _) in &all {
        region.close().unwrap();
    }
    assert_eq!(blocks(&std::fs::read_to_string("/proc/self/maps").unwrap()), 0, "the file is let go at once");
    let resident = status_kb("VmRSS");
    assert!(
        resident < start.2 + 16_384 || std::env::var_os("ZCIO_SANITIZER").is_some(),
        "the memory is let go at once: {resident} kB"
    );
    for (_, view) in &all {
        assert_eq!(read(view, page()), 0);
    }
    all.clear();
    all.shrink_to_fit();
    // SAFETY: gives freed memory back to the system; nothing else.
    unsafe { libc::malloc_trim(0) };
}
