//! The disk as a sink: one buffer is filled while others are being written, so that the disk never waits for the next.
//!
//! A buffer's index and the file's offset are congruent modulo the alignment, so that whole blocks can go to the disk from
//! where they are. What does not fill a block (the head of an unaligned start, the tail at the end) goes through the page
//! cache. Bytes in here have left their source: they stay until the disk has them.

use std::collections::VecDeque;
use std::ops::Range;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::disk::{AT_DISK, BUFFER, alignment, new_buffer, refusal, refused_write};
use super::reader::Reader;
use super::worker::{Direction, Done, Job, Worker};
use crate::buffer::AlignedBuffer;
use crate::error::Error;
use crate::mechanisms::{Advance, Route, Stop};
use crate::region::copy_from;
use crate::step::Side;

#[derive(Debug)]
pub(super) struct Writer {
    worker: Worker,
    /// For heads and tails, if the sink itself is `O_DIRECT` and cannot take them; started for the first.
    buffered: Option<Worker>,
    alignment: usize,
    /// The sink's own position when the transfer began, if that is where it writes.
    position: Option<u64>,
    /// The buffer that is being filled; its range is what is in it, its `at` the file offset of the range's start.
    filling: Job,
    spare: Vec<AlignedBuffer>,
    /// Pieces the disk has refused, in the order of the file: written again before anything else.
    refused: VecDeque<Job>,
    /// Bytes at the disk.
    at_disk: usize,
    ended: bool,
    /// The source's failure: told when what it gave before is on the disk, because a socket tells it only once.
    broken: Option<Error>,
}

impl Writer {
    pub fn open(route: &mut Route<'_>) -> Result<Self, Stop> {
        let sink = route.sink();
        let alignment = alignment(route.calls, sink)?;
        let worker = Worker::start(route.calls, sink, OFlag::O_WRONLY | OFlag::O_DIRECT, Direction::Write)?;
        let (at, position) = if let Some(at) = route.sink_at() {
            (at, None)
        } else {
            let at = route.calls.position(sink).map_err(|errno| Stop::Failed(Error::os("lseek", errno)))?;
            // Something may have been delivered before, by another mechanism or by a writer that gave its bytes back.
            (at, Some(at - route.progress.delivered))
        };
        let start = (at % alignment as u64) as usize;
        let filling = Job { buffer: new_buffer()?, range: start..start, at };
        Ok(Self {
            worker,
            buffered: None,
            alignment,
            position,
            filling,
            spare: Vec::new(),
            refused: VecDeque::new(),
            at_disk: 0,
            ended: false,
            broken: None,
        })
    }

    /// Bytes taken and not on the disk yet.
    pub fn held(&self) -> usize {
        self.filling.range.len() + self.at_disk + self.refused.iter().map(|job| job.range.len()).sum::<usize>()
    }

    /// Whether there is room to take more before anything goes to the disk.
    pub fn wants_more(&self) -> bool {
        self.filling.range.end < BUFFER && !self.ended && self.refused.is_empty()
    }

    /// Collects what the disk has done, fills the buffer, gives it to the disk when it is full or nothing more will come.
    pub fn advance(&mut self, route: &mut Route<'_>, limit: u64, reader: Option<&mut Reader>) -> Result<Advance, Stop> {
        if let Some(done) = self.worker.poll(route.calls) {
            return self.wrote(route, done);
        }
        if !self.refused.is_empty() {
            return self.write_refused(route);
        }
        let mut wanted = limit.min((BUFFER - self.filling.range.end) as u64);
        if wanted > 0 && !self.ended {
            match self.fill(route, wanted, reader)? {
                Advance::Moved(count) => wanted = limit - count,
                Advance::Ended => self.ended = true,
                stopped @ (Advance::Blocked(_) | Advance::Interrupted) => return Ok(stopped),
            }
        }
        if self.filling.range.end < BUFFER && !self.ended && wanted > 0 {
            return Ok(Advance::Moved(0));
        }
        self.flush(route)
    }

    /// Waits for what is at the disk and counts what it has taken; what it refused stays here.
    pub fn collect(&mut self, route: &mut Route<'_>) {
        while self.worker.in_flight() > 0 {
            let done = self.worker.wait(route.calls);
            // An error is met again when the piece is tried again.
            let _ = self.wrote(route, done);
        }
    }

    /// Whatever is held, in order, for a source that cannot be read again, and its failure if it has one that is not told
    /// yet. Nothing may be at the disk ([`Self::collect`]).
    pub fn take_pending(self) -> (Vec<u8>, Option<Error>) {
        debug_assert_eq!(self.at_disk, 0, "bytes at the disk are neither here nor there");
        let mut bytes = Vec::new();
        for job in self.refused.iter().chain([&self.filling]) {
            bytes.extend_from_slice(&job.buffer[job.range.clone()]);
        }
        (bytes, self.broken)
    }

    /// Takes bytes out of the source into the buffer.
    fn fill(&mut self, route: &mut Route<'_>, wanted: u64, reader: Option<&mut Reader>) -> Result<Advance, Stop> {
        let start = self.filling.range.end;
        let space = &mut self.filling.buffer[start..start + wanted as usize];
        let result = if let Some(reader) = reader {
            let bytes = reader.bytes(route, wanted)?;
            let count = bytes.len();
            space[..count].copy_from_slice(bytes);
            reader.consume(count);
            Ok(count)
        } else if let Some(memory) = route.source_end.memory() {
            copy_from(memory.part(route.source_at().unwrap_or(0), wanted), space)
        } else {
            route.calls.read(route.source(), route.source_at(), space)
        };
        match result {
            Ok(0) => Ok(Advance::Ended),
            Ok(count) => {
                self.filling.range.end += count;
                route.took(count);
                Ok(Advance::Moved(count as u64))
            }
            Err(Errno::EINTR) => Ok(Advance::Interrupted),
            Err(Errno::EAGAIN) => Ok(Advance::Blocked(Side::Source)),
            Err(errno) => {
                self.broken = Some(Error::os("read", errno));
                Ok(Advance::Ended)
            }
        }
    }

    /// Gives what is in the buffer to the disk: whole blocks to the worker, the rest through the page cache.
    fn flush(&mut self, route: &mut Route<'_>) -> Result<Advance, Stop> {
        let range = self.filling.range.clone();
        let blocks_end = range.end - range.end % self.alignment;
        let is_blocks = range.start.is_multiple_of(self.alignment) && blocks_end > range.start;
        // What is written here rather than by the worker has its turn after all that the worker has.
        if self.worker.in_flight() >= if is_blocks { AT_DISK } else { 1 } {
            let done = self.worker.wait(route.calls);
            return self.wrote(route, done);
        }
        if range.is_empty() {
            if let Some(error) = self.broken.take() {
                self.ended = false;
                return Err(Stop::Failed(error));
            }
            return Ok(if self.ended { Advance::Ended } else { Advance::Moved(0) });
        }
        if !is_blocks {
            let next_block = (range.start + 1).next_multiple_of(self.alignment);
            return self.write_buffered(route, next_block.min(range.end));
        }
        // The tail behind the last whole block moves to another buffer, at the same place within its block.
        let mut next = match self.spare.pop() {
            Some(buffer) => buffer,
            None => new_buffer()?,
        };
        let tail = blocks_end..range.end;
        next[..tail.len()].copy_from_slice(&self.filling.buffer[tail.clone()]);
        let at = self.filling.at + (blocks_end - range.start) as u64;
        let next = Job { buffer: next, range: 0..tail.len(), at };
        let full = std::mem::replace(&mut self.filling, next);
        self.give_to_disk(Job { range: range.start..blocks_end, ..full });
        if route.progress.is_unsettled {
            // The first bytes are settled by the step that has written them: later the sink's descriptor may be somebody else's.
            let done = self.worker.wait(route.calls);
            return self.wrote(route, done);
        }
        Ok(Advance::Moved(0))
    }

    fn give_to_disk(&mut self, job: Job) {
        self.at_disk += job.range.len();
        self.worker.submit(job);
    }

    /// A piece that is no block, through the page cache; `end` is its end in the buffer.
    fn write_buffered(&mut self, route: &mut Route<'_>, end: usize) -> Result<Advance, Stop> {
        let range = self.filling.range.start..end;
        let length = range.len();
        let result = if route.sink_facts().direct {
            self.write_apart(route, range)?
        } else {
            route.calls.write(route.sink(), Some(self.filling.at), &self.filling.buffer[range])
        };
        match result {
            Ok(count) if count > 0 => {
                self.filling.range.start += count;
                self.filling.at += count as u64;
                // An empty buffer starts again at its beginning, at the same place within a block.
                if self.filling.range.is_empty() {
                    let start = self.filling.range.start % self.alignment;
                    self.filling.range = start..start;
                }
                self.delivered(route, count, length)
            }
            Ok(_) => Err(Stop::Failed(Error::os("pwrite", Errno::EIO))),
            Err(Errno::EINTR) => Ok(Advance::Interrupted),
            Err(errno) => Err(Stop::Failed(Error::os("pwrite", errno))),
        }
    }

    /// Has a copy of that piece written through the page cache, and waits for it.
    fn write_apart(&mut self, route: &mut Route<'_>, range: Range<usize>) -> Result<Result<usize, Errno>, Stop> {
        let worker = match &mut self.buffered {
            Some(worker) => worker,
            none => none.insert(Worker::start(route.calls, route.sink(), OFlag::O_WRONLY, Direction::Write)?),
        };
        let mut piece = AlignedBuffer::new(range.len()).map_err(Stop::Failed)?;
        let length = range.len();
        piece[..length].copy_from_slice(&self.filling.buffer[range]);
        worker.submit(Job { buffer: piece, range: 0..length, at: self.filling.at });
        Ok(worker.wait(route.calls).result.expect("nothing is before it"))
    }

    /// Tries the first refused piece again, here and now, when everything behind it has come back.
    fn write_refused(&mut self, route: &mut Route<'_>) -> Result<Advance, Stop> {
        if self.worker.in_flight() == 0
            && let Some(job) = self.refused.pop_front()
        {
            self.give_to_disk(job);
        }
        let done = self.worker.wait(route.calls);
        self.wrote(route, done)
    }

    /// The disk has answered.
    fn wrote(&mut self, route: &mut Route<'_>, done: Done) -> Result<Advance, Stop> {
        let Done { mut job, result, .. } = done;
        let length = job.range.len();
        self.at_disk -= length;
        let bytes = job.at..job.at + length as u64;
        let count = result.and_then(Result::ok).unwrap_or(0);
        job.range.start += count;
        job.at += count as u64;
        if job.range.is_empty() {
            self.spare.push(job.buffer);
        } else {
            let place = self.refused.partition_point(|other| other.at < job.at);
            self.refused.insert(place, job);
        }
        match result {
            // One before it was refused, and that was told.
            None => Ok(Advance::Moved(0)),
            Some(Ok(0)) => Err(Stop::Failed(Error::os("pwrite", Errno::EIO))),
            Some(Ok(count)) => self.delivered(route, count, length),
            Some(Err(errno)) => Err(Stop::sort("pwrite", refused_write(errno, bytes), refusal)),
        }
    }

    fn delivered(&mut self, route: &mut Route<'_>, count: usize, of: usize) -> Result<Advance, Stop> {
        let advance = route.delivered(count, of);
        if let Some(position) = self.position.filter(|_| !route.progress.sink_lost) {
            let to = position + route.progress.delivered;
            route.calls.seek(route.sink(), to).map_err(|errno| Stop::Failed(Error::os("lseek", errno)))?;
        }
        Ok(advance)
    }
}
