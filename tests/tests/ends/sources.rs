//! Every end that bytes can come from, and what can happen to it.

use std::any::Any;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};

use nix::sys::stat::Mode;
use zcio::region::{Access, Region, RegionOptions, SharedRegion};
use zcio::{AlignedBuffer, Endpoint};

use super::moment::Losable;
use super::place::{LENGTH, Place, SOURCE, content};

/// What happens to an end while it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Nothing,
    /// Its hold is lost, and its number is somebody else's.
    Lost,
    /// The region is closed.
    Closed,
    /// The region moves away from under its views, unless it is refused.
    Left,
    /// The region is to get another length, which must be refused.
    Resized,
    /// The file becomes shorter.
    Cut,
    /// The file becomes longer.
    Grown,
    /// Another file gets its name.
    Replaced,
    /// … after its own was removed.
    Unlinked,
    /// The other side of a stream closes before its time.
    PeerGone,
}

impl Event {
    pub const ALL: [Self; 10] = [
        Self::Nothing,
        Self::Lost,
        Self::Closed,
        Self::Left,
        Self::Resized,
        Self::Cut,
        Self::Grown,
        Self::Replaced,
        Self::Unlinked,
        Self::PeerGone,
    ];
}

/// A way to make a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    Path,
    Fifo,
    Descriptor,
    Owning,
    Tcp,
    Unix,
    Pipe,
    Region,
    FileRegion,
    SharedRegion,
    LentRegion,
    Bytes,
    Pages,
}

impl Row {
    pub const ALL: [Self; 13] = [
        Self::Path,
        Self::Fifo,
        Self::Descriptor,
        Self::Owning,
        Self::Tcp,
        Self::Unix,
        Self::Pipe,
        Self::Region,
        Self::FileRegion,
        Self::SharedRegion,
        Self::LentRegion,
        Self::Bytes,
        Self::Pages,
    ];
}

/// What a thing does when its time has come.
pub type Happening = Box<dyn FnOnce() + Send>;

pub struct Source {
    pub end: Endpoint<'static>,
    pub happening: Happening,
    pub hold: Option<Arc<Losable>>,
    /// What a success must have moved at least.
    pub least: usize,
    /// What the end is made of, for as long as it is used.
    pub kept: Box<dyn Any>,
}

/// A source of that kind to which that can happen; `None` if it cannot.
pub fn source(row: Row, event: Event, place: &Arc<Place>) -> Option<Source> {
    let (end, kept, happening, least) = match row {
        Row::Path | Row::Descriptor | Row::Owning => of_file(row, event, place)?,
        Row::Fifo | Row::Tcp | Row::Unix | Row::Pipe => of_stream(row, event, place)?,
        Row::Region | Row::FileRegion | Row::SharedRegion | Row::LentRegion => of_region(row, event, place)?,
        Row::Bytes | Row::Pages if !matches!(event, Event::Nothing | Event::Lost) => return None,
        Row::Bytes => {
            static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
            (Endpoint::bytes(BYTES.get_or_init(|| content(SOURCE, LENGTH))), kept(()), nothing(), LENGTH)
        }
        Row::Pages => {
            let mut buffer = AlignedBuffer::new(LENGTH).unwrap();
            buffer.copy_from_slice(&content(SOURCE, LENGTH));
            (Endpoint::pages(buffer.freeze()), kept(()), nothing(), LENGTH)
        }
    };
    if event != Event::Lost {
        return Some(Source { end, happening, hold: None, least, kept });
    }
    let (end, hold) = losable(end, place);
    let losing = Arc::clone(&hold);
    Some(Source { end, happening: Box::new(move || losing.lose()), hold: Some(hold), least, kept })
}

type Made = (Endpoint<'static>, Box<dyn Any>, Happening, usize);

pub fn losable(end: Endpoint<'static>, place: &Place) -> (Endpoint<'static>, Arc<Losable>) {
    let number = end.descriptor().map(|fd| fd.as_raw_fd());
    let hold = Losable::new(number, place.other());
    (end.held(Arc::clone(&hold) as Arc<_>), hold)
}

pub fn nothing() -> Happening {
    Box::new(|| ())
}

pub fn kept(what: impl Any) -> Box<dyn Any> {
    Box::new(what)
}

/// A descriptor that is borrowed for longer than the compiler can see: it is kept beside the end.
pub fn borrowed(fd: &impl AsFd) -> Endpoint<'static> {
    // SAFETY: see above.
    Endpoint::new(unsafe { BorrowedFd::borrow_raw(fd.as_fd().as_raw_fd()) }).unwrap()
}

fn of_file(row: Row, event: Event, place: &Arc<Place>) -> Option<Made> {
    let path = place.file("source", SOURCE, LENGTH);
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let its = file.try_clone().unwrap();
    let (happening, least): (Happening, _) = match event {
        Event::Nothing | Event::Lost => (nothing(), LENGTH),
        Event::Cut => (Box::new(move || its.set_len(LENGTH as u64 / 2).unwrap()), LENGTH / 2),
        Event::Grown => (Box::new(move || its.write_all_at(&content(SOURCE, 2 * LENGTH), 0).unwrap()), LENGTH),
        Event::Replaced | Event::Unlinked => {
            let (place, path) = (Arc::clone(place), path.clone());
            (Box::new(move || place.replace(&path, event == Event::Replaced)), LENGTH)
        }
        Event::Closed | Event::Left | Event::Resized | Event::PeerGone => return None,
    };
    let (end, kept) = match row {
        Row::Path => (Endpoint::open(&path).unwrap(), kept(())),
        Row::Owning => (Endpoint::owning(file.into()).unwrap(), kept(())),
        _ => (borrowed(&file), kept(file)),
    };
    Some((end, kept, happening, least))
}

fn of_stream(row: Row, event: Event, place: &Arc<Place>) -> Option<Made> {
    let (happening, length): (Happening, _) = match event {
        Event::Nothing | Event::Lost => (nothing(), LENGTH),
        Event::PeerGone => (nothing(), LENGTH / 2),
        Event::Replaced | Event::Unlinked if row == Row::Fifo => {
            let (place, path) = (Arc::clone(place), place.path("fifo"));
            (Box::new(move || place.replace(&path, event == Event::Replaced)), LENGTH)
        }
        _ => return None,
    };
    let feed = move |mut far: Box<dyn Write + Send>| {
        // Whoever is lost does not take all of it.
        std::thread::spawn(move || drop(far.write_all(&content(SOURCE, length))));
    };
    let near: OwnedFd = match row {
        Row::Tcp => {
            let (near, far) = zcio_tests::tcp_pair();
            feed(Box::new(far));
            near.into()
        }
        Row::Unix => {
            let (near, far) = UnixStream::pair().unwrap();
            feed(Box::new(far));
            near.into()
        }
        Row::Pipe => {
            let (near, far) = std::io::pipe().unwrap();
            feed(Box::new(far));
            near.into()
        }
        _ => {
            let path = place.path("fifo");
            nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
            let end = std::thread::spawn({
                let path = path.clone();
                move || Endpoint::open(path).unwrap()
            });
            feed(Box::new(File::options().write(true).open(&path).unwrap()));
            return Some((end.join().unwrap(), kept(()), happening, length));
        }
    };
    Some((borrowed(&near), kept(near), happening, length))
}

fn of_region(row: Row, event: Event, place: &Arc<Place>) -> Option<Made> {
    let path = place.file("source", SOURCE, LENGTH);
    let shared = (row == Row::SharedRegion).then(|| Arc::new(SharedRegion::create(LENGTH as u64).unwrap()));
    let region = match row {
        Row::FileRegion => RegionOptions::new().access(Access::ReadWrite).open(&path).unwrap(),
        _ => Region::anonymous(LENGTH as u64).unwrap(),
    };
    let region = Arc::new((region, shared));
    let whole = |region: &Arc<(Region, Option<Arc<SharedRegion>>)>| -> *const Region {
        region.1.as_ref().map_or(&raw const region.0, |shared| std::ptr::from_ref(shared.region()))
    };
    // SAFETY: inside what the `Arc` keeps.
    let this: &Region = unsafe { &*whole(&region) };
    this.write_at(0, &content(SOURCE, LENGTH)).unwrap();
    let view = this.view(..).unwrap();
    // SAFETY: the view is kept beside the end.
    let lent = || unsafe { Endpoint::lent(view.as_ptr(), view.len()) };
    let end = if row == Row::LentRegion { lent() } else { Endpoint::region(this, ..).unwrap() };
    let its = Arc::clone(&region);
    // SAFETY: as above.
    let this = move || unsafe { &*whole(&its) };
    let (happening, least): (Happening, _) = match event {
        Event::Nothing => (nothing(), LENGTH),
        Event::Closed => (Box::new(move || this().close().unwrap()), LENGTH),
        Event::Left => (Box::new(move || drop(this().leave_views())), LENGTH),
        Event::Resized => {
            let refused = move || {
                let busy = |result: zcio::error::Result<()>| assert_eq!(result.unwrap_err().errno(), Some(libc::EBUSY));
                busy(this().resize(2 * LENGTH as u64 / 3));
            };
            (Box::new(refused), LENGTH)
        }
        Event::Cut if row == Row::FileRegion => {
            let file = File::options().write(true).open(&path).unwrap();
            (Box::new(move || file.set_len(128 << 10).unwrap()), LENGTH)
        }
        _ => return None,
    };
    Some((end, kept((region, view)), happening, least))
}
