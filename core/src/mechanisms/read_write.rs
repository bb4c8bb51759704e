//! read(2) into a buffer, write(2) out of it: the way that always works, and the one the others are measured against.
//!
//! The CPU copies each byte twice; where one of the ends is memory, that is the buffer, and one of the two calls is all. Our own
//! buffer is the only place where bytes can be that have left the source and not
//! reached the sink, so it stays as it is when the sink blocks or fails.

use nix::errno::Errno;

use super::mover::gone;
use super::{Advance, Definition, Mover, Route, Stop, mechanism};
use crate::demand::Demand;
use crate::endpoint::{Facts, Kind};
use crate::error::Error;
use crate::probe::Probe;
use crate::step::Side;
use crate::sys::{Span, SpanMut, SyscallCounter, heap};

mechanism! {
    /// read(2) into a buffer, write(2) out of it. Works between any two ends; the CPU copies every byte twice.
    ReadWrite = "read_write",
    proven on FileToTcp, FileToTcpGather, FileToTcpNoGather, FileToTls, FileToPipe, FileToUnix,
        FileToFile, FileToFileMemory, FileToFileSharing, TcpToFile, TcpToTcp, FileToMemory, TcpToMemory, MemoryToPipe, MemoryToTcp;
}

/// 256 KiB: measured on ext4 and loopback TCP, larger buffers fall out of the cache and smaller ones cost more calls.
const BUFFER: usize = 256 << 10;

/// What every file system's `O_DIRECT` is content with.
const PAGE: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct ReadWrite {
    buffer: Vec<u8>,
    /// Where in it bytes are put: past the page cache (`O_DIRECT`) only to aligned places.
    base: usize,
    start: usize,
    end: usize,
}

impl Definition for ReadWrite {
    const PROBE: Probe = Probe::since(0, 0).here(|| Ok(Ok(())));

    fn impossible(_source: &Facts, _sink: &Facts, _demand: Demand) -> Option<&'static str> {
        None
    }

    /// Memory is its own buffer: only write(2) copies, or read(2).
    fn copies(source: Kind, sink: Kind) -> Option<u8> {
        Some(if [source, sink].contains(&Kind::Memory) { 1 } else { 2 })
    }
}

impl Mover for ReadWrite {
    fn advance(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        if let Some(memory) = route.source_end.memory() {
            return write_memory(memory, route, limit);
        }
        if let Some(room) = route.room(limit).filter(|room| limit > 0 && self.held() == 0 && takes(route, *room)) {
            return read_memory(room, route);
        }
        if self.start == self.end && limit > 0 {
            let wanted = limit.min(BUFFER as u64) as usize;
            // Past the page cache the last block is read whole, although the file ends in it, or the count.
            let in_blocks = route.source_facts().direct && route.source_facts().kind.is_seekable();
            let length = if in_blocks { wanted.next_multiple_of(PAGE) } else { wanted };
            if self.buffer.len() < self.base + length {
                let aligned = if route.source_facts().direct || route.sink_facts().direct { PAGE } else { 1 };
                self.buffer =
                    heap::zeroes(length + aligned - 1).map_err(|errno| Stop::Failed(Error::os("malloc", errno)))?;
                self.base = self.buffer.as_ptr().align_offset(aligned);
            }
            let space = &mut self.buffer[self.base..self.base + length];
            let read = if route.progress.stays_awake && route.source_facts().kind.is_socket() {
                route.calls.receive_now(route.source(), space)
            } else {
                route.calls.read(route.source(), route.source_at(), space)
            };
            match read {
                Ok(0) => return Ok(Advance::Ended),
                Ok(count) => {
                    let count = count.min(wanted);
                    (self.start, self.end) = (self.base, self.base + count);
                    route.took(count);
                }
                Err(Errno::EINTR) => return Ok(Advance::Interrupted),
                Err(Errno::EAGAIN) => return Ok(Advance::Blocked(Side::Source)),
                Err(errno) => return Err(Stop::Failed(Error::os("read", errno))),
            }
        }
        let held = &self.buffer[self.start..self.end];
        let advance = write(held.into(), route)?;
        if let Advance::Moved(count) = advance {
            self.start += count as usize;
        }
        Ok(advance)
    }

    fn held(&self) -> usize {
        self.end - self.start
    }

    fn may_sleep(&self, source: &Facts, sink: &Facts) -> bool {
        let is_told = source.kind == Kind::Memory && sink.kind.is_socket();
        !(is_told || source.kind.is_socket() && sink.kind == Kind::File)
    }

    fn take_pending(&mut self, _calls: &mut SyscallCounter) -> Result<Vec<u8>, Error> {
        let held = self.buffer[self.start..self.end].to_vec();
        self.start = self.end;
        Ok(held)
    }
}

/// Memory is its own buffer: write(2) takes it from where it is.
fn write_memory(memory: Span<'_>, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
    let rest = memory.part(route.source_at().unwrap_or(0), limit);
    if rest.len() == 0 {
        return Ok(Advance::Ended);
    }
    let advance = write(rest, route)?;
    if let Advance::Moved(count) = advance {
        route.took(count as usize);
    }
    Ok(advance)
}

/// Whether the source reads straight into that memory: past the page cache (`O_DIRECT`) only whole pages of it.
fn takes(route: &Route<'_>, room: SpanMut<'_>) -> bool {
    let aligned = |number: usize| number.is_multiple_of(PAGE);
    !route.source_facts().direct || aligned(room.as_mut_ptr() as usize) && aligned(room.len())
}

/// Memory is its own buffer: read(2) puts it where it belongs.
fn read_memory(room: SpanMut<'_>, route: &mut Route<'_>) -> Result<Advance, Stop> {
    match route.calls.read_span(route.source(), route.source_at(), room) {
        Ok(0) => Ok(Advance::Ended),
        Ok(count) => Ok(route.moved(count, count)),
        Err(Errno::EINTR) => Ok(Advance::Interrupted),
        Err(Errno::EAGAIN) => Ok(Advance::Blocked(Side::Source)),
        Err(Errno::EFAULT) => Err(Stop::Failed(gone("read"))),
        Err(errno) => Err(Stop::Failed(Error::os("read", errno))),
    }
}

fn write(bytes: Span<'_>, route: &mut Route<'_>) -> Result<Advance, Stop> {
    match route.put(bytes) {
        Ok(count) if count > 0 => Ok(route.delivered(count, bytes.len())),
        // No device is allowed to accept nothing and say nothing.
        Ok(_) => Err(Stop::Failed(Error::os("write", Errno::EIO))),
        Err(Errno::EINTR) => Ok(Advance::Interrupted),
        Err(Errno::EAGAIN) => Ok(Advance::Blocked(Side::Sink)),
        Err(errno) => Err(Stop::Failed(Error::os("write", errno))),
    }
}
