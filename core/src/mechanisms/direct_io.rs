//! `O_DIRECT`: bytes go between the disk and aligned buffers of ours, past the page cache.
//!
//! What it saves is the page cache itself: allocating, filling and writing back pages costs more CPU time than the copy
//! when a large file is written once and must be on the disk at the end. Three buffers pass between this thread and a
//! [`worker`] at the disk, so that the disk and the other end work at the same time; memory use does not grow with the
//! file. Heads and tails that do not fill a block go through the page cache by pwrite(2).
//!
//! It does not make the bytes durable: the disk may still hold them in its own cache, and the file's size may not be
//! written. That takes fdatasync(2), which is the caller's.

mod reader;
mod worker;
mod writer;

use nix::errno::Errno;

use super::{Advance, Mover, Route, Stop};
use crate::error::Error;
use crate::step::Side;
use crate::sys::Calls;
use reader::Reader;
use writer::Writer;

/// The size of a buffer in bytes; there are three for each end that is a disk. Larger ones gain nothing once both sides
/// are busy, and show up as resident memory.
const BUFFER: usize = 768 << 10;

/// Of these, at the disk: the next one must be there when it is done with one. A writer that waited for each one was a
/// twentieth slower.
const AT_DISK: usize = 2;

/// The disk's side or sides.
#[derive(Debug, Default)]
pub(super) struct DirectIo {
    reader: Option<Reader>,
    writer: Option<Writer>,
    /// What the source said to a writer that has given its bytes back.
    unspoken: Option<Error>,
}

impl Mover for DirectIo {
    fn advance(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        if let Some(error) = self.unspoken.take() {
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
            (None, Some(reader)) => send(reader, route, limit),
            (None, None) => unreachable!("the plan asks for a file at one end"),
        }
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

    fn surrender(&mut self, _calls: &mut Calls) -> Result<Vec<u8>, Error> {
        // What was read ahead is still in the file.
        self.reader = None;
        let Some(writer) = self.writer.take() else { return Ok(Vec::new()) };
        let (bytes, unspoken) = writer.surrender();
        self.unspoken = unspoken;
        Ok(bytes)
    }

    fn unspoken(&mut self) -> Option<Error> {
        self.unspoken.take()
    }
}

/// From the disk to a stream: write(2) out of the buffer that has come.
fn send(reader: &mut Reader, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
    let bytes = reader.bytes(route, limit)?;
    if bytes.is_empty() {
        return Ok(Advance::Ended);
    }
    let length = bytes.len();
    match route.calls.write(route.sink(), route.sink_at(), bytes) {
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

/// The alignment this file asks for.
fn alignment(calls: &mut Calls, fd: std::os::fd::BorrowedFd<'_>) -> Result<usize, Stop> {
    calls.direct_alignment(fd).filter(|&alignment| alignment <= BUFFER).ok_or_else(|| {
        let reason = "this file cannot be read or written past the page cache";
        Stop::Refused(Error::refused("statx", Errno::EOPNOTSUPP, reason))
    })
}

fn refusal(errno: Errno) -> Option<&'static str> {
    match errno {
        // open(2): the file system does not know O_DIRECT; or an alignment that it did not tell.
        Errno::EINVAL | Errno::EOPNOTSUPP => Some("the file system does not support O_DIRECT here"),
        // The second open(2), through /proc: it is not mounted, or this process may not open the file itself.
        Errno::ENOENT | Errno::EACCES | Errno::ETXTBSY | Errno::ENXIO => {
            Some("the file cannot be opened a second time")
        }
        _ => super::not_here(errno),
    }
}
