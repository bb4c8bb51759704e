//! Every operation of a region against what the kernel shows of it: smaps, mincore, fault counts, bytes of the file.

mod support;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicUsize, Ordering};

use support::*;
use zcio::ErrorKind;
use zcio::region::{Access, Advice, Populate, Protection, Region, RegionOptions};

fn writable(file: &File) -> Region {
    RegionOptions::new().access(Access::ReadWrite).map(file.as_fd()).unwrap()
}

/// An anonymous region that the kernel does not merge with its neighbours, whose sizes it would add up: each has another
/// combination of flags, which change nothing here, and none of them is the one that all other memory has.
fn anonymous(length: u64) -> Region {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let combination = COUNT.fetch_add(1, Ordering::Relaxed) % 11 + 1;
    let region = Region::anonymous(length).unwrap();
    for (bit, advice) in [(combination & 1, Advice::DontFork), (combination & 2, Advice::WipeOnFork)] {
        if bit != 0 {
            region.advise(.., advice).unwrap();
        }
    }
    region.advise(.., [Advice::Normal, Advice::Random, Advice::Sequential][combination / 4]).unwrap();
    region
}

fn address(region: &Region) -> usize {
    region.view(..).unwrap().as_ptr() as usize
}

fn bytes(region: &Region, offset: u64, length: usize) -> Vec<u8> {
    let mut into = vec![0; length];
    assert_eq!(region.read_at(offset, &mut into).unwrap(), length);
    into
}

/// Loads a byte of every page through the processor.
fn touch(region: &Region) {
    let view = region.view(..).unwrap();
    for place in (0..view.len()).step_by(page()) {
        // SAFETY: inside the view; the files of these tests are not cut.
        unsafe { view.as_ptr().add(place).read_volatile() };
    }
}

/// Makes the kernel drop a file's pages from memory.
fn drop_cache(file: &File) {
    file.sync_all().unwrap();
    for _ in 0..1000 {
        // SAFETY: no memory is involved.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
        let region = RegionOptions::new().map(file.as_fd()).unwrap();
        if region.residency(..).unwrap().present == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the page cache would not let go");
}

#[test]
fn any_offset_and_length_is_mapped() {
    let content = pattern(3 * page() + 777);
    let file = file_with(&content);
    for (offset, length) in
        [(0, content.len()), (1, 1), (page() - 1, 2), (page() + 5, page()), (700, 0), (content.len(), 0)]
    {
        let region = RegionOptions::new().offset(offset as u64).length(length as u64).map(file.as_fd()).unwrap();
        assert_eq!(region.len(), length as u64);
        assert_eq!(bytes(&region, 0, length), &content[offset..offset + length]);
        assert_eq!(region.read_at(length as u64, &mut [0]).unwrap(), 0, "nothing behind the end");
        let view = region.view(..).unwrap();
        for place in 0..length {
            // SAFETY: inside the view.
            assert_eq!(unsafe { view.as_ptr().add(place).read_volatile() }, content[offset + place]);
        }
        assert_eq!(region.residency(..).unwrap().total, if length == 0 { 0 } else { pages_of(offset, length) });
        for advice in [Advice::Normal, Advice::WillNeed] {
            region.advise(.., advice).unwrap();
        }
        region.flush(..).unwrap();
    }
    let rest = RegionOptions::new().offset(page() as u64).map(file.as_fd()).unwrap();
    assert_eq!(rest.len(), 2 * page() as u64 + 777, "to the end of the file");
}

fn pages_of(offset: usize, length: usize) -> u64 {
    ((offset + length).div_ceil(page()) - offset / page()) as u64
}

#[test]
fn over_two_gibibytes() {
    let file = tempfile::tempfile().unwrap();
    let length = (3 << 30) + 5;
    file.set_len(length).unwrap();
    file.write_all_at(b"last!", length - 5).unwrap();
    file.write_all_at(b"first", 1).unwrap();
    let region = RegionOptions::new().offset(1).map(file.as_fd()).unwrap();
    assert_eq!(region.len(), length - 1);
    assert_eq!((bytes(&region, 0, 5), bytes(&region, length - 6, 5)), (b"first".to_vec(), b"last!".to_vec()));
    let residency = region.residency(..).unwrap();
    assert_eq!(residency.total, length.div_ceil(page() as u64));
    assert!(residency.is_present(0) && residency.is_present(residency.total - 1));
    assert!(!residency.is_present(residency.total / 2) && residency.present < residency.total / 100);
}

#[test]
fn a_region_may_be_ahead_of_its_file_if_it_is_told_so() {
    let file = file_with(&pattern(page()));
    let region = RegionOptions::new().length(3 * page() as u64).ahead_of_file().map(file.as_fd()).unwrap();
    let mut into = vec![0; 3 * page()];
    let error = region.read_at(0, &mut into).unwrap_err();
    assert_eq!((error.kind(), error.moved()), (ErrorKind::Faulted, page() as u64));
    file.write_all_at(&pattern(3 * page()), 0).unwrap();
    assert_eq!(bytes(&region, 0, 3 * page()), pattern(3 * page()));
    let (end, _other) = std::io::pipe().unwrap();
    let error = RegionOptions::new().length(1).ahead_of_file().map(end.as_fd()).unwrap_err();
    assert_eq!(error.errno(), Some(libc::ENODEV), "what is no file is still refused");
}

#[test]
fn what_cannot_be_mapped_is_refused_with_a_reason() {
    let file = file_with(b"0123456789");
    let error = RegionOptions::new().offset(5).length(6).map(file.as_fd()).unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains("10 bytes"), "{error}");
    assert!(RegionOptions::new().offset(11).map(file.as_fd()).is_err());
    let (end, _other) = std::io::pipe().unwrap();
    assert_eq!(RegionOptions::new().map(end.as_fd()).unwrap_err().kind(), ErrorKind::InvalidInput);
    let dir = tempfile::tempdir().unwrap();
    let error = Region::open(dir.path()).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::IsDirectory, Some(dir.path())));
    let error = Region::open(dir.path().join("none")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let path = dir.path().join("file");
    std::fs::write(&path, b"x").unwrap();
    let read_only = File::open(&path).unwrap();
    let error = RegionOptions::new().access(Access::ReadWrite).map(read_only.as_fd()).unwrap_err();
    assert_eq!((error.kind(), error.errno()), (ErrorKind::NotWritable, Some(libc::EACCES)));
    let error = Region::anonymous(1 << 61).unwrap_err();
    assert_eq!(error.errno(), Some(libc::ENOMEM), "{error}");
    assert_eq!(Region::anonymous(u64::MAX).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn access_decides_who_sees_a_write() {
    let file = file_with(&[b'.'; 100]);
    let shared = RegionOptions::new().offset(10).length(20).access(Access::ReadWrite).map(file.as_fd()).unwrap();
    assert_eq!(shared.write_at(5, b"shared").unwrap(), 6);
    assert_eq!(shared.write_at(18, b"cut off").unwrap(), 2, "never beyond the region");
    let mut content = [0; 100];
    file.read_exact_at(&mut content, 0).unwrap();
    assert_eq!(&content[14..22], b".shared.");
    assert_eq!(&content[27..31], b".cu.");

    let private = RegionOptions::new().access(Access::Private).map(file.as_fd()).unwrap();
    assert_eq!(private.write_at(0, b"private").unwrap(), 7);
    assert_eq!(bytes(&private, 0, 8), b"private.");
    file.read_exact_at(&mut content, 0).unwrap();
    assert_eq!(&content[..8], b"........");

    let read_only = RegionOptions::new().map(file.as_fd()).unwrap();
    assert_eq!(read_only.write_at(0, b"x").unwrap_err().kind(), ErrorKind::Faulted);
    assert_eq!(smaps(address(&read_only))["rights"], "r--s");
    assert_eq!(smaps(address(&private))["rights"], "rw-p");
    assert!(!read_only.view(..).unwrap().is_writable());
}

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
    let region = anonymous(8 << 20);
    region.advise(.., Advice::NoHugePage).unwrap();
    region.write_at(0, &pattern(8 << 20)).unwrap();
    assert_eq!(smaps_bytes(address(&region), "AnonHugePages"), 0);
    region.advise(.., Advice::HugePage).unwrap();
    for _ in 0..10 {
        match region.advise(.., Advice::Collapse) {
            Err(error) if error.errno() == Some(libc::EINVAL) => return skip("collapse", "Linux before 6.1"),
            // EAGAIN, ENOMEM: memory too scattered at this moment; what was collapsed is checked all the same.
            result => result.unwrap_or_else(|error| eprintln!("collapse: {error}")),
        }
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

#[test]
fn resize_moves_the_end_and_keeps_the_content() {
    let region = anonymous(page() as u64);
    region.write_at(0, &pattern(page())).unwrap();
    for length in [100 * page(), 3, 0, 5 * page() + 1] {
        region.resize(length as u64).unwrap();
        assert_eq!(region.len(), length as u64);
        let kept = length.min(3);
        assert_eq!(bytes(&region, 0, kept), &pattern(page())[..kept]);
        assert_eq!(region.write_at(0, &pattern(page())).unwrap(), length.min(page()));
    }
    let view = region.view(..).unwrap();
    let error = region.resize(1).unwrap_err();
    assert_eq!((error.kind(), error.errno()), (ErrorKind::InvalidInput, Some(libc::EBUSY)));
    drop(view);
    region.resize(1).unwrap();
    assert_eq!(region.resize(u64::MAX - 5).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn resize_can_take_the_file_along() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, pattern(1000)).unwrap();
    let region = RegionOptions::new().offset(100).access(Access::ReadWrite).open(&path).unwrap();
    assert_eq!(region.resize(901).unwrap_err().kind(), ErrorKind::InvalidInput, "beyond the file");
    region.resize_with_file(3 * page() as u64).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 100 + 3 * page() as u64);
    region.write_at(2 * page() as u64, b"new part").unwrap();
    region.resize_with_file(2 * page() as u64 + 8).unwrap();
    let content = std::fs::read(&path).unwrap();
    assert_eq!(content.len(), 100 + 2 * page() + 8);
    assert_eq!((&content[..1000], &content[content.len() - 8..]), (&pattern(1000)[..], &b"new part"[..]));
    let borrowed = writable(&File::options().read(true).write(true).open(&path).unwrap());
    assert_eq!(borrowed.resize_with_file(5).unwrap_err().kind(), ErrorKind::InvalidInput, "it keeps no file");
}

/// Another program has appended since the region was made: that is not the region's to cut off.
#[test]
fn a_region_that_grows_cuts_nothing_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, pattern(page())).unwrap();
    let region = RegionOptions::new().access(Access::ReadWrite).open(&path).unwrap();
    std::fs::write(&path, pattern(5 * page())).unwrap();
    region.resize_with_file(2 * page() as u64).unwrap();
    assert_eq!(bytes(&region, 0, 2 * page()), &pattern(5 * page())[..2 * page()]);
    assert_eq!(std::fs::read(&path).unwrap(), pattern(5 * page()));
    // One that becomes shorter says where its file is to end.
    region.resize_with_file(10).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), &pattern(page())[..10]);
}

/// … and while it does: every record that was appended is there afterwards, wherever the zeroes went.
#[test]
fn a_region_grows_beside_a_program_that_appends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, pattern(page())).unwrap();
    let region = RegionOptions::new().access(Access::ReadWrite).open(&path).unwrap();
    let mut log = File::options().append(true).open(&path).unwrap();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let records = std::thread::scope(|scope| {
        let appending = scope.spawn(|| {
            let mut records = 0_usize;
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                std::io::Write::write_all(&mut log, b"record;").unwrap();
                records += 1;
            }
            records
        });
        // Just beyond where the file ends, so that both are at the end.
        for _ in 0..5000 {
            let end = std::fs::metadata(&path).unwrap().len();
            region.resize_with_file(end + 3).unwrap();
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        appending.join().unwrap()
    });
    let content = std::fs::read(&path).unwrap();
    let found = content[page()..].split(|&byte| byte == b';').filter(|record| record.ends_with(b"record")).count();
    assert_eq!(found, records);
}

#[test]
fn reserved_huge_pages() {
    if !root_or_skip("reserved_huge_pages", "write to nr_hugepages") {
        return;
    }
    let knob = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
    let Ok(before) = std::fs::read_to_string(knob) else { return skip("reserved_huge_pages", "no hugetlb of 2 MiB") };
    let options = RegionOptions::new().length(3 << 20).huge_pages(2 << 20);
    if before.trim() == "0" {
        assert_eq!(options.anonymous().unwrap_err().errno(), Some(libc::ENOMEM), "none is reserved");
    }
    let wanted = before.trim().parse::<u64>().unwrap() + 3;
    std::fs::write(knob, wanted.to_string()).unwrap();
    let result = std::panic::catch_unwind(|| {
        let region = options.anonymous().unwrap();
        assert_eq!(region.len(), 4 << 20, "whole huge pages");
        region.write_at(0, &pattern(4 << 20)).unwrap();
        assert_eq!(smaps_bytes(address(&region), "KernelPageSize"), 2 << 20);
        region.resize(2 << 20).unwrap();
        assert_eq!(bytes(&region, 0, 2 << 20), &pattern(4 << 20)[..2 << 20]);
        let view = region.view(..).unwrap();
        region.close().unwrap();
        // SAFETY: inside the view.
        assert_eq!(unsafe { view.as_ptr().add(12345).read_volatile() }, 0);
    });
    std::fs::write(knob, before.trim()).unwrap();
    result.unwrap();
}
