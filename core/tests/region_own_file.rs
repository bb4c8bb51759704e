//! A region and the file it is mapped from: that file is not emptied under it, and its descriptor's number is not taken for
//! another file's.

use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::fstat;
use zcio::region::Seals;
use zcio::{Access, Endpoint, ErrorKind, Region, RegionOptions, SharedRegion, Transfer};

const CONTENT: &[u8] = &[7; 100_000];

fn with_files(test: impl Fn(&Path, &Path)) {
    let dir = tempfile::tempdir().unwrap();
    let (own, other) = (dir.path().join("own"), dir.path().join("other"));
    std::fs::write(&own, CONTENT).unwrap();
    std::fs::write(&other, b"of others").unwrap();
    test(&own, &other);
    assert_eq!(std::fs::read(&other).unwrap(), b"of others");
}

// As a destination

#[test]
fn its_own_path_is_refused_and_keeps_its_content() {
    with_files(|own, _| {
        for access in [Access::ReadOnly, Access::ReadWrite, Access::Private] {
            let region = RegionOptions::new().access(access).open(own).unwrap();
            let view = region.view(5000..6000).unwrap();
            // SAFETY: of a view that outlives them.
            let lent = || unsafe { Endpoint::lent(view.as_ptr(), view.len()) };
            let sources: [&dyn Fn() -> Endpoint<'static>; 4] = [
                &|| Endpoint::region(&region, ..).unwrap(),
                &|| Endpoint::region(&region, 70_000..).unwrap(),
                &|| Endpoint::view(view.clone()),
                &lent,
            ];
            for source in sources {
                let refused = Transfer::new(source(), Endpoint::create(own).unwrap()).run().unwrap_err();
                assert_eq!((refused.kind(), refused.errno()), (ErrorKind::InvalidInput, Some(libc::EINVAL)));
                assert_eq!(refused.message(), "the source and the destination are the same file");
                assert_eq!(std::fs::read(own).unwrap(), CONTENT);
            }
        }
    });
}

#[test]
fn it_knows_its_file_wherever_it_has_moved() {
    with_files(|own, other| {
        let region = RegionOptions::new().access(Access::ReadWrite).open(own).unwrap();
        let _view = region.view(..).unwrap();
        if region.leave_views().is_ok() {
            let source = Endpoint::region(&region, ..).unwrap();
            assert!(Transfer::new(source, Endpoint::create(own).unwrap()).run().is_err());
            assert_eq!(std::fs::read(own).unwrap(), CONTENT);
        }
        let copy = other.with_extension("copy");
        let source = Endpoint::region(&region, ..).unwrap();
        assert_eq!(Transfer::new(source, Endpoint::create(&copy).unwrap()).run().unwrap().bytes, 100_000);
        assert_eq!(std::fs::read(&copy).unwrap(), CONTENT);
        let anonymous = Endpoint::region(&Region::anonymous(10).unwrap(), ..).unwrap();
        Transfer::new(anonymous, Endpoint::create(own).unwrap()).run().unwrap();
        assert_eq!(std::fs::read(own).unwrap(), [0; 10]);
    });
}

// As a number

/// Puts a file in the place of what a number means.
fn replace(number: RawFd, path: &Path) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    // SAFETY: the number is open, and what it means from now on is what the test is about.
    assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), number) }, number);
}

/// Whether a number still means that file, which is then closed.
fn still_means(number: RawFd, path: &Path) -> bool {
    // SAFETY: only looked at: EBADF if it is not open.
    let there = fstat(unsafe { BorrowedFd::borrow_raw(number) });
    let same = there.is_ok_and(|there| there.st_ino == std::fs::metadata(path).unwrap().ino());
    // SAFETY: it is the test's own now.
    same && unsafe { libc::close(number) } == 0
}

#[test]
fn a_file_in_the_place_of_its_own_is_neither_cut_nor_closed() {
    with_files(|own, other| {
        let file = File::options().read(true).write(true).open(own).unwrap();
        let number = file.as_raw_fd();
        let region = RegionOptions::new().access(Access::ReadWrite).map_owning(file.into()).unwrap();
        replace(number, other);
        for resized in [region.resize_with_file(4096), region.resize_with_file(200_000), region.resize(50)] {
            assert_eq!(resized.unwrap_err().kind(), ErrorKind::BadDescriptor);
        }
        assert_eq!(region.flush_async(..).unwrap_err().kind(), ErrorKind::BadDescriptor);
        region.flush(..).unwrap();
        let mut byte = [0];
        region.read_at(99_999, &mut byte).unwrap();
        assert_eq!((region.len(), byte), (100_000, [7]));
        region.close().unwrap();
        assert_eq!(std::fs::read(own).unwrap(), CONTENT);
        assert!(still_means(number, other));
    });
}

#[test]
fn shared_memory_does_not_seal_grow_or_hand_over_what_is_in_its_place() {
    with_files(|_, other| {
        let first = SharedRegion::create(4096).unwrap();
        first.seal(Seals::SHRINK).unwrap();
        let fd = first.try_clone_fd().unwrap();
        let number = fd.as_raw_fd();
        let memory = SharedRegion::from_fd(fd, Seals::NONE).unwrap();
        replace(number, other);
        assert_eq!(memory.grow(8192).unwrap_err().kind(), ErrorKind::BadDescriptor);
        assert_eq!(memory.seal(Seals::GROW).unwrap_err().kind(), ErrorKind::BadDescriptor);
        assert_eq!(memory.seal(Seals::WRITE).unwrap_err().kind(), ErrorKind::BadDescriptor);
        assert_eq!(memory.try_clone_fd().unwrap_err().kind(), ErrorKind::BadDescriptor);
        drop(memory);
        assert!(still_means(number, other));
    });
}

/// By another library than this one, and from anywhere in it.
#[test]
fn a_mapping_of_somebody_elses_is_its_file_too() {
    with_files(|own, other| {
        // SAFETY: nobody else changes the file; what zcio does to it is the question.
        let map =
            unsafe { memmap2::MmapMut::map_mut(&File::options().read(true).write(true).open(own).unwrap()) }.unwrap();
        for part in [0..CONTENT.len(), 50_000..50_001] {
            let source = Endpoint::bytes(&map[part]);
            let refused = Transfer::new(source, Endpoint::create(own).unwrap()).run().unwrap_err();
            assert_eq!(refused.message(), "the source and the destination are the same file");
            assert_eq!(std::fs::read(own).unwrap(), CONTENT);
        }
        let copy = other.with_extension("copy");
        Transfer::new(Endpoint::bytes(&map[10..20]), Endpoint::create(&copy).unwrap()).run().unwrap();
        Transfer::new(Endpoint::bytes(&map[10..30]), Endpoint::create(&copy).unwrap()).run().unwrap();
        assert_eq!(std::fs::read(&copy).unwrap(), &CONTENT[10..30]);
    });
}
