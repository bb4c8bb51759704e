//! Regions that leave their views behind: the content goes with the region, the views see zeroes, and what was refused while
//! views existed is possible.

mod support;

use std::io::Read;
use std::os::fd::AsFd;

use support::*;
use zcio::ErrorKind;
use zcio::error::Result;
use zcio::region::{Access, Protection, Region, RegionOptions, Seals, SharedRegion, View};

fn content(region: &Region) -> Vec<u8> {
    let mut bytes = vec![0; region.len() as usize];
    assert_eq!(region.read_at(0, &mut bytes).unwrap(), bytes.len());
    bytes
}

fn read(view: &View) -> Vec<u8> {
    // SAFETY: inside the view.
    (0..view.len()).map(|place| unsafe { view.as_ptr().add(place).read_volatile() }).collect()
}

#[test]
fn the_content_goes_with_the_region_and_the_views_see_zeroes() {
    if !has("mremap_dontunmap") {
        return;
    }
    let bytes = pattern(5 * page());
    for access in [Access::ReadOnly, Access::ReadWrite, Access::Private] {
        for offset in [0, 100, page() + 7] {
            let file = file_with(&bytes);
            let region = RegionOptions::new().offset(offset as u64).access(access).map(file.as_fd()).unwrap();
            let mut expected = bytes[offset..].to_vec();
            if access != Access::ReadOnly {
                region.write_at(50, b"changed before").unwrap();
                expected[50..64].copy_from_slice(b"changed before");
            }
            let old = region.view(..).unwrap();
            assert_eq!(read(&old), expected);
            assert_eq!(region.resize(1).unwrap_err().errno(), Some(libc::EBUSY));

            region.leave_views().unwrap();
            assert_eq!(content(&region), expected);
            assert_eq!(read(&old), vec![0; old.len()]);
            assert_eq!(old.check().unwrap_err().kind(), ErrorKind::Closed);
            if old.is_writable() {
                // SAFETY: inside the view, and writable.
                unsafe { old.as_mut_ptr().write_volatile(99) };
            }
            assert_eq!(content(&region), expected);

            region.resize(1000).unwrap();
            let new = region.view(..).unwrap();
            assert_eq!(read(&new), expected[..1000]);
            region.leave_views().unwrap();
            region.protect(.., Protection::Read).unwrap();
            assert_eq!(content(&region), expected[..1000]);
            assert_eq!((read(&new), read(&old)[1]), (vec![0; 1000], 0));
        }
    }
}

#[test]
fn anonymous_and_empty_regions_too() {
    let region = Region::anonymous(3 * page() as u64 + 1).unwrap();
    region.write_at(0, &pattern(100)).unwrap();
    let old = region.view(..).unwrap();
    region.leave_views().unwrap();
    assert_eq!(&content(&region)[..100], pattern(100));
    assert_eq!(read(&old), vec![0; 3 * page() + 1]);
    region.resize(1 << 24).unwrap();
    assert_eq!(&content(&region)[..101], [&pattern(100)[..], &[0]].concat());

    let empty = Region::anonymous(0).unwrap();
    let _view = empty.view(..).unwrap();
    empty.leave_views().unwrap();
    empty.leave_views().unwrap();
    empty.close().unwrap();
    assert_eq!(empty.leave_views().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn shared_memory_can_be_sealed_against_writing_and_grown() -> Result<()> {
    if !has("mremap_dontunmap") {
        return Ok(());
    }
    let shared = SharedRegion::create(2 * page() as u64)?;
    shared.region().write_at(0, b"sealed")?;
    let old = shared.region().view(..)?;
    assert_eq!(shared.grow(1 << 20).unwrap_err().errno(), Some(libc::EBUSY));
    shared.region().leave_views()?;
    shared.grow(1 << 20)?;
    assert_eq!(read(&old)[..6], [0; 6]);
    let grown = shared.region().view(..)?;
    assert_eq!((grown.len(), &read(&grown)[..6]), (1 << 20, &b"sealed"[..]));
    shared.region().leave_views()?;
    shared.seal(Seals::WRITE | Seals::SHRINK)?;
    assert_eq!(&content(shared.region())[..6], b"sealed");
    let mut file = std::fs::File::from(shared.try_clone_fd()?);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!((bytes.len(), &bytes[..6]), (1 << 20, &b"sealed"[..]));
    Ok(())
}
