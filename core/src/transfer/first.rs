//! The first try of a transfer to a stream by whoever knows what the stream is and keeps it: one system call, the one that moves bytes.
//!
//! Nothing is asked beforehand: neither what the source is (sendfile(2) says so, and takes nothing out of anything that has no
//! offsets) nor whether the sink takes anything. So it may sleep in a sink in blocking mode, and is for those who can wake it:
//! a signal ends the call. Whatever is left undone, a [`Transfer`](super::Transfer) does, from the byte it reached.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use super::small::{Attempted, Begun};
use crate::connection::explain_at;
use crate::endpoint::{Endpoint, Kind};
use crate::error::{Error, Result, others_may_work};
use crate::mechanism::Mechanism;
use crate::report::Report;
use crate::sys::{Sys, SyscallCounter};

/// From here on there are better ways ([`crate::plan`]).
const MOST: u64 = 1 << 20;

/// What a first try takes bytes from.
#[doc(hidden)] // For the bindings.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// A file, for all that is known.
    File(BorrowedFd<'a>),
    /// An end that is memory.
    Memory(&'a Endpoint<'a>),
}

impl Origin<'_> {
    /// One call; 0 at the end.
    fn send(
        self,
        sink: BorrowedFd<'_>,
        at: Option<u64>,
        most: u64,
        sent: u64,
        calls: &mut SyscallCounter,
    ) -> Sys<usize> {
        match self {
            Self::File(file) => calls.sendfile(file, at, sink, most as usize),
            Self::Memory(end) => {
                let rest = end.memory().expect("it is memory").part(at.unwrap_or(sent), most);
                if rest.len() == 0 { Ok(0) } else { calls.write_span(sink, None, rest) }
            }
        }
    }

    fn way(self) -> (Mechanism, Kind, &'static str) {
        match self {
            Self::File(_) => (Mechanism::Sendfile, Kind::File, "sendfile"),
            Self::Memory(_) => (Mechanism::ReadWrite, Kind::Memory, "write"),
        }
    }
}

/// See [`super::Transfer::first`].
pub(super) fn first(
    source: Origin<'_>,
    (sink, kind): (BorrowedFd<'_>, Kind),
    offset: Option<u64>,
    count: Option<u64>,
) -> Result<Attempted> {
    let (mut calls, started, mut sent) = (SyscallCounter::default(), Instant::now(), 0);
    let (mechanism, from, operation) = source.way();
    if count.is_some_and(|count| count == 0 || count > MOST) {
        return Ok(Attempted::Begun(Begun::default()));
    }
    let most = count.unwrap_or(MOST);
    while sent < most {
        // Of a region that somebody closes no byte is sent that is not its own.
        let _held = match source {
            Origin::Memory(end) => Some(end.enter().map_err(|error| error.after(sent))?),
            Origin::File(_) => None,
        };
        match source.send(sink, offset.map(|offset| offset + sent), most - sent, sent, &mut calls) {
            Ok(0) => break,
            Ok(count) => sent += count as u64,
            // Not now; or a source that is none, as whoever looks at it more closely can say.
            Err(errno) if others_may_work(errno) => return begun(sent, &calls),
            Err(errno) => return Err(explain_at(Error::os(operation, errno), sink, kind).after(sent)),
        }
    }
    // Nothing at all may be a file that has no size but content; and more than that has better ways.
    if sent == 0 || count.is_none() && sent == MOST {
        return begun(sent, &calls);
    }
    if let Origin::Memory(end) = source {
        end.check(&mut calls).map_err(|error| error.after(sent))?;
    }
    Ok(Attempted::Done(Report {
        bytes: sent,
        requested: count,
        mechanism,
        automatic: true,
        attempts: Vec::new(),
        system_calls: calls.made,
        waits: 0,
        copies: mechanism.copies(from, kind),
        mapped: 0,
        elapsed: started.elapsed(),
    }))
}

fn begun(moved: u64, calls: &SyscallCounter) -> Result<Attempted> {
    Ok(Attempted::Begun(Begun { moved, system_calls: calls.made }))
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

    fn done(attempted: Result<Attempted>) -> Report {
        match attempted {
            Ok(Attempted::Done(report)) => report,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_counted_takes_one_call_and_the_end_of_a_file_one_more() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut file = file_of(b"0123456789");
        let sink = (near.as_fd(), Kind::UnixStream);
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
        let sink = (near.as_fd(), Kind::UnixStream);
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

    #[test]
    fn what_is_no_file_is_left_alone_and_what_is_gone_is_told() {
        let (near, far) = UnixStream::pair().unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"stays").unwrap();
        let sink = (near.as_fd(), Kind::UnixStream);
        for offset in [Some(0), None] {
            let tried = Transfer::first(Origin::File(reader.as_fd()), sink, offset, Some(5)).unwrap();
            assert!(matches!(tried, Attempted::Begun(Begun { moved: 0, .. })), "{tried:?}");
        }
        drop(far);
        let file = file_of(b"0123456789");
        let error = Transfer::first(Origin::File(file.as_fd()), sink, Some(0), Some(5)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PeerClosed);
    }

    #[test]
    fn a_region_that_is_closed_ends_it() {
        let (near, _far) = UnixStream::pair().unwrap();
        let region = Region::anonymous(4096).unwrap();
        let end = Endpoint::region(&region, ..).unwrap();
        let sink = (near.as_fd(), Kind::UnixStream);
        assert_eq!(done(Transfer::first(Origin::Memory(&end), sink, None, None)).bytes, 4096);
        region.close().unwrap();
        let error = Transfer::first(Origin::Memory(&end), sink, None, None).unwrap_err();
        assert_eq!((error.kind(), error.moved()), (ErrorKind::Closed, 0));
    }
}
