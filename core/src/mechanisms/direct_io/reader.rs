//! The disk as a source: reads ahead, two buffers at a time, and gives out what the transfer asks for next.
//!
//! Reads begin at multiples of the alignment; what lies before the first byte that is wanted is skipped. Everything here
//! can be thrown away at any time, because the file still has it.

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::disk::{AT_DISK, BUFFER, alignment, new_buffer, refusal};
use super::worker::{Direction, Job, Worker};
use crate::buffer::AlignedBuffer;
use crate::error::Error;
use crate::mechanisms::mover::gone;
use crate::mechanisms::{Route, Stop};
use crate::sys::{SpanMut, SyscallCounter};

#[derive(Debug)]
pub(super) struct Reader {
    worker: Worker,
    alignment: u64,
    /// The file offset of the next byte to give out.
    next: u64,
    /// The file offset of the next read to be asked for.
    ahead: u64,
    /// The buffer that is being given out; its range is what is left of it.
    current: Option<Job>,
    spare: Vec<AlignedBuffer>,
    ended: bool,
}

impl Reader {
    pub fn open(route: &mut Route<'_>) -> Result<Self, Stop> {
        let alignment = alignment(route.calls, route.source())? as u64;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECT;
        let worker = Worker::start(route.calls, route.source(), flags, Direction::Read)?;
        let next = route.source_at().unwrap_or(0);
        let ahead = next - next % alignment;
        Ok(Self { worker, alignment, next, ahead, current: None, spare: Vec::new(), ended: false })
    }

    /// What comes next, at most `limit` bytes; empty at the end of the file.
    pub fn bytes(&mut self, route: &mut Route<'_>, limit: u64) -> Result<&[u8], Stop> {
        while self.current.is_none() && !self.ended {
            self.read_ahead(limit)?;
            let done = self.worker.wait(route.calls);
            let (job, count) = match done.result.expect("a read is always tried") {
                Ok(count) => (done.job, count),
                Err(errno) => {
                    self.forget(done.job);
                    return Err(Stop::sort("pread", errno, refusal));
                }
            };
            self.arrived(job, count);
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.current.as_ref().map_or(&[], |job| {
            let length = job.range.len().min(limit);
            &job.buffer[job.range.start..job.range.start + length]
        }))
    }

    /// Reads what comes next straight into memory, as far as whole blocks of it and of the file go; gives back the count. 0 where
    /// the memory, or the place in the file, is not that of a block: [`Self::bytes`] has what comes there. (Of a block in which
    /// the file ends the disk would overwrite the memory behind the end, too.)
    pub fn fill(&mut self, memory: SpanMut<'_>, route: &mut Route<'_>) -> Result<usize, Stop> {
        if self.current.is_some() || self.worker.in_flight() > 0 || self.until_whole(memory) != 0 {
            return Ok(0);
        }
        let size = route.calls.size(route.source()).map_err(|errno| Stop::Failed(Error::os("fstat", errno)))?;
        let most = size.saturating_sub(self.next).min(memory.len() as u64);
        let whole = memory.part(0, most - most % self.alignment);
        if whole.len() == 0 {
            return Ok(0);
        }
        let count = self.worker.fill(whole, self.next, route.calls).map_err(|errno| match errno {
            Errno::EFAULT => Stop::Failed(gone("pread")),
            errno => Stop::sort("pread", errno, refusal),
        })?;
        self.next += count as u64;
        self.ahead = self.next - self.next % self.alignment;
        Ok(count)
    }

    /// How many bytes come before the first that [`Self::fill`] can read into that memory.
    pub fn until_whole(&self, memory: SpanMut<'_>) -> u64 {
        let (memory, file) = (memory.as_mut_ptr() as u64 % self.alignment, self.next % self.alignment);
        match file {
            0 if memory == 0 => 0,
            _ if memory == file => self.alignment - file,
            _ => u64::MAX,
        }
    }

    /// The first `count` bytes of what [`Self::bytes`] gave are done with.
    pub fn consume(&mut self, count: usize) {
        self.next += count as u64;
        if let Some(job) = &mut self.current {
            job.range.start += count;
            if job.range.is_empty() {
                let job = self.current.take();
                self.spare.extend(job.map(|job| job.buffer));
            }
        }
    }

    /// Keeps two buffers at the disk, as far as there is something left to be read.
    fn read_ahead(&mut self, limit: u64) -> Result<(), Stop> {
        let end = self.next.saturating_add(limit);
        while self.worker.in_flight() < AT_DISK && (self.ahead < end || self.worker.in_flight() == 0) {
            let buffer = match self.spare.pop() {
                Some(buffer) => buffer,
                None => new_buffer()?,
            };
            let wanted =
                (end - self.ahead.min(end)).next_multiple_of(self.alignment).clamp(self.alignment, BUFFER as u64);
            self.worker.submit(Job { buffer, range: 0..wanted as usize, at: self.ahead });
            self.ahead += wanted;
        }
        Ok(())
    }

    fn arrived(&mut self, job: Job, count: usize) {
        let end = job.at + count as u64;
        // A read that was cut short leaves a gap before the one that is already on its way: read that again.
        if job.at > self.next {
            self.ahead = self.next - self.next % self.alignment;
            self.spare.push(job.buffer);
            return;
        }
        if count < job.range.len() {
            // In the middle of a block only the end of the file does that.
            self.ended = !(end.is_multiple_of(self.alignment)) || count == 0;
            self.ahead = end;
        }
        if end <= self.next {
            self.spare.push(job.buffer);
            return;
        }
        let start = (self.next - job.at) as usize;
        self.current = Some(Job { range: start..count, ..job });
    }

    /// Nothing more is wanted: waits for what was read ahead in vain, so that its system calls are counted.
    pub fn stop(&mut self, calls: &mut SyscallCounter) {
        while self.worker.in_flight() > 0 {
            let done = self.worker.wait(calls);
            self.forget(done.job);
        }
    }

    /// A failed read: what is on its way behind it is of no use.
    fn forget(&mut self, job: Job) {
        self.spare.push(job.buffer);
        self.ahead = self.next - self.next % self.alignment;
    }
}
