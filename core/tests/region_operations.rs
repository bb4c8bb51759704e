//! Every operation of a region against what the kernel shows of it: smaps, mincore, fault counts, bytes of the file.

mod support;

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileExt, MetadataExt};

use support::*;
use zcio::ErrorKind;
use zcio::region::{Access, Advice, Populate, Protection, Region, RegionOptions};

#[test]
fn advice_that_sets_a_flag_shows_it_in_smaps() {
    for (advice, flag, undo) in [
        (Advice::Random, "rr", Advice::Normal),
        (Advice::Sequential, "sr", Advice::Normal),
        (Advice::DontFork, "dc", Advice::DoFork),
        (Advice::WipeOnFork, "wf", Advice::KeepOnFork),
        (Advice::DontDump, "dd", Advice::DoDump),
        (Advice::Mergeable, "mg", Advice::Unmergeable),
        (Advice::HugePage, "hg", Advice::NoHugePage),
        (Advice::NoHugePage, "nh", Advice::HugePage),
    ] {
        let region = Region::anonymous(4 << 20).unwrap();
        let at = address(&region);
        assert!(!has_flag(at, flag), "{advice} before");
        match region.advise(.., advice) {
            // Not built into this kernel.
            Err(error) if error.errno() == Some(libc::EINVAL) && matches!(advice, Advice::Mergeable) => {
                skip("mergeable", "this kernel has no KSM");
                continue;
            }
            result => result.unwrap(),
        }
        assert!(has_flag(at, flag), "{advice}");
        region.advise(.., undo).unwrap();
        assert!(!has_flag(at, flag), "{undo} undoes {advice}");
    }
}

#[test]
fn advice_on_a_range_is_rounded_outwards_unless_it_destroys() {
    let size = page() as u64;
    let region = anonymous(8 * size);
    region.write_at(0, &pattern(8 * page())).unwrap();
    region.advise(3 * size + 10..3 * size + 20, Advice::DontDump).unwrap();
    assert!(has_flag(address(&region) + 3 * page(), "dd") && !has_flag(address(&region) + 4 * page(), "dd"));

    region.advise(size + 1..=3 * size, Advice::DontNeed).unwrap();
    let after = bytes(&region, 0, 8 * page());
    let expected = pattern(8 * page());
    assert_eq!(&after[..2 * page()], &expected[..2 * page()], "bytes before the first whole page are kept");
    assert_eq!(&after[2 * page()..3 * page()], &vec![0; page()][..]);
    assert_eq!(&after[3 * page()..], &expected[3 * page()..]);
    region.advise(.., Advice::DontNeed).unwrap();
    assert_eq!(smaps_bytes(address(&region), "Rss"), 0);
    assert_eq!(bytes(&region, 0, page()), vec![0; page()]);
}

#[test]
fn dont_need_on_locked_pages_needs_its_own_advice() {
    if !has("madv_dontneed_locked") {
        return;
    }
    let region = anonymous(4 * page() as u64);
    region.lock(..).unwrap();
    region.write_at(0, b"locked").unwrap();
    assert_eq!(region.advise(.., Advice::DontNeed).unwrap_err().errno(), Some(libc::EINVAL));
    assert_eq!(bytes(&region, 0, 6), b"locked");
    region.advise(.., Advice::DontNeedLocked).unwrap();
    assert_eq!(bytes(&region, 0, 6), [0; 6]);
}

#[test]
fn free_marks_pages_that_may_go() {
    let region = anonymous(512 * page() as u64);
    region.advise(.., Advice::NoHugePage).unwrap();
    region.write_at(0, &pattern(512 * page())).unwrap();
    assert_eq!(smaps_bytes(address(&region), "LazyFree"), 0);
    region.advise(.., Advice::Free).unwrap();
    // Marked in batches (mm/swap.c): the last one may still be waiting.
    assert!(smaps_bytes(address(&region), "LazyFree") >= 400 * page() as u64);
    assert_eq!(bytes(&region, 0, 512 * page()), pattern(512 * page()), "kept until memory is short");
}

#[test]
fn remove_punches_a_hole_of_whole_pages_into_the_file() {
    let content = pattern(16 * page());
    let file = file_with(&content);
    file.sync_all().unwrap();
    let before = file.metadata().unwrap().blocks();
    let region = RegionOptions::new().offset(100).access(Access::ReadWrite).map(file.as_fd()).unwrap();
    region.advise(..4 * page() as u64, Advice::Remove).unwrap();
    let mut after = vec![0; content.len()];
    file.read_exact_at(&mut after, 0).unwrap();
    assert_eq!(&after[..page()], &content[..page()], "the first page has bytes that are not the region's");
    assert_eq!(&after[page()..4 * page()], &vec![0; 3 * page()][..]);
    assert_eq!(&after[4 * page()..], &content[4 * page()..]);
    file.sync_all().unwrap();
    assert_eq!(before - file.metadata().unwrap().blocks(), 3 * page() as u64 / 512);
}

#[test]
fn cold_pages_lose_their_reference() {
    let region = anonymous(64 * page() as u64);
    region.advise(.., Advice::NoHugePage).unwrap();
    region.write_at(0, &pattern(64 * page())).unwrap();
    touch(&region);
    assert_eq!(smaps_bytes(address(&region), "Referenced"), 64 * page() as u64);
    region.advise(.., Advice::Cold).unwrap();
    // A few pages may still be in a processor's own list (mm/swap.c) and are skipped.
    assert!(smaps_bytes(address(&region), "Referenced") <= 32 * page() as u64);
    assert_eq!(bytes(&region, 0, 64 * page()), pattern(64 * page()), "content is kept");
}

#[test]
fn collapse_makes_huge_pages_of_what_is_there() {
    if !has("madv_collapse") {
        return;
    }
    let region = anonymous(8 << 20);
    region.advise(.., Advice::NoHugePage).unwrap();
    region.write_at(0, &pattern(8 << 20)).unwrap();
    assert_eq!(smaps_bytes(address(&region), "AnonHugePages"), 0);
    region.advise(.., Advice::HugePage).unwrap();
    for _ in 0..10 {
        // EAGAIN, ENOMEM: memory too scattered at this moment; what was collapsed is checked all the same.
        region.advise(.., Advice::Collapse).unwrap_or_else(|error| eprintln!("collapse: {error}"));
        if smaps_bytes(address(&region), "AnonHugePages") > 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    assert!(smaps_bytes(address(&region), "AnonHugePages") >= 2 << 20);
    assert_eq!(bytes(&region, 0, 8 << 20), pattern(8 << 20));
}

#[test]
fn populate_leaves_no_fault_for_later() {
    if !has("madv_populate") {
        return;
    }
    let count = 256;
    for (purpose, of_nothing) in [(Populate::Write, true), (Populate::Read, false)] {
        let file = file_with(&pattern(count * page()));
        let region = if of_nothing { anonymous((count * page()) as u64) } else { writable(&file) };
        region.advise(.., Advice::NoHugePage).unwrap();
        let at = address(&region);
        assert_eq!(smaps_bytes(at, "Rss"), 0);
        region.populate(.., purpose).unwrap();
        assert_eq!(smaps_bytes(at, "Rss"), (count * page()) as u64);
        touch(&region);
        let before = faults();
        touch(&region);
        assert_eq!(faults(), before, "{purpose:?}");
    }
    // Without it there are faults: the test can tell.
    let region = anonymous((count * page()) as u64);
    region.advise(.., Advice::NoHugePage).unwrap();
    let before = faults();
    touch(&region);
    assert!(faults().0 - before.0 >= count as i64);
}

#[test]
fn populate_beyond_a_cut_says_so() {
    if !has("madv_populate") {
        return;
    }
    let file = file_with(&pattern(8 * page()));
    let region = writable(&file);
    file.set_len(page() as u64).unwrap();
    assert_eq!(region.populate(.., Populate::Read).unwrap_err().kind(), ErrorKind::Faulted);
}

#[test]
fn prefetch_and_will_need_bring_a_file_into_memory() {
    let file = file_with(&pattern(64 * page()));
    drop_cache(&file);
    let region = RegionOptions::new().map(file.as_fd()).unwrap();
    assert_eq!(region.residency(..).unwrap().present, 0);
    for _ in 0..6000 {
        // Again each time: the kernel may take pages that nobody uses.
        region.prefetch(..).unwrap();
        if region.residency(..).unwrap().present == 64 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("not read ahead: {:?}", region.residency(..).unwrap());
}

#[test]
fn residency_is_what_was_touched() {
    let region = anonymous(200 * page() as u64);
    region.advise(.., Advice::NoHugePage).unwrap();
    for page_number in [0, 64, 199] {
        region.write_at(page_number * page() as u64, b"x").unwrap();
    }
    let residency = region.residency(..).unwrap();
    assert_eq!((residency.present, residency.total), (3, 200));
    assert_eq!(residency.bitmap(), [1, 1, 0, 1 << (199 - 192)]);
    let part = region.residency(64 * page() as u64..66 * page() as u64).unwrap();
    assert_eq!((part.present, part.total, part.is_present(0), part.is_present(1)), (1, 2, true, false));
}

#[test]
fn locked_memory_is_locked_and_on_fault_it_is_when_touched() {
    let length = 16 * page() as u64;
    let region = anonymous(length);
    let at = address(&region);
    region.lock(..).unwrap();
    assert_eq!((smaps_bytes(at, "Locked"), smaps_bytes(at, "Rss")), (length, length));
    region.unlock(..).unwrap();
    assert_eq!(smaps_bytes(at, "Locked"), 0);

    let region = anonymous(length);
    let at = address(&region);
    region.lock_on_fault(..).unwrap();
    assert!(has_flag(at, "lo"));
    assert_eq!(smaps_bytes(at, "Rss"), 0);
    region.write_at(3 * page() as u64, b"x").unwrap();
    assert_eq!(smaps_bytes(at, "Rss"), page() as u64);
    region.unlock(2 * page() as u64..).unwrap();
    assert!(has_flag(at, "lo") && !has_flag(at + 2 * page(), "lo"), "a part of it");
}

#[test]
fn protection_is_of_whole_pages_and_never_taken_from_views() {
    let region = anonymous(4 * page() as u64);
    let size = page() as u64;
    let at = address(&region);
    region.protect(size..2 * size, Protection::Read).unwrap();
    assert_eq!((&smaps(at)["rights"][..], &smaps(at + page())["rights"][..]), ("rw-p", "r--p"));
    let error = region.write_at(0, &[1; 5000]).unwrap_err();
    assert_eq!((error.kind(), error.moved()), (ErrorKind::Faulted, size), "up to the page that is read-only");
    assert!(!region.view(..).unwrap().is_writable());
    assert_eq!(region.protect(size + 1..2 * size, Protection::Read).unwrap_err().kind(), ErrorKind::InvalidInput);
    region.protect(.., Protection::None).unwrap();
    assert_eq!(region.read_at(0, &mut [0]).unwrap_err().kind(), ErrorKind::Faulted);
    assert_eq!(region.view(..).unwrap_err().kind(), ErrorKind::InvalidInput);
    region.protect(.., Protection::ReadWrite).unwrap();
    let view = region.view(..).unwrap();
    assert!(view.is_writable());
    assert_eq!(region.protect(.., Protection::Read).unwrap_err().errno(), Some(libc::EBUSY));
    drop(view);
    region.protect(.., Protection::Read).unwrap();

    let file = file_with(&pattern(page()));
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let read_only = Region::open(path).unwrap();
    let error = read_only.protect(.., Protection::ReadWrite).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "a descriptor that cannot write gives no mapping that can");
}

#[test]
fn who_was_allowed_to_write_may_go_on_after_a_close() {
    let file = file_with(&pattern(page()));
    // For reading, of a file that is open for both: the kernel allows the other right later.
    let region = RegionOptions::new().map(file.as_fd()).unwrap();
    region.protect(.., Protection::ReadWrite).unwrap();
    assert_eq!(region.access().unwrap(), Access::ReadWrite);
    let view = region.view(..).unwrap();
    assert!(view.is_writable());
    region.close().unwrap();
    assert_eq!(smaps(view.as_ptr() as usize)["rights"], "rw-p", "a store through the view must not be SIGSEGV");
}
