//! Every end that bytes can go to and that is memory, and what can happen to it.

use std::any::Any;
use std::fs::File;
use std::sync::Arc;

use zcio::Endpoint;
use zcio::region::{Access, Region, RegionOptions, SharedRegion};

use super::place::{LENGTH, OLD, Place, content};
use super::sinks::{Arrivals, Row};
use super::sources::{Event, Happening, kept, nothing};

/// More than comes.
const ROOM: usize = LENGTH + 1000;

pub fn of_memory(
    row: Row,
    event: Event,
    place: &Place,
) -> Option<(Endpoint<'static>, Box<dyn Any>, Happening, Arrivals)> {
    if row != Row::Bytes {
        return of_region(row, event, place);
    }
    if !matches!(event, Event::Nothing | Event::Lost) {
        return None;
    }
    let memory = Box::into_raw(content(OLD, ROOM).into_boxed_slice());
    // SAFETY: nobody looks at it before the end is gone.
    let end = Endpoint::bytes_mut(unsafe { &mut *memory });
    // SAFETY: made above, and not used any more.
    let arrivals = Arrivals::Memory(Box::new(move || unsafe { Box::from_raw(memory) }.into_vec()));
    Some((end, kept(()), nothing(), arrivals))
}

fn of_region(row: Row, event: Event, place: &Place) -> Option<(Endpoint<'static>, Box<dyn Any>, Happening, Arrivals)> {
    enum Mapped {
        Region(Region),
        Shared(SharedRegion),
    }
    impl std::ops::Deref for Mapped {
        type Target = Region;

        fn deref(&self) -> &Region {
            match self {
                Self::Region(region) => region,
                Self::Shared(shared) => shared.region(),
            }
        }
    }
    let path = (row == Row::FileRegion).then(|| place.file("sink", OLD, ROOM));
    let (region, mut file) = match (&path, row) {
        (Some(path), _) => {
            let region = RegionOptions::new().access(Access::ReadWrite).open(path).unwrap();
            (Mapped::Region(region), Some(File::open(path).unwrap()))
        }
        (None, Row::SharedRegion) => {
            let shared = SharedRegion::create(ROOM as u64).unwrap();
            let file = File::from(shared.try_clone_fd().unwrap());
            (Mapped::Shared(shared), Some(file))
        }
        _ => (Mapped::Region(Region::anonymous(ROOM as u64).unwrap()), None),
    };
    region.write_at(0, &content(OLD, ROOM)).unwrap();
    let region = Arc::new(region);
    let view = region.view(..).unwrap();
    let end = match row {
        // SAFETY: the view is kept beside the end.
        Row::LentRegion => unsafe { Endpoint::lent_mut(view.as_mut_ptr(), view.len()) },
        _ => Endpoint::region(&region, ..).unwrap(),
    };
    let its = Arc::clone(&region);
    let happening: Happening = match event {
        Event::Nothing => nothing(),
        Event::Closed => Box::new(move || its.close().unwrap()),
        Event::Left => Box::new(move || drop(its.leave_views())),
        Event::Resized => {
            Box::new(move || assert_eq!(its.resize(ROOM as u64 / 2).unwrap_err().errno(), Some(libc::EBUSY)))
        }
        Event::Cut => {
            let file = File::options().write(true).open(path?).unwrap();
            Box::new(move || file.set_len(128 << 10).unwrap())
        }
        _ => return None,
    };
    let its = Arc::clone(&region);
    let arrivals = move || {
        let mut bytes = vec![0; ROOM];
        match file.take() {
            Some(file) => zcio_tests::content(&file),
            // Its memory is gone with it.
            None if its.is_closed() => Vec::new(),
            None => {
                its.read_at(0, &mut bytes).unwrap();
                bytes
            }
        }
    };
    Some((end, kept((region, view)), happening, Arrivals::Memory(Box::new(arrivals))))
}
