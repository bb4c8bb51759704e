//! `copy_file_range(2)`: file to file inside the kernel; XFS and btrfs may share blocks, NFS and SMB copy on the server.
//!
//! On other file systems it copies through the page cache, and writes holes out as zeroes.

use std::os::fd::AsFd;

use nix::errno::Errno;

use super::{APPENDS, Advance, Definition, Mover, Route, Stop, mechanism};
use crate::demand::Demand;
use crate::endpoint::{Facts, Kind};
use crate::error::{Error, not_here};
use crate::probe::{Asked, Probe, memory_file};
use crate::sys::SyscallCounter;

mechanism! {
    /// `copy_file_range(2)`: file to file; the file system may share blocks or copy on the server's side.
    CopyFileRange = "copy_file_range", proven on FileToFile, FileToFileMemory, FileToFileSharing;
}

/// The most one call is asked for: a round number under the kernel's 0x7ffff000 that keeps block alignment.
const MOST: u64 = 1 << 30;

#[derive(Debug, Default)]
pub(super) struct CopyFileRange;

impl Definition for CopyFileRange {
    const PROBE: Probe = Probe::since(4, 5).here(ask).on_files(|source, sink| {
        SyscallCounter::default().copy_file_range(source, Some(0), sink, Some(0), 4096).map(|_| ())
    });

    fn impossible(source: &Facts, sink: &Facts, _demand: Demand) -> Option<&'static str> {
        match (source.kind, sink.kind) {
            (Kind::File, Kind::File) => sink.append.then_some(APPENDS),
            _ => Some("both ends must be regular files"),
        }
    }

    /// A file system may share blocks instead of copying, and does not say.
    fn copies(_source: Kind, _sink: Kind) -> Option<u8> {
        None
    }
}

fn ask() -> Asked {
    let (source, sink) = (memory_file()?, memory_file()?);
    Ok(SyscallCounter::default().copy_file_range(source.as_fd(), Some(0), sink.as_fd(), Some(0), 1).map(|_| ()))
}

impl Mover for CopyFileRange {
    fn advance(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        let length = limit.min(MOST) as usize;
        let at = route.source_at().unwrap_or(0);
        match route.calls.copy_file_range(route.source(), Some(at), route.sink(), route.sink_at(), length) {
            // Nothing although the file says it has more: kernels from 5.3 to 5.18 do that for files whose content is
            // made on reading. Only read(2) can tell whether this is the end.
            Ok(0) if at < route.source_facts().size && route.progress.delivered == 0 => {
                let reason = "it moved nothing although the source is not at its end";
                Err(Stop::Refused(Error::new(crate::ErrorKind::Refused, reason).during("copy_file_range")))
            }
            Ok(0) => {
                if route.source_facts().size == 0 {
                    // The kernel asks for nothing behind the size.
                    route.refuse_without_size()?;
                }
                Ok(Advance::Ended)
            }
            Ok(count) => Ok(route.moved(count, length)),
            Err(Errno::EINTR | Errno::EAGAIN) => Ok(Advance::Interrupted),
            Err(errno) => Err(Stop::sort("copy_file_range", errno, refusal)),
        }
    }
}

fn refusal(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::EXDEV => Some("the files are on different file systems"),
        // An O_DIRECT file whose alignment does not fit, a swap file, a file system that wants other ranges.
        Errno::EINVAL => Some("the file system does not support it for this range"),
        Errno::EOPNOTSUPP => Some("the file system does not support it"),
        // Some file systems answer so for ends they do not like (seen on overlay and FUSE); read(2) finds real troubles.
        Errno::ETXTBSY | Errno::EIO | Errno::EISDIR | Errno::EBADF => Some("the file system refused these files"),
        _ => not_here(errno),
    }
}
