//! Reads by pread(2): one after the other where the bytes are in the page cache or only one read is wanted at a time, else by as
//! many threads as reads are wanted in flight.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use nix::errno::Errno;

use super::piece::{BOUNCE, Piece};
use super::read_at::ReadAt;
use super::run::{Filled, Run, take};
use super::source::Source;
use crate::buffer::AlignedBuffer;
use crate::drive::WATCH_EVERY;
use crate::error::Result;
use crate::sys::threads::without_signals;
use crate::sys::{SpanMut, SyscallCounter};

/// Makes all the reads that are not over.
pub(super) fn run(run: &mut Run<'_, '_>, depth: usize) {
    let mut reader = Reader::default();
    for read in 0..run.reads.len() {
        if run.is_over(read) {
            continue;
        }
        if run.watcher.ask_if_due(run.progress) {
            break;
        }
        let alone = depth == 1 || read + 1 == run.reads.len();
        if let Some(count) = reader.at_once(&run.reads[read], run.source(read), alone) {
            run.finish_read(read, Ok(count));
            continue;
        }
        match reader.try_read(&run.reads[read], run.source(read), alone).transpose() {
            Some(result) => run.finish_read(read, result),
            None => return by_threads(run, reader, depth),
        }
    }
    run.calls.made += reader.calls.made;
}

/// Makes the reads that are not over, by several threads. They have ended whenever the watcher is asked: a child of fork(2)
/// that it makes has none of them.
fn by_threads(run: &mut Run<'_, '_>, mut reader: Reader, depth: usize) {
    let waiting: Vec<usize> = (0..run.reads.len()).filter(|&read| !run.is_over(read)).collect();
    let next = AtomicUsize::new(0);
    while next.load(Ordering::Relaxed) < waiting.len() {
        let until = run.watcher.is_there().then(|| Instant::now() + WATCH_EVERY);
        let (reads, sources) = (run.reads, run.sources());
        let work = |reader: &mut Reader| {
            let mut answered = Vec::new();
            while until.is_none_or(|until| Instant::now() < until) {
                let Some(&read) = waiting.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                answered.push((read, reader.read(&reads[read], sources(read))));
            }
            answered
        };
        let help = || {
            let mut reader = Reader::default();
            (work(&mut reader), reader.calls.made)
        };
        let answered = thread::scope(|scope| {
            let helpers = 1..depth.min(waiting.len());
            // Where no more threads are to be had, fewer do it.
            let start = |_| thread::Builder::new().spawn_scoped(scope, help).ok();
            let helpers: Vec<_> = without_signals(|| helpers.map_while(start).collect());
            let mut answered = work(&mut reader);
            for helper in helpers {
                let (more, calls) = helper.join().unwrap_or_else(|panic| resume_unwind(panic));
                answered.extend(more);
                reader.calls.made += calls;
            }
            answered
        });
        drop(sources);
        for (read, result) in answered {
            run.finish_read(read, result);
        }
        if run.watcher.ask(run.progress) {
            break;
        }
    }
    run.calls.made += reader.calls.made;
}

/// What one thread reads with.
#[derive(Default)]
pub(super) struct Reader {
    pub calls: SyscallCounter,
    bounce: Option<AlignedBuffer>,
}

impl Reader {
    /// Makes one read of a file that nobody has to be asked about, in one call: `None` if that was not all of it, for whatever
    /// reason. What else is done for a read would be seen in the time it takes.
    #[inline]
    fn at_once(&mut self, read: &ReadAt<'_>, source: &Source<'_>, may_wait: bool) -> Option<usize> {
        if !source.is_plain || read.hold.is_some() {
            return None;
        }
        let (fd, length) = (source.end.descriptor()?, read.into.len());
        let count = if may_wait {
            self.calls.read_span(fd, Some(read.offset), read.into)
        } else {
            self.calls.read_cached(fd, read.offset, read.into)
        };
        count.ok().filter(|&count| count == length)
    }

    /// Makes one read.
    pub fn read(&mut self, read: &ReadAt<'_>, source: &Source<'_>) -> Result<usize> {
        self.try_read(read, source, true).map(|done| done.expect("it may wait"))
    }

    /// As [`Reader::read`]. `None`, if it may not wait for a disk and would have to.
    fn try_read(&mut self, read: &ReadAt<'_>, source: &Source<'_>, may_wait: bool) -> Result<Option<usize>> {
        source.check(read.offset, read.into.len())?;
        let _entered = source.end.enter()?;
        let filled = Filled::new(read)?;
        let mut done = 0;
        if !may_wait && read.into.len() > 0 {
            if source.block > 1 {
                return Ok(None);
            }
            match self.calls.read_cached(source.end.fd(), read.offset, read.into) {
                Ok(count) => done = count,
                Err(Errno::EAGAIN) => return Ok(None),
                // This file system, or this kernel, does not know how not to wait; or the read below says it better.
                Err(_) => {}
            }
        }
        let Self { calls, bounce } = self;
        while done < read.into.len() {
            let piece = Piece::next(read.offset, read.into, done, source.block);
            let into = if piece.bounced {
                buffer(bounce)?.part(0, piece.length as u64)
            } else {
                read.into.part(done as u64, piece.length as u64)
            };
            let over = match calls.read_span(source.end.fd(), Some(piece.at), into) {
                Err(Errno::EINTR) => false,
                Err(errno) => return Err(source.failed(errno, piece.at).after(done as u64)),
                Ok(count) => take(read, source, (piece, into), count, &mut done)?,
            };
            if over {
                break;
            }
        }
        filled.answer(read, done).map(Some)
    }
}

fn buffer(kept: &mut Option<AlignedBuffer>) -> Result<SpanMut<'_>> {
    let buffer = match kept {
        Some(buffer) => buffer,
        None => kept.insert(AlignedBuffer::new(BOUNCE)?),
    };
    Ok(SpanMut::from(&mut buffer[..]))
}
