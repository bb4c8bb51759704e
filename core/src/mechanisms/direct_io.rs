//! `O_DIRECT`: bytes go between the disk and aligned buffers of ours, past the page cache.
//!
//! What it saves is the page cache itself: allocating, filling and writing back pages costs more CPU time than the copy
//! when a large file is written once and must be on the disk at the end. Three buffers pass between this thread and a
//! [`worker`] at the disk, so that the disk and the other end work at the same time; memory use does not grow with the
//! file. Heads and tails that do not fill a block go through the page cache by pwrite(2). Memory as a sink needs no buffers where
//! it is aligned as the file is: the disk writes into it.
//!
//! It does not make the bytes durable: the disk may still hold them in its own cache, and the file's size may not be
//! written. That takes fdatasync(2), which is the caller's.

mod disk;
mod reader;
mod worker;
mod writer;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::{APPENDS, Advance, Definition, Mover, Route, Stop, mechanism};
use crate::copies::{Copies, KnownBy};
use crate::demand::Demand;
use crate::endpoint::{Facts, Kind};
use crate::error::Error;
use crate::probe::Probe;
use crate::step::Side;
use crate::sys::SyscallCounter;
use reader::Reader;
use writer::Writer;

mechanism! {
    /// `O_DIRECT`: between the disk and aligned buffers of ours, past the page cache, while the other end works on.
    DirectIo = "direct_io", proven on FileToTcp, FileToFile, TcpToFile, FileToMemory;
}

/// The disk's side or sides.
#[derive(Debug, Default)]
pub(super) struct DirectIo {
    reader: Option<Reader>,
    writer: Option<Writer>,
    /// What the source said to a writer that has given its bytes back.
    deferred_error: Option<Error>,
    /// The disk has put bytes where a sink that is memory wants them.
    is_straight: bool,
}

impl Definition for DirectIo {
    const PROBE: Probe = Probe::since(2, 6)
        .on_files(|file, _| SyscallCounter::default().reopen(file, OFlag::O_RDWR | OFlag::O_DIRECT).map(|_| ()));

    fn impossible(source: &Facts, sink: &Facts, _demand: Demand) -> Option<&'static str> {
        match (source.kind, sink.kind) {
            (Kind::File, _) | (_, Kind::File) => sink.append.then_some(APPENDS),
            _ => Some("one of its ends must be a regular file"),
        }
    }

    /// The disk reads and writes the buffers by itself, and the other end copies once (between two disks, from buffer to
    /// buffer).
    fn copies(_source: Kind, _sink: Kind) -> Option<u8> {
        Some(1)
    }
}

impl Mover for DirectIo {
    fn advance(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        if let Some(error) = self.deferred_error.take() {
            return Err(Stop::Failed(error));
        }
        if route.source_facts().kind.is_seekable() && self.reader.is_none() {
            self.reader = Some(Reader::open(route).map_err(|stop| stop.of_side(Side::Source))?);
        }
        if route.sink_facts().kind.is_seekable() && self.writer.is_none() {
            self.writer = Some(Writer::open(route).map_err(|stop| stop.of_side(Side::Sink))?);
        }
        match (&mut self.writer, &mut self.reader) {
            (Some(writer), reader) => writer.advance(route, limit, reader.as_mut()),
            (None, Some(reader)) => {
                let Some(room) = route.room(limit) else { return send(reader, route, limit) };
                let count = reader.fill(room, route)?;
                if count > 0 {
                    self.is_straight = true;
                    return Ok(route.moved(count, count));
                }
                let beside = Some(reader.until_whole(room)).filter(|&beside| beside > 0);
                send(reader, route, beside.map_or(limit, |beside| beside.min(limit)))
            }
            (None, None) => unreachable!("the plan asks for a file at one end"),
        }
    }

    fn verdict(&self) -> Option<Copies> {
        // Bytes beside whole blocks are copied and not counted.
        self.is_straight.then_some(Copies { count: Some(0), known_by: KnownBy::Model })
    }

    fn held(&self) -> usize {
        self.writer.as_ref().map_or(0, Writer::held)
    }

    fn finish(&mut self, route: &mut Route<'_>) -> Result<bool, Stop> {
        if let Some(reader) = &mut self.reader {
            reader.stop(route.calls);
        }
        Ok(true)
    }

    fn collect(&mut self, route: &mut Route<'_>) {
        if let Some(writer) = &mut self.writer {
            writer.collect(route);
        }
    }

    fn wants_more(&self) -> bool {
        self.writer.as_ref().is_some_and(Writer::wants_more)
    }

    fn take_pending(&mut self, _calls: &mut SyscallCounter) -> Result<Vec<u8>, Error> {
        // What was read ahead is still in the file.
        self.reader = None;
        let Some(writer) = self.writer.take() else { return Ok(Vec::new()) };
        let (bytes, deferred_error) = writer.take_pending();
        self.deferred_error = deferred_error;
        Ok(bytes)
    }

    fn deferred_error(&mut self) -> Option<Error> {
        self.deferred_error.take()
    }
}

/// From the disk to a stream, or to memory that is not aligned as the disk wants it: out of the buffer that has come.
fn send(reader: &mut Reader, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
    let bytes = reader.bytes(route, limit)?;
    if bytes.is_empty() {
        return Ok(Advance::Ended);
    }
    let length = bytes.len();
    match route.put(bytes.into()) {
        Ok(count) if count > 0 => {
            reader.consume(count);
            Ok(route.moved(count, length))
        }
        Ok(_) => Err(Stop::Failed(Error::os("write", Errno::EIO))),
        Err(Errno::EINTR) => Ok(Advance::Interrupted),
        Err(Errno::EAGAIN) => Ok(Advance::Blocked(Side::Sink)),
        Err(errno) => Err(Stop::Failed(Error::os("write", errno))),
    }
}
