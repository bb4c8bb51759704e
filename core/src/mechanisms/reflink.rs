//! FICLONE and FICLONERANGE: the sink gets the source's own blocks, and a write to either file later makes a copy of the
//! blocks it touches. Nothing is read, whatever the length.
//!
//! Only whole blocks can be shared, and the last block of a file. What lies beside them, at most a block at each end, is
//! read and written; that works only where both ranges begin at the same distance from a block border. The clone comes
//! before any of that, so that a file system that cannot do it has refused before a byte is written.

use std::ops::Range;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;

use super::read_write::ReadWrite;
use super::{APPENDS, Advance, Definition, Mover, Route, Stop, mechanism};
use crate::demand::Demand;
use crate::endpoint::{Facts, Kind, sharing};
use crate::error::{Error, not_here};
use crate::probe::Probe;
use crate::sys::{self, SyscallCounter, heap};

mechanism! {
    /// `ioctl_ficlone(2)`: file to file on one file system that can (XFS, btrfs); both then own the same blocks until one
    /// of them writes. Bytes beside the first and last whole block are copied.
    Reflink = "reflink", proven on FileToFile, FileToFileSharing;
}

#[derive(Debug, Default)]
pub(super) struct Reflink {
    /// What is behind the last whole block, once everything before it has been cloned.
    tail: Option<ReadWrite>,
}

impl Definition for Reflink {
    const PROBE: Probe = Probe::since(4, 5).on_files(sys::probe::clone_file);

    fn impossible(source: &Facts, sink: &Facts, _demand: Demand) -> Option<&'static str> {
        match (source.kind, sink.kind) {
            _ if source.direct || sink.direct => {
                Some("an end was opened with O_DIRECT, and less than a block is copied")
            }
            (Kind::File, Kind::File) => sink.append.then_some(APPENDS),
            _ => Some("both ends must be regular files"),
        }
    }

    /// A clone shares its blocks. Bytes beside whole blocks, less than two blocks of them, are copied and not counted.
    fn copies(_source: Kind, _sink: Kind) -> Option<u8> {
        Some(0)
    }
}

impl Mover for Reflink {
    fn advance(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        let advanced = self.share(route, limit);
        if let Err(Stop::Refused(error)) = &advanced
            && matches!(error.errno(), Some(libc::EOPNOTSUPP | libc::ENOTTY))
        {
            sharing::forget(route.sink_facts().identity.0);
        }
        advanced
    }

    fn held(&self) -> usize {
        self.tail.as_ref().map_or(0, Mover::held)
    }

    fn take_pending(&mut self, calls: &mut SyscallCounter) -> Result<Vec<u8>, Error> {
        self.tail.as_mut().map_or(Ok(Vec::new()), |tail| tail.take_pending(calls))
    }
}

impl Reflink {
    fn share(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        if let Some(tail) = &mut self.tail {
            return tail.advance(route, limit);
        }
        let source_at = route.source_at().unwrap_or(0);
        let size = route.calls.size(route.source()).map_err(failed("fstat"))?;
        if size == 0 {
            route.refuse_without_size()?;
        }
        let length = size.saturating_sub(source_at).min(limit);
        if length == 0 {
            return Ok(Advance::Ended);
        }
        if route.progress.is_unsettled && !route.sink_end.is_without_name() {
            // Under a clone there may be nothing more: asked first, because a refusal must not cost what is there.
            let asked = route.calls.clone_end(route.source(), size, route.sink());
            asked.map_err(|errno| refused("ioctl_ficlonerange", errno))?;
            route.empty_sink()?;
        }
        let sink_at = match route.sink_at() {
            Some(at) => at,
            None => route.calls.position(route.sink()).map_err(failed("lseek"))?,
        };
        let sink_size = route.calls.size(route.sink()).map_err(failed("fstat"))?;
        let cloned = if source_at == 0 && sink_at == 0 && sink_size == 0 && limit > size {
            whole(route)?
        } else {
            let range = source_at..source_at + length;
            part(route, range, Ends { source_size: size, sink_at, sink_size })?
        };
        let Some(cloned) = cloned else { return Ok(Advance::Moved(0)) };
        if cloned < length {
            self.tail = Some(ReadWrite::default());
        }
        let moved = route.moved(cloned as usize, cloned as usize);
        // A clone leaves the sink's position alone.
        if route.sink_at().is_none() {
            route.calls.seek(route.sink(), sink_at + cloned).map_err(failed("lseek"))?;
        }
        Ok(moved)
    }
}

/// Whether the kernel would clone from one file to the other, asked by cloning the nothing behind the source's end: its
/// refusal, or `Ok` with nothing changed.
pub(crate) fn ask(source: BorrowedFd<'_>, source_size: u64, sink: BorrowedFd<'_>) -> Result<(), Error> {
    SyscallCounter::default().clone_end(source, source_size, sink).map_err(|errno| {
        match refused("ioctl_ficlonerange", errno) {
            Stop::Refused(error) | Stop::Failed(error) => error,
        }
    })
}

/// Where a range of the source is to go, and where the two files end now.
#[derive(Clone, Copy)]
struct Ends {
    source_size: u64,
    sink_at: u64,
    sink_size: u64,
}

/// Clones a file as it is at the moment of the call, however it grows or shrinks beside it, into an empty one.
fn whole(route: &mut Route<'_>) -> Result<Option<u64>, Stop> {
    match route.calls.clone_file(route.source(), route.sink()) {
        Ok(()) => route.calls.size(route.sink()).map(Some).map_err(failed("fstat")),
        Err(Errno::EINTR) => Ok(None),
        Err(errno) => Err(refused("ioctl_ficlone", errno)),
    }
}

/// Clones the whole blocks of a range of the source, then copies what is before them. Gives the bytes from the range's
/// start on that are then in the sink; `None` if a signal came, or the source's end moved and must be looked for again.
fn part(route: &mut Route<'_>, range: Range<u64>, ends: Ends) -> Result<Option<u64>, Stop> {
    let block = route.calls.block_size(route.sink()).map_err(failed("fstatfs"))?;
    let blocks = match whole_blocks(&range, ends, block) {
        Some(blocks) => blocks,
        // The source has grown by less than a block behind what was cloned.
        None if route.progress.delivered > 0 => return Ok(Some(0)),
        // No whole block, or borders that do not meet: whether that is all that is wrong, the kernel shall say.
        None => range.clone(),
    };
    let head = blocks.start - range.start;
    let length = blocks.end - blocks.start;
    match route.calls.clone_range(route.source(), blocks.start, length, route.sink(), ends.sink_at + head) {
        Ok(()) => {}
        Err(Errno::EINTR) => return Ok(None),
        Err(Errno::EINVAL) if route.calls.size(route.source()) != Ok(ends.source_size) => return Ok(None),
        Err(errno) => return Err(refused("ioctl_ficlonerange", errno)),
    }
    copy_head(route, range.start, ends.sink_at, head)?;
    Ok(Some(head + length))
}

/// The part of a range that can be shared: from its first block border to its last, or to the end of the source if the
/// sink has nothing behind that.
fn whole_blocks(range: &Range<u64>, ends: Ends, block: u64) -> Option<Range<u64>> {
    if range.start % block != ends.sink_at % block {
        return None;
    }
    let start = range.start.checked_next_multiple_of(block)?;
    let to_the_end = range.end == ends.source_size && ends.sink_at + (range.end - range.start) >= ends.sink_size;
    let end = if to_the_end { range.end } else { range.end - range.end % block };
    (start < end).then_some(start..end)
}

/// Copies the bytes before the first block border.
fn copy_head(route: &mut Route<'_>, source_at: u64, sink_at: u64, length: u64) -> Result<(), Stop> {
    let mut head = heap::zeroes(length as usize).map_err(failed("malloc"))?;
    let mut read = 0;
    while read < head.len() {
        match route.calls.read(route.source(), Some(source_at + read as u64), &mut head[read..]) {
            // Cut short since: what was there reads as zeroes in the sink, as after any write behind the end of a file.
            Ok(0) => break,
            Ok(count) => read += count,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(failed("read")(errno)),
        }
    }
    let mut written = 0;
    while written < head.len() {
        match route.calls.write(route.sink(), Some(sink_at + written as u64), &head[written..]) {
            Ok(0) => return Err(failed("write")(Errno::EIO)),
            Ok(count) => written += count,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(failed("write")(errno)),
        }
    }
    Ok(())
}

fn failed(operation: &'static str) -> impl Fn(Errno) -> Stop {
    move |errno| Stop::Failed(Error::os(operation, errno))
}

fn refused(operation: &'static str, errno: Errno) -> Stop {
    match errno {
        // XFS says so when the allocation group of the blocks has no room for one more count of owners; a copy can lie
        // elsewhere. It stays what it is for who named the mechanism: no room.
        Errno::ENOSPC => Stop::Refused(Error::os(operation, errno)),
        _ => Stop::sort(operation, errno, refusal),
    }
}

fn refusal(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::EOPNOTSUPP | Errno::ENOTTY => Some("the file system cannot share blocks between files"),
        Errno::EXDEV => Some("the files are on different file systems"),
        // Files of a kind that the file system does not share: without checksums on btrfs, on the real-time device or with
        // DAX on XFS.
        Errno::EINVAL => Some("the file system does not share blocks of these files or ranges"),
        Errno::ETXTBSY => Some("one of the files is in use for swapping"),
        Errno::EBADF | Errno::EISDIR => Some("the file system refused these files"),
        _ => not_here(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_blocks_end_at_borders_or_where_both_files_do() {
        let blocks = |range: Range<u64>, sink_at, sink_size| {
            whole_blocks(&range, Ends { source_size: 10_000, sink_at, sink_size }, 4096)
        };
        assert_eq!(blocks(0..10_000, 0, 0), Some(0..10_000));
        assert_eq!(blocks(0..10_000, 0, 10_000), Some(0..10_000));
        assert_eq!(blocks(0..10_000, 0, 10_001), Some(0..8192));
        assert_eq!(blocks(0..9_999, 0, 0), Some(0..8192));
        assert_eq!(blocks(1..10_000, 4097, 0), Some(4096..10_000));
        assert_eq!(blocks(1..10_000, 2, 0), None);
        assert_eq!(blocks(1..4096, 1, 0), None);
        assert_eq!(blocks(8193..10_000, 1, 0), None);
        assert_eq!(blocks(8192..10_000, 0, 1808), Some(8192..10_000));
        assert_eq!(blocks(8192..10_000, 0, 1809), None);
    }
}
