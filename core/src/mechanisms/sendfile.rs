//! sendfile(2): page cache to socket, pipe or file in one call.
//!
//! To a socket it passes references to the file's pages; whether the CPU then copies depends on the network device
//! (scatter-gather), not on the call. The source's position is left alone: the offset is always explicit.
//!
//! Of less than was asked for the kernel thinks that more follows (`MSG_MORE`, before Linux 6.5 also at the end of a file). TCP
//! waits 200 ms for that, TLS in the kernel for ever, in a record that stays open: so it is asked for what the file has, and a
//! record that may be open is closed at the end.

use std::os::fd::AsFd;

use nix::errno::Errno;

use super::{
    ALIASES, APPENDS, Advance, Definition, Mover, NEEDS_DESCRIPTOR, Route, Stop, aliases, copies_of_pages, mechanism,
};
use crate::demand::Demand;
use crate::encryption::Encryption;
use crate::endpoint::{Facts, Kind};
use crate::error::{Error, not_here};
use crate::probe::{Asked, Probe, memory_file, pipe};
use crate::step::Side;
use crate::sys::SyscallCounter;

mechanism! {
    /// sendfile(2): from the page cache into a socket, a pipe or a file, in one system call.
    Sendfile = "sendfile",
    proven on FileToTcp, FileToTcpGather, FileToTcpNoGather, FileToTls, FileToPipe, FileToUnix, FileToFile,
        FileToFileMemory;
}

/// The most one call moves (sendfile(2)): 0x7ffff000 bytes on every architecture.
const MOST: u64 = 0x7fff_f000;

#[derive(Debug, Default)]
pub(super) struct Sendfile;

impl Definition for Sendfile {
    // To a pipe since 2.6.33.
    const PROBE: Probe = Probe::since(2, 6).here(ask);

    fn impossible(source: &Facts, sink: &Facts, demand: Demand) -> Option<&'static str> {
        match sink.kind {
            _ if aliases(sink, demand) => Some(ALIASES),
            _ if !source.kind.is_seekable() => Some("its source must be a file or a block device"),
            _ if demand.sink_offset => Some("it writes at the sink's own position, and a sink offset was given"),
            _ if sink.append => Some(APPENDS),
            Kind::Memory => Some(NEEDS_DESCRIPTOR),
            Kind::CharDevice => Some("its sink must be a file, a block device, a socket or a pipe"),
            _ => None,
        }
    }

    fn copies(_source: Kind, sink: Kind) -> Option<u8> {
        copies_of_pages(sink)
    }
}

fn ask() -> Asked {
    let (file, pipe) = (memory_file()?, pipe()?);
    Ok(SyscallCounter::default().sendfile(file.as_fd(), Some(0), pipe.1.as_fd(), 1).map(|_| ()))
}

impl Mover for Sendfile {
    fn advance(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        let at = route.source_at().unwrap_or(0);
        let length = limit.min(MOST).min(room_in_record(route, at)) as usize;
        let sent = route.calls.sendfile(route.source(), Some(at), route.sink(), length);
        route.progress.leaves_record_open = sent != Ok(length) && route.sink_facts().encryption != Encryption::None;
        match sent {
            Ok(0) => {
                if route.source_facts().size == 0 {
                    // By way of the page cache a file ends where its size says.
                    route.refuse_without_size()?;
                }
                Ok(Advance::Ended)
            }
            Ok(count) => Ok(route.moved(count, length)),
            Err(Errno::EINTR) => Ok(Advance::Interrupted),
            Err(Errno::EAGAIN) => Ok(Advance::Blocked(Side::Sink)),
            Err(errno) => Err(Stop::sort("sendfile", errno, refusal)),
        }
    }

    fn finish(&mut self, route: &mut Route<'_>) -> Result<bool, Stop> {
        if !route.progress.leaves_record_open {
            return Ok(true);
        }
        match route.calls.end_record(route.sink()) {
            // Closed; it is sent when there is room.
            Ok(()) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(true),
            Err(errno) => Err(Stop::Failed(Error::os("sendmsg", errno).of_side(Side::Sink))),
        }
    }
}

/// What is left of a file whose last bytes must not wait for more.
fn room_in_record(route: &Route<'_>, at: u64) -> u64 {
    let rest = route.source_facts().size.saturating_sub(at);
    if rest == 0 || route.sink_facts().encryption == Encryption::None { u64::MAX } else { rest }
}

/// Why the kernel said no to it, if that is what the errno means.
pub(crate) fn refusal(errno: Errno) -> Option<&'static str> {
    match errno {
        // sendfile(2): the source does not support mmap-like operations (some of /proc), or the sink is opened to append.
        Errno::EINVAL => Some("one of these ends does not support it"),
        // A file system without the operation; O_DIRECT sources on some.
        Errno::EOPNOTSUPP | Errno::ENODEV => Some("the file system does not support it"),
        _ => not_here(errno),
    }
}
