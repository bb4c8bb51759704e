//! What can be mapped, from which byte to which, and who sees what is written there.

mod support;

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use support::*;
use zcio::ErrorKind;
use zcio::region::{Access, Advice, Region, RegionOptions};

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
