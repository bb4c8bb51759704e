//! The first try of a transfer by whoever keeps its ends and knows what a stream is: one system call, the one that moves bytes.
//!
//! Nothing is asked beforehand: neither what the source is (sendfile(2) says so, and takes nothing out of anything that has no
//! offsets) nor whether the sink takes anything. So it may sleep in a sink in blocking mode, where that is for those who can wake it
//! ([`Waits`]). Whatever is left undone, a [`Transfer`](super::Transfer) does, from the byte it reached.

mod from;
mod into;
mod place;

use std::os::fd::BorrowedFd;
use std::time::Instant;

use super::small::{Attempted, Begun};
use crate::connection::explain_at;
use crate::copies::Copies;
use crate::encryption::{Encryption, is_attached};
use crate::endpoint::{Endpoint, Kind};
use crate::error::{Error, Result, others_may_work};
use crate::mechanism::Mechanism;
use crate::plan;
use crate::report::Report;
use crate::sys::{Sys, SyscallCounter};
use from::Copied;
use into::Moved;
pub use place::Place;

/// What a first try takes bytes from.
#[doc(hidden)] // For the bindings.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// A file, for all that is known.
    File(BorrowedFd<'a>),
    /// A file that was opened by its path.
    Opened(&'a Endpoint<'a>),
    /// An end that is memory.
    Memory(&'a Endpoint<'a>),
}

/// Whether a call may sleep in a sink.
#[doc(hidden)] // For the bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// It may: a signal ends the call.
    Woken,
    /// It must not, and the sink is in blocking mode.
    Asked,
    /// The sink is in non-blocking mode.
    Never,
}

/// Why a first try has ended in the midst, and what it had done.
#[doc(hidden)] // For the bindings.
#[derive(Debug)]
pub struct Unfinished {
    pub error: Error,
    /// `None` if nothing was moved.
    pub report: Option<Box<Report>>,
}

impl From<Error> for Unfinished {
    fn from(error: Error) -> Self {
        Self { error, report: None }
    }
}

impl From<Unfinished> for Error {
    fn from(unfinished: Unfinished) -> Self {
        unfinished.error
    }
}

/// A stream, by those who keep it.
#[doc(hidden)] // For the bindings.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a> {
    pub fd: BorrowedFd<'a>,
    pub kind: Kind,
    pub waits: Waits,
}

impl Origin<'_> {
    /// One call; 0 at the end.
    fn send(self, sink: Stream<'_>, at: Option<u64>, most: u64, sent: u64, calls: &mut SyscallCounter) -> Sys<usize> {
        let end = match self {
            Self::File(file) => return calls.sendfile(file, at, sink.fd, most as usize),
            Self::Opened(end) => return calls.sendfile(end.fd(), at, sink.fd, most as usize),
            Self::Memory(end) => end,
        };
        let rest = end.memory().expect("it is memory").part(at.unwrap_or(sent), most);
        match sink.waits {
            _ if rest.len() == 0 => Ok(0),
            Waits::Asked => calls.send_now(sink.fd, rest),
            Waits::Woken | Waits::Never => calls.write_span(sink.fd, None, rest),
        }
    }

    /// Whether as much goes without a wait, as far as this must be known: sendfile(2) has no flag to demand it.
    fn fits(self, sink: Stream<'_>, most: u64, calls: &mut SyscallCounter) -> bool {
        let free = matches!(self, Self::Memory(_)) || sink.waits != Waits::Asked;
        // Beside the bytes a buffer holds a header for each of the kernel's packets.
        free || sink.kind == Kind::UnixStream && calls.room_unread(sink.fd).is_ok_and(|room| most + most / 8 <= room)
    }

    fn way(self) -> (Mechanism, Kind, &'static str) {
        match self {
            Self::File(_) | Self::Opened(_) => (Mechanism::Sendfile, Kind::File, "sendfile"),
            Self::Memory(_) => (Mechanism::ReadWrite, Kind::Memory, "write"),
        }
    }
}

/// See [`super::Transfer::first`].
pub(super) fn first(
    source: Origin<'_>,
    sink: Stream<'_>,
    offset: Option<u64>,
    count: Option<u64>,
) -> std::result::Result<Attempted, Unfinished> {
    let (mut calls, started, mut sent) = (SyscallCounter::default(), Instant::now(), 0);
    let (mechanism, from, operation) = source.way();
    let most = count.unwrap_or(Attempted::MOST);
    // Which says who encrypts, and closes a record that sendfile(2) may leave open.
    let is_encrypted = sink.kind == Kind::Tcp && is_attached(sink.fd);
    if most == 0 || most > Attempted::MOST || is_encrypted || !source.fits(sink, most, &mut calls) {
        return Ok(begun(0, &calls));
    }
    let report =
        |sent, calls: &_| report_of(sent, count, (mechanism, mechanism.copies(from, sink.kind)), calls, started);
    let unfinished = |error: Error, sent, calls: &_| Unfinished {
        error: error.after(sent),
        report: (sent > 0).then(|| Box::new(report(sent, calls))),
    };
    while sent < most {
        // Of a region that somebody closes no byte is sent that is not its own.
        let _held = match source {
            Origin::Memory(end) => Some(end.enter().map_err(|error| unfinished(error, sent, &calls))?),
            Origin::File(_) | Origin::Opened(_) => None,
        };
        match source.send(sink, offset.map(|offset| offset + sent), most - sent, sent, &mut calls) {
            Ok(0) => break,
            Ok(count) => sent += count as u64,
            // Not now; or a source that is none, as whoever looks at it more closely can say.
            Err(errno) if others_may_work(errno) => return Ok(begun(sent, &calls)),
            Err(errno) => {
                return Err(unfinished(explain_at(Error::os(operation, errno), sink.fd, sink.kind), sent, &calls));
            }
        }
    }
    // Nothing at all may be a file that has no size but content; and more than that has better ways.
    if sent == 0 || count.is_none() && sent == Attempted::MOST {
        return Ok(begun(sent, &calls));
    }
    if let Origin::Memory(end) | Origin::Opened(end) = source {
        end.check(&mut calls).map_err(|error| unfinished(error, sent, &calls))?;
    }
    Ok(Attempted::Done(report(sent, &calls)))
}

/// See [`super::Transfer::first_into`].
pub(super) fn first_into(source: BorrowedFd<'_>, sink: Place<'_>, offset: Option<u64>, count: u64) -> Attempted {
    let (mut calls, started) = (SyscallCounter::default(), Instant::now());
    let few = (1..=Attempted::MOST).contains(&count);
    let moved = if few { into::into(source, sink, offset, count, &mut calls) } else { None };
    match moved {
        Some(Moved { bytes, mechanism, sink }) if bytes == count => {
            done(bytes, Some(count), (mechanism, mechanism.copies(Kind::File, sink)), &calls, started)
        }
        part => begun(part.map_or(0, |part| part.bytes), &calls),
    }
}

/// See [`super::Transfer::first_from`].
pub(super) fn first_from(source: (BorrowedFd<'_>, Kind), sink: Place<'_>, count: u64) -> Result<Attempted> {
    let (mut calls, started) = (SyscallCounter::default(), Instant::now());
    // What is read from a socket with TLS is not all bytes of the stream.
    let is_encrypted = source.1 == Kind::Tcp && is_attached(source.0);
    if is_encrypted || !(1..=plan::FEW).contains(&count) || !sink.takes_anything(&mut calls) {
        return Ok(begun(0, &calls));
    }
    let Copied { bytes, rest } = from::copy(source, sink.fd, count, &mut calls)?;
    if bytes == count {
        let way = (Mechanism::ReadWrite, Mechanism::ReadWrite.copies(source.1, Kind::File));
        return Ok(done(bytes, Some(count), way, &calls, started));
    }
    Ok(Attempted::Begun(Begun { carried: rest, ..Begun::of(bytes, &calls) }))
}

fn done(
    bytes: u64,
    requested: Option<u64>,
    way: (Mechanism, Copies),
    calls: &SyscallCounter,
    started: Instant,
) -> Attempted {
    Attempted::Done(report_of(bytes, requested, way, calls, started))
}

fn report_of(
    bytes: u64,
    requested: Option<u64>,
    (mechanism, copies): (Mechanism, Copies),
    calls: &SyscallCounter,
    started: Instant,
) -> Report {
    Report {
        bytes,
        requested,
        mechanism,
        automatic: true,
        attempts: Vec::new(),
        system_calls: calls.made,
        waits: 0,
        copies,
        mapped: 0,
        encryption: Encryption::None,
        elapsed: started.elapsed(),
    }
}

fn begun(moved: u64, calls: &SyscallCounter) -> Attempted {
    Attempted::Begun(Begun::of(moved, calls))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::{ErrorKind, Region, Transfer};

    fn file_of(bytes: &[u8]) -> std::fs::File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn done(attempted: std::result::Result<Attempted, Unfinished>) -> Report {
        match attempted {
            Ok(Attempted::Done(report)) => report,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_counted_takes_one_call_and_the_end_of_a_file_one_more() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut file = file_of(b"0123456789");
        let sink = Stream { fd: near.as_fd(), kind: Kind::UnixStream, waits: Waits::Woken };
        let report = done(Transfer::first(Origin::File(file.as_fd()), sink, Some(2), Some(5)));
        assert_eq!((report.bytes, report.system_calls, report.is_short()), (5, 1, false));
        let report = done(Transfer::first(Origin::File(file.as_fd()), sink, Some(8), Some(5)));
        assert_eq!((report.bytes, report.system_calls, report.is_short()), (2, 2, true));
        // From the position, which moves.
        std::io::Seek::rewind(&mut file).unwrap();
        let report = done(Transfer::first(Origin::File(file.as_fd()), sink, None, None));
        assert_eq!((report.bytes, report.system_calls, report.requested), (10, 2, None));
        assert_eq!(std::io::Seek::stream_position(&mut file).unwrap(), 10);
        let memory = Endpoint::bytes(b"abcdef");
        let report = done(Transfer::first(Origin::Memory(&memory), sink, Some(1), Some(3)));
        assert_eq!((report.bytes, report.system_calls, report.mechanism), (3, 1, Mechanism::ReadWrite));
        drop(near);
        let mut bytes = String::new();
        far.read_to_string(&mut bytes).unwrap();
        assert_eq!(bytes, "23456890123456789bcd");
    }

    #[test]
    fn what_it_leaves_undone_a_transfer_does() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let file = file_of(&vec![3; 500_000]);
        near.set_nonblocking(true).unwrap();
        let sink = Stream { fd: near.as_fd(), kind: Kind::UnixStream, waits: Waits::Woken };
        let Ok(Attempted::Begun(begun)) = Transfer::first(Origin::File(file.as_fd()), sink, Some(0), Some(500_000))
        else {
            panic!("nobody reads")
        };
        assert!(begun.moved() > 0 && begun.moved() < 500_000);
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            far.read_to_end(&mut bytes).map(|_| bytes).unwrap()
        });
        let ends = (Endpoint::new(file.as_fd()).unwrap(), Endpoint::new(near.as_fd()).unwrap());
        let report = Transfer::new(ends.0, ends.1).offset(0).count(500_000).begun(begun).run().unwrap();
        drop(near);
        assert_eq!((report.bytes, reader.join().unwrap()), (500_000, vec![3; 500_000]));
    }

    /// In blocking mode, and nobody reads: it ends.
    #[test]
    fn who_must_not_sleep_sends_what_fits() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let sink = Stream { fd: near.as_fd(), kind: Kind::UnixStream, waits: Waits::Asked };
        let file = file_of(&[3; 10_000]);
        let mut sent = 0;
        while let Attempted::Done(report) =
            Transfer::first(Origin::File(file.as_fd()), sink, Some(0), Some(10_000)).unwrap()
        {
            assert_eq!((report.bytes, report.system_calls), (10_000, 2));
            sent += 10_000;
        }
        assert!(sent >= 50_000, "{sent}");
        let memory = vec![3; 1 << 20];
        let memory = Endpoint::bytes(&memory);
        let Attempted::Begun(begun) = Transfer::first(Origin::Memory(&memory), sink, None, None).unwrap() else {
            panic!("nobody reads")
        };
        drop(near);
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, vec![3; sent + begun.moved() as usize]);
    }

    #[test]
    fn what_is_no_file_is_left_alone_and_what_is_gone_is_told() {
        let (near, far) = UnixStream::pair().unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"stays").unwrap();
        let sink = Stream { fd: near.as_fd(), kind: Kind::UnixStream, waits: Waits::Woken };
        for offset in [Some(0), None] {
            let tried = Transfer::first(Origin::File(reader.as_fd()), sink, offset, Some(5)).unwrap();
            assert!(matches!(tried, Attempted::Begun(Begun { moved: 0, .. })), "{tried:?}");
        }
        drop(far);
        let file = file_of(b"0123456789");
        let error = Transfer::first(Origin::File(file.as_fd()), sink, Some(0), Some(5)).unwrap_err();
        assert_eq!(error.error.kind(), ErrorKind::PeerClosed);
    }

    #[test]
    fn a_region_that_is_closed_ends_it() {
        let (near, _far) = UnixStream::pair().unwrap();
        let region = Region::anonymous(4096).unwrap();
        let end = Endpoint::region(&region, ..).unwrap();
        let sink = Stream { fd: near.as_fd(), kind: Kind::UnixStream, waits: Waits::Woken };
        assert_eq!(done(Transfer::first(Origin::Memory(&end), sink, None, None)).bytes, 4096);
        region.close().unwrap();
        let error = Transfer::first(Origin::Memory(&end), sink, None, None).unwrap_err();
        assert_eq!((error.error.kind(), error.error.moved()), (ErrorKind::Closed, 0));
    }
}
