//! Regions that become longer and shorter, alone and with their files, beside programs that append to them.

mod support;

use std::fs::File;

use support::*;
use zcio::ErrorKind;
use zcio::region::{Access, RegionOptions};

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
