//! sendfile(2): page cache to socket, pipe or file in one call.
//!
//! To a socket it passes references to the file's pages; whether the CPU then copies depends on the network device
//! (scatter-gather), not on the call. The source's position is left alone: the offset is always explicit.

use std::os::fd::AsFd;

use nix::errno::Errno;

use super::{
    ALIASES, APPENDS, Advance, Definition, Mover, NEEDS_DESCRIPTOR, Route, Stop, aliases, copies_of_pages, mechanism,
};
use crate::demand::Demand;
use crate::endpoint::{Facts, Kind};
use crate::error::not_here;
use crate::probe::{Asked, Probe, memory_file, pipe};
use crate::step::Side;
use crate::sys::SyscallCounter;

mechanism! {
    /// sendfile(2): from the page cache into a socket, a pipe or a file, in one system call.
    Sendfile = "sendfile",
    proven on FileToTcp, FileToTcpGather, FileToTcpNoGather, FileToPipe, FileToUnix, FileToFile,
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
        let length = limit.min(MOST) as usize;
        let at = Some(route.source_at().unwrap_or(0));
        match route.calls.sendfile(route.source(), at, route.sink(), length) {
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
