//! Many reads at work: their files, what has become of each.

use std::collections::HashMap;
use std::ptr;

use super::piece::Piece;
use super::read_at::ReadAt;
use super::source::Source;
use crate::batch::BatchProgress;
use crate::batch::watcher::Watcher;
use crate::endpoint::{Endpoint, Entered};
use crate::error::{Error, ErrorKind, Result};
use crate::hold::Hold;
use crate::region::copy_between;
use crate::sys::{SpanMut, SyscallCounter};
use nix::errno::Errno;

/// So many files are looked for one by one.
const FEW: usize = 8;

/// The reads and their results.
pub(super) struct Run<'a, 'm> {
    pub reads: &'a [ReadAt<'m>],
    sources: Sources<'a>,
    /// The number of each read's file.
    numbers: Vec<usize>,
    results: Vec<Option<Result<usize>>>,
    pub calls: SyscallCounter,
    /// Of the reads that are over.
    pub progress: BatchProgress,
    pub watcher: Watcher<'a>,
}

/// The files, each one asked for its facts once.
#[derive(Default)]
struct Sources<'a> {
    all: Vec<Source<'a>>,
    /// Of more than a [`FEW`], by address.
    index: HashMap<*const Endpoint<'a>, usize>,
}

impl<'a> Sources<'a> {
    fn number(&mut self, end: &'a Endpoint<'a>, calls: &mut SyscallCounter) -> usize {
        let known = match self.all.len() {
            0..FEW => self.all.iter().rposition(|source| ptr::eq(source.end, end)),
            FEW.. => self.index.get(&ptr::from_ref(end)).copied(),
        };
        known.unwrap_or_else(|| {
            self.all.push(Source::new(end, calls));
            if self.all.len() == FEW {
                self.index = self.all.iter().enumerate().map(|(at, source)| (ptr::from_ref(source.end), at)).collect();
            } else if self.all.len() > FEW {
                self.index.insert(ptr::from_ref(end), self.all.len() - 1);
            }
            self.all.len() - 1
        })
    }
}

impl<'a, 'm> Run<'a, 'm> {
    pub fn new(reads: &'a [ReadAt<'m>], watcher: Watcher<'a>) -> Self {
        let (mut sources, mut calls) = (Sources::default(), SyscallCounter::default());
        let numbers = reads.iter().map(|read| sources.number(read.file, &mut calls)).collect();
        let results = reads.iter().map(|_| None).collect();
        Self { reads, sources, numbers, results, calls, progress: BatchProgress::default(), watcher }
    }

    /// The number of a read's file.
    pub fn number(&self, read: usize) -> usize {
        self.numbers[read]
    }

    /// The file of a read.
    pub fn source(&self, read: usize) -> &Source<'a> {
        &self.sources.all[self.numbers[read]]
    }

    /// A function that says the same, to several threads.
    pub fn sources<'r>(&'r self) -> impl Fn(usize) -> &'r Source<'a> + Sync + use<'r, 'a, 'm> {
        let (all, numbers) = (&self.sources.all, &self.numbers);
        |read| &all[numbers[read]]
    }

    /// Whether some file is read past the page cache.
    pub fn is_direct(&self) -> bool {
        self.sources.all.iter().any(|source| source.block > 1)
    }

    /// Whether a read is over.
    pub fn is_over(&self, read: usize) -> bool {
        self.results[read].is_some()
    }

    /// A read is over.
    #[inline]
    pub fn finish_read(&mut self, read: usize, result: Result<usize>) {
        self.progress.items += 1;
        self.progress.bytes += result.as_ref().map_or_else(Error::moved, |&count| count as u64);
        self.results[read] = Some(result);
    }

    /// The results, and the number of system calls. Asks each file whether it is still what it was: if it is not, nobody knows
    /// whose bytes were read.
    pub fn finish(mut self) -> (Vec<Result<usize>>, u64) {
        for (number, source) in self.sources.all.iter().enumerate().filter(|(_, source)| source.end.is_kept()) {
            let Err(error) = source.end.check(&mut self.calls) else { continue };
            for (of, result) in self.numbers.iter().zip(&mut self.results) {
                if let (true, Some(Ok(count))) = (*of == number, &result) {
                    *result = Some(Err(error.clone().after(*count as u64)));
                }
            }
        }
        let results = self.results.into_iter().map(|result| result.unwrap_or_else(|| Err(cancelled())));
        (results.collect(), self.calls.made)
    }
}

/// The error of a read that the watcher has not let be made.
pub(super) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "stopped by the caller")
}

/// The memory of a read while the kernel may write into it.
pub(super) struct Filled(#[allow(dead_code)] Entered);

impl Filled {
    /// Holds the memory, if it is a region's.
    pub fn new(read: &ReadAt<'_>) -> Result<Self> {
        Entered::of(read.hold.as_ref()).map(Self)
    }

    /// The result of a read that has filled the memory so far.
    pub fn answer(self, read: &ReadAt<'_>, done: usize) -> Result<usize> {
        drop(self);
        let whole = read.hold.as_deref().map_or(Ok(()), Hold::check);
        whole.map_err(|error| error.after(done as u64)).map(|()| done)
    }
}

/// Notes what a call has brought: whether the read is over, with so many bytes in its memory. What went to a buffer is copied
/// from there.
pub(super) fn take(
    read: &ReadAt<'_>,
    source: &Source<'_>,
    (piece, buffer): (Piece, SpanMut<'_>),
    count: usize,
    done: &mut usize,
) -> Result<bool> {
    let gain = piece.gain(count, source.block);
    if piece.bounced {
        let from = piece.wanted(buffer, gain).as_span();
        let mut copied = 0;
        while copied < gain.bytes {
            let rest = read.into.part((*done + copied) as u64, u64::MAX);
            match copy_between(from.part(copied as u64, u64::MAX), rest) {
                Err(Errno::EINTR) => {}
                // The memory is gone: of a region, whose file was cut short.
                Ok(0) | Err(_) => {
                    let at = piece.at + copied as u64;
                    return Err(source.failed(Errno::EFAULT, at).after((*done + copied) as u64));
                }
                Ok(count) => copied += count,
            }
        }
    }
    *done += gain.bytes;
    Ok(gain.ended || *done == read.into.len())
}
