//! Every end that bytes can go to, and what can happen to it.

use std::any::Any;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use nix::sys::stat::Mode;
use zcio::Endpoint;

use super::moment::Losable;
use super::place::{LENGTH, OLD, Place};
use super::rooms::of_memory;
use super::sources::{Event, Happening, borrowed, kept, losable, nothing};

/// A way to make a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    NewPath,
    Path,
    Fifo,
    Descriptor,
    Owning,
    Tcp,
    Unix,
    Pipe,
    Bytes,
    Region,
    FileRegion,
    SharedRegion,
    LentRegion,
}

impl Row {
    pub const ALL: [Self; 13] = [
        Self::NewPath,
        Self::Path,
        Self::Fifo,
        Self::Descriptor,
        Self::Owning,
        Self::Tcp,
        Self::Unix,
        Self::Pipe,
        Self::Bytes,
        Self::Region,
        Self::FileRegion,
        Self::SharedRegion,
        Self::LentRegion,
    ];
}

pub struct Sink {
    pub end: Endpoint<'static>,
    pub happening: Happening,
    pub hold: Option<Arc<Losable>>,
    pub kept: Box<dyn Any>,
    pub arrivals: Arrivals,
}

/// Where what has arrived is found.
pub enum Arrivals {
    File(File),
    /// A file that gets its name when the transfer begins, and may have lost it since.
    Named(PathBuf, PathBuf),
    Stream(JoinHandle<Vec<u8>>),
    Memory(Box<dyn FnOnce() -> Vec<u8>>),
}

impl Arrivals {
    /// Everything, when the near end is closed.
    pub fn bytes(self) -> Vec<u8> {
        match self {
            Self::File(file) => zcio_tests::content(&file),
            Self::Named(path, kept) => std::fs::read(kept).or_else(|_| std::fs::read(path)).unwrap_or_default(),
            Self::Stream(reader) => reader.join().unwrap(),
            Self::Memory(look) => look(),
        }
    }
}

/// A sink of that kind to which that can happen; `None` if it cannot.
pub fn sink(row: Row, event: Event, place: &Arc<Place>) -> Option<Sink> {
    let (end, kept, happening, arrivals) = match row {
        Row::NewPath | Row::Path | Row::Descriptor | Row::Owning => of_file(row, event, place)?,
        Row::Fifo | Row::Tcp | Row::Unix | Row::Pipe => of_stream(row, event, place)?,
        Row::Bytes | Row::Region | Row::FileRegion | Row::SharedRegion | Row::LentRegion => {
            of_memory(row, event, place)?
        }
    };
    if event != Event::Lost {
        return Some(Sink { end, happening, hold: None, kept, arrivals });
    }
    let (end, hold) = losable(end, place);
    let losing = Arc::clone(&hold);
    Some(Sink { end, happening: Box::new(move || losing.lose()), hold: Some(hold), kept, arrivals })
}

type Made = (Endpoint<'static>, Box<dyn Any>, Happening, Arrivals);

fn of_file(row: Row, event: Event, place: &Arc<Place>) -> Option<Made> {
    let path = match row {
        Row::NewPath => place.path("sink"),
        Row::Path => place.file("sink", OLD, LENGTH + 5000),
        _ => place.file("sink", OLD, 0),
    };
    let happening: Happening = match event {
        Event::Nothing | Event::Lost => nothing(),
        Event::Cut | Event::Grown => {
            let (path, length) = (path.clone(), if event == Event::Cut { 100 } else { 3 * LENGTH as u64 });
            // One that has no name yet is nobody's to change.
            let change = move || drop(File::options().write(true).open(path).map(|file| file.set_len(length).unwrap()));
            Box::new(change)
        }
        Event::Replaced | Event::Unlinked => {
            let (place, path) = (Arc::clone(place), path.clone());
            Box::new(move || place.replace(&path, event == Event::Replaced))
        }
        Event::Closed | Event::Left | Event::Resized | Event::PeerGone => return None,
    };
    if row == Row::NewPath {
        let end = Endpoint::create(&path).unwrap();
        return Some((end, kept(()), happening, Arrivals::Named(path, place.kept())));
    }
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let arrivals = Arrivals::File(File::open(&path).unwrap());
    let (end, kept) = match row {
        Row::Path => (Endpoint::create(&path).unwrap(), kept(file)),
        Row::Owning => (Endpoint::owning(file.into()).unwrap(), kept(())),
        _ => (borrowed(&file), kept(file)),
    };
    Some((end, kept, happening, arrivals))
}

fn of_stream(row: Row, event: Event, place: &Arc<Place>) -> Option<Made> {
    let (happening, length): (Happening, _) = match event {
        Event::Nothing | Event::Lost => (nothing(), u64::MAX),
        Event::PeerGone => (nothing(), 10_000),
        Event::Replaced | Event::Unlinked if row == Row::Fifo => {
            let (place, path) = (Arc::clone(place), place.path("sink"));
            (Box::new(move || place.replace(&path, event == Event::Replaced)), u64::MAX)
        }
        _ => return None,
    };
    let collect = move |far: Box<dyn Read + Send>| {
        let collect = move || {
            let mut bytes = Vec::new();
            // A peer that is gone may be told so by a reset.
            let _ = far.take(length).read_to_end(&mut bytes);
            bytes
        };
        Arrivals::Stream(std::thread::spawn(collect))
    };
    let (near, arrivals): (OwnedFd, _) = match row {
        Row::Tcp => {
            let (near, far) = zcio_tests::tcp_pair();
            (near.into(), collect(Box::new(far)))
        }
        Row::Unix => {
            let (near, far) = UnixStream::pair().unwrap();
            (near.into(), collect(Box::new(far)))
        }
        Row::Pipe => {
            let (far, near) = std::io::pipe().unwrap();
            (near.into(), collect(Box::new(far)))
        }
        _ => {
            let path = place.path("sink");
            nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
            let end = std::thread::spawn({
                let path = path.clone();
                move || Endpoint::create(path).unwrap()
            });
            let arrivals = collect(Box::new(File::open(&path).unwrap()));
            return Some((end.join().unwrap(), kept(()), happening, arrivals));
        }
    };
    Some((borrowed(&near), kept(near), happening, arrivals))
}
