//! sendfile(2): page cache to socket, pipe or file in one call.
//!
//! To a socket it passes references to the file's pages; whether the CPU then copies depends on the network device
//! (scatter-gather), not on the call. The source's position is left alone: the offset is always explicit.

use nix::errno::Errno;

use super::{Advance, Mover, Route, Stop, not_here};
use crate::step::Side;

/// The most one call moves (sendfile(2)): 0x7ffff000 bytes on every architecture.
const MOST: u64 = 0x7fff_f000;

#[derive(Debug)]
pub(super) struct Sendfile;

impl Mover for Sendfile {
    fn advance(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        let length = limit.min(MOST) as usize;
        let at = Some(route.source_at().unwrap_or(0));
        match route.calls.sendfile(route.source(), at, route.sink(), length) {
            Ok(0) => Ok(Advance::Ended),
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
