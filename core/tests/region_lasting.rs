//! Addresses that were shown by a lasting view stay mapped until the region is dropped, whatever is done to it meanwhile. One
//! test in a program of its own: it looks at addresses that another thread might map in their place.

mod support;

use std::os::fd::AsFd;

use support::*;
use zcio::{Access, Protection, Region, RegionOptions, SharedRegion, region::Seals};

enum Kind {
    Plain(Region),
    Shared(SharedRegion),
}

impl Kind {
    fn region(&self) -> &Region {
        match self {
            Self::Plain(region) => region,
            Self::Shared(shared) => shared.region(),
        }
    }
}

const PAGES: usize = 16;

fn kinds(file: &std::path::Path) -> Vec<(&'static str, Kind)> {
    let options = |access| RegionOptions::new().access(access).offset(100);
    let opened = std::fs::File::open(file).unwrap();
    vec![
        ("anonymous", Kind::Plain(Region::anonymous((PAGES * page()) as u64).unwrap())),
        ("a file", Kind::Plain(options(Access::ReadWrite).open(file).unwrap())),
        ("a private copy", Kind::Plain(options(Access::Private).open(file).unwrap())),
        ("a file that it does not keep", Kind::Plain(options(Access::ReadOnly).map(opened.as_fd()).unwrap())),
        ("shared", Kind::Shared(SharedRegion::create((PAGES * page()) as u64).unwrap())),
    ]
}

type Action = fn(&Kind) -> zcio::error::Result<()>;

/// What takes addresses or rights away. What does not go for a kind is an error, and changes nothing.
const ACTIONS: [(&str, Action); 8] = [
    ("close", |kind| kind.region().close()),
    ("close strictly", |kind| kind.region().close_unviewed()),
    ("shrink", |kind| kind.region().resize(page() as u64)),
    ("grow", |kind| kind.region().resize(64 << 20)),
    ("shrink the file", |kind| kind.region().resize_with_file(10)),
    ("grow the file", |kind| kind.region().resize_with_file(64 << 20)),
    ("protect", |kind| kind.region().protect(.., Protection::None)),
    ("seal and grow", |kind| match kind {
        Kind::Shared(shared) => shared.grow(32 << 20).and_then(|()| shared.seal(Seals::WRITE)),
        Kind::Plain(region) => region.protect(.., Protection::Read),
    }),
];

/// Whatever has been done: a load gives zero or what was there, a store is no crash.
fn look(start: *mut u8, before: &[u8], writable: bool, what: &str) {
    for place in (0..before.len()).step_by(page() / 2) {
        // SAFETY: the point of it: inside what a lasting view has shown, and the region lives.
        let byte = unsafe { start.add(place).read_volatile() };
        assert!(byte == 0 || byte == before[place], "{what}: {byte:#x} at {place}");
        if writable {
            // SAFETY: as above; storing was allowed.
            unsafe { start.add(place).write_volatile(byte) };
        }
    }
}

#[test]
fn what_was_shown_stays_mapped_until_the_region_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    for (what, action) in ACTIONS {
        std::fs::write(&path, pattern(PAGES * page())).unwrap();
        for (name, kind) in kinds(&path) {
            let (region, what) = (kind.region(), format!("{what}, {name}"));
            std::fs::write(&path, pattern(PAGES * page())).unwrap();
            if region.access().unwrap() != Access::ReadOnly {
                region.write_at(0, &pattern(PAGES * page())).unwrap();
            }
            let mut before = vec![0; region.len() as usize];
            region.read_at(0, &mut before).unwrap();
            let view = region.lasting_view(..).unwrap();
            let (start, writable) = (view.as_mut_ptr(), view.is_writable());
            drop(view);
            eprintln!("{what}: {:?}", action(&kind));
            // Whatever is mapped now must not get there.
            let others: Vec<_> = (0..64).map(|_| Region::anonymous(before.len() as u64).unwrap()).collect();
            for other in &others {
                other.write_at(0, &vec![0xff; before.len()]).unwrap();
            }
            look(start, &before, writable, &what);
            region.close().unwrap();
            look(start, &vec![0; before.len()], writable, &what);
        }
    }
}
