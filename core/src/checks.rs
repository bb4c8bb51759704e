//! Everything that can be wrong with a request before a byte moves, in the order a user would want to hear it.
//!
//! Nothing here changes anything: a request that does not pass leaves both ends as they were.

use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

use crate::connection;
use crate::endpoint::{Endpoint, Kind};
use crate::error::{Error, ErrorKind, Result};
use crate::mechanism::Mechanism;
use crate::plan;
use crate::region::keeper;
use crate::request::Request;
use crate::sys::{Span, SyscallCounter, mappings};

/// The largest offset a file can have (`loff_t`).
pub(crate) const LAST_OFFSET: u64 = i64::MAX as u64;

/// `Ok` if the request makes sense between these ends.
pub(crate) fn check(source: &Endpoint<'_>, sink: &Endpoint<'_>, request: &Request) -> Result<()> {
    readable(source)?;
    writable(sink, request)?;
    offsets(source, sink, request)?;
    if let Some(mechanism) = request.mechanism
        && let Some(reason) = plan::impossible(mechanism, source.known(), sink.known(), request.demand())
    {
        let (from, to) = (source.known().kind.name(), sink.known().kind.name());
        return Err(Error::new(
            ErrorKind::Impossible,
            format!(
                "{mechanism} cannot move bytes from this {from} to this {to}: {reason}; leave the choice to zcio or name another mechanism"
            ),
        ));
    }
    same_object(source, sink)?;
    if sink.will_be_emptied() { connected(source) } else { Ok(()) }
}

/// A step returns while the kernel reads what it was given, and the caller may never step again: borrowed memory could be
/// somebody else's by then.
pub(crate) fn steppable(source: &Endpoint<'_>, request: &Request) -> Result<()> {
    if request.mechanism != Some(Mechanism::ZerocopySend)
        || source.known().kind != Kind::Memory
        || source.known().frozen
    {
        return Ok(());
    }
    let message = "zerocopy_send reads borrowed memory after a step has returned: run it to the end, step it with memory \
                   that it owns (Pages), or leave the choice to zcio";
    Err(Error::new(ErrorKind::Impossible, message))
}

/// An end that exists only on paper must not cost a destination its content, and is never ready: looks at a socket before.
pub(crate) fn connected(source: &Endpoint<'_>) -> Result<()> {
    let Some(fd) = source.descriptor().filter(|_| source.known().kind.is_socket()) else { return Ok(()) };
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    match recv(fd.as_raw_fd(), &mut [0], flags) {
        Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
        // Not connected, or reset: a socket says that once, and now is the time.
        Err(errno) => Err(connection::explain(Error::os("recv", errno), source)),
    }
}

/// `Ok` if the source is open for reading.
pub(crate) fn readable(source: &Endpoint<'_>) -> Result<()> {
    byte_stream(source, source.kind_of_source()?, "source")?;
    if source.known().readable {
        return Ok(());
    }
    let error = Error::new(ErrorKind::NotReadable, "the source is not open for reading").with_errno(Errno::EBADF);
    Err(error.at(source.path()))
}

fn writable(sink: &Endpoint<'_>, request: &Request) -> Result<()> {
    byte_stream(sink, sink.known().kind, "sink")?;
    let receives = sink.known().receives && request.mechanism == Some(Mechanism::ZerocopyReceive);
    if sink.known().writable || receives {
        return Ok(());
    }
    let message = match sink.known().kind {
        Kind::Memory if sink.known().receives => {
            "the sink is a region that receives: it is filled by zerocopy_receive, which must be named"
        }
        Kind::Memory => "the sink is memory that may only be read",
        _ => "the sink is not open for writing",
    };
    Err(Error::new(ErrorKind::NotWritable, message).with_errno(Errno::EBADF).at(sink.path()))
}

#[inline] // It is one for nearly every transfer, and the message takes longer.
fn byte_stream(end: &Endpoint<'_>, kind: Kind, role: &str) -> Result<()> {
    if matches!(kind, Kind::Directory | Kind::Other) { Err(no_byte_stream(end, kind, role)) } else { Ok(()) }
}

#[cold]
fn no_byte_stream(end: &Endpoint<'_>, kind: Kind, role: &str) -> Error {
    let error = match kind {
        Kind::Directory => {
            let error = Error::new(ErrorKind::IsDirectory, format!("the {role} is a directory"));
            error.with_errno(Errno::EISDIR)
        }
        _ => Error::new(
            ErrorKind::Impossible,
            format!("the {role} is no stream of bytes: use a file, a pipe, a TCP or a UNIX stream socket"),
        ),
    };
    error.at(end.path())
}

fn offsets(source: &Endpoint<'_>, sink: &Endpoint<'_>, request: &Request) -> Result<()> {
    for (offset, end, name) in [(request.offset, source, "offset"), (request.sink_offset, sink, "sink offset")] {
        let Some(offset) = offset else { continue };
        if !end.known().kind.is_seekable() && end.known().kind != Kind::Memory {
            let message = format!("{name} given for a {}, which has no offsets", end.known().kind.name());
            return Err(Error::new(ErrorKind::InvalidInput, message).with_errno(Errno::ESPIPE).at(end.path()));
        }
        if offset > LAST_OFFSET {
            let message = format!("{name} {offset} is larger than a file can be");
            return Err(Error::new(ErrorKind::InvalidInput, message).with_errno(Errno::EINVAL).at(end.path()));
        }
    }
    if let (Kind::Memory, Some(offset)) = (sink.known().kind, request.sink_offset)
        && offset > sink.known().size
    {
        let message = format!(
            "sink offset {offset} is behind the end of the sink, which is memory of {} bytes",
            sink.known().size
        );
        return Err(Error::new(ErrorKind::InvalidInput, message).with_errno(Errno::EINVAL));
    }
    if request.sink_offset.is_some() && sink.known().append {
        let message = "sink offset given for a file opened to append, where every write goes to the end";
        return Err(Error::new(ErrorKind::InvalidInput, message).with_errno(Errno::EINVAL).at(sink.path()));
    }
    Ok(())
}

/// Refuses what is not all whole blocks at an end that was opened with `O_DIRECT`, where the kernel would take some bytes
/// and then no more. `direct_io` knows how to give it the rest; a mapping does not mind.
pub(crate) fn whole_blocks(
    (source, source_at): (&Endpoint<'_>, Option<u64>),
    (sink, sink_at): (&Endpoint<'_>, Option<u64>),
    (mechanism, count): (Mechanism, Option<u64>),
    calls: &mut SyscallCounter,
) -> Result<()> {
    let is_direct = |end: &Endpoint<'_>| end.known().direct && end.known().kind.is_seekable();
    if mechanism == Mechanism::DirectIo || !(is_direct(source) || is_direct(sink)) {
        return Ok(());
    }
    let sized = source.known().kind.has_offsets() && source.known().size > 0;
    let rest = sized.then(|| source.known().size.saturating_sub(source_at.unwrap_or(0)));
    let length = rest.map(|rest| count.map_or(rest, |count| count.min(rest)));
    // copy_file_range(2) asks for what the file has, tail and all; the others for whole buffers.
    let to_the_end = length == rest && mechanism != Mechanism::CopyFileRange;
    for (end, name, to_the_end) in [(source, "source", to_the_end), (sink, "sink", false)] {
        let mapped = name == "source" && matches!(mechanism, Mechanism::MmapWrite | Mechanism::ZerocopySend);
        let nothing = name == "source" && length.unwrap_or(0) == 0;
        if !is_direct(end) || mapped || nothing {
            continue;
        }
        let descriptor = end.descriptor().expect("a file has one");
        let Some(block) = calls.direct_alignment(descriptor).map(|alignment| alignment as u64) else { continue };
        let places = [source_at, sink_at.filter(|_| name == "sink")];
        let begins = places.into_iter().flatten().all(|at| at.is_multiple_of(block));
        let ends = to_the_end || length.is_some_and(|length| length.is_multiple_of(block));
        // sendfile(2) goes on where a socket has stopped taking, which may be anywhere.
        let whole = begins && ends && (mechanism != Mechanism::Sendfile || sink.known().kind.is_seekable());
        if !whole {
            let message = format!(
                "the {name} was opened with O_DIRECT, which takes only whole blocks of {block} bytes from {mechanism}: open it \
                 without{}",
                if sink.known().append { "" } else { ", or use direct_io" }
            );
            return Err(Error::refused("transfer", Errno::EINVAL, &message).at(end.path()));
        }
    }
    Ok(())
}

/// Where the next byte goes in a sink that takes whole blocks only; not asked of any other.
pub(crate) fn sink_position(
    calls: &mut SyscallCounter,
    sink: &Endpoint<'_>,
    offset: Option<u64>,
) -> Result<Option<u64>> {
    let facts = sink.known();
    match offset {
        _ if !facts.direct || !facts.kind.is_seekable() => Ok(None),
        Some(offset) => Ok(Some(offset)),
        None if facts.append => Ok(Some(facts.size)),
        None => {
            let at = calls.position(sink.descriptor().expect("a file has one"));
            at.map(Some).map_err(|errno| Error::os("lseek", errno).at(sink.path()))
        }
    }
}

/// The same pipe on both sides, or a path that is its own destination, also by way of a region. Overlapping ranges of one file need the files'
/// positions and are checked by [`overlap`] when those are known.
fn same_object(source: &Endpoint<'_>, sink: &Endpoint<'_>) -> Result<()> {
    let is_shown = sink.will_be_emptied() && sink.known().size > 0 && is_shown_in(source, sink);
    if source.known().identity != sink.known().identity && !is_shown {
        return Ok(());
    }
    let message = match source.known().kind {
        Kind::Pipe => "the source and the sink are the two ends of one pipe",
        // Memory that is mapped from the file goes with its content.
        Kind::File | Kind::Memory if sink.will_be_emptied() => "the source and the destination are the same file",
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::InvalidInput, message).with_errno(Errno::EINVAL).at(sink.path()))
}

/// Whether memory that somebody lends is a mapping of the sink's file, which would go with its content.
fn is_shown_in(source: &Endpoint<'_>, sink: &Endpoint<'_>) -> bool {
    let Some(memory) = source.memory() else { return false };
    let start = memory.as_ptr().addr();
    mappings::show(&(start..start + memory.len()), sink.known().identity)
}

/// Refuses a transfer inside one file that would read what it has written.
///
/// `from` is where it reads, `to` where it writes; what is read is bounded by the count and by the size now.
/// Gives back that bound, so that a file appended to itself does not grow for ever.
pub(crate) fn overlap(from: u64, to: u64, size: u64, count: Option<u64>) -> Result<u64> {
    let available = size.saturating_sub(from);
    let length = count.map_or(available, |count| count.min(available));
    if length > 0 && from < to.saturating_add(length) && to < from + length {
        let message =
            format!("source bytes {from}..{} and sink bytes {to}..{} of one file overlap", from + length, to + length);
        return Err(Error::new(ErrorKind::InvalidInput, message).with_errno(Errno::EINVAL));
    }
    Ok(length)
}

/// The same for a sink that is memory: the source's own, by its addresses, or a mapping of the source's file. `size` is where
/// the source ends.
pub(crate) fn overlap_in_memory(
    (source, from): (&Endpoint<'_>, u64),
    (sink, to): (&Endpoint<'_>, u64),
    size: u64,
    count: Option<u64>,
) -> Result<()> {
    let Some(into) = sink.room().map(|room| room.as_mut_ptr().cast_const()) else { return Ok(()) };
    let memory = source.memory().map(Span::as_ptr);
    if let Some(memory) = memory {
        let (memory, into) = (memory as u64, into as u64);
        let same = |_| Error::new(ErrorKind::InvalidInput, "the source and the sink are memory that overlaps");
        overlap(memory + from, into + to, memory + size, count)
            .map_err(same)
            .map_err(|error| error.with_errno(Errno::EINVAL))?;
    }
    if source.known().identity != sink.known().identity {
        return Ok(());
    }
    let behind = |address| keeper(address).and_then(|(_, behind)| behind);
    let begin = memory.map_or(Some(0), |memory| behind(memory).map(|file| file.offset));
    match (begin, behind(into)) {
        (Some(begin), Some(file)) if file.is_shared => {
            overlap(begin + from, file.offset + to, begin + size, count).map(drop)
        }
        // What is stored in memory that is not the file's changes no byte of the file.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_found_exactly() {
        assert_eq!(overlap(0, 10, 10, None).unwrap(), 10);
        assert_eq!(overlap(10, 0, 20, None).unwrap(), 10);
        assert_eq!(overlap(0, 9, 10, Some(9)).unwrap(), 9);
        assert_eq!(overlap(30, 30, 10, None).unwrap(), 0);
        for (from, to) in [(0, 0), (0, 9), (9, 0), (5, 6)] {
            assert_eq!(overlap(from, to, 20, Some(10)).unwrap_err().kind(), ErrorKind::InvalidInput, "{from} {to}");
        }
    }
}
