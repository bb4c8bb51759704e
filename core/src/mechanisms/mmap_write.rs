//! mmap(2) of the source, write(2) out of the mapping: one copy by the CPU, done by the kernel inside write.
//!
//! The mapping is a small window that moves along the file, so that memory use does not grow with the file. Only the
//! kernel reads through it: when the file is cut short under the window, write(2) answers EFAULT where a load in this
//! process would die of SIGBUS.

use std::os::fd::AsFd;

use memmap2::MmapRaw;
use nix::errno::Errno;

use super::{Advance, Definition, Mover, NEEDS_DESCRIPTOR, Route, Stop, mechanism};
use crate::demand::Demand;
use crate::endpoint::{Facts, Kind};
use crate::error::{Error, ErrorKind};
use crate::probe::{Probe, memory_file};
use crate::step::Side;
use crate::sys::SyscallCounter;

mechanism! {
    /// mmap(2) of the source file, write(2) out of the mapping. One copy by the CPU instead of two.
    MmapWrite = "mmap_write",
    proven on FileToTcp, FileToTcpGather, FileToTcpNoGather, FileToTls, FileToPipe, FileToUnix,
        FileToFile, FileToFileMemory;
}

/// The window's length in bytes. Longer windows save calls that cost next to nothing beside the copy, and show up as
/// resident memory of the process.
const WINDOW: u64 = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct MmapWrite {
    window: Option<Window>,
}

/// A piece of a file in memory.
#[derive(Debug)]
pub(super) struct Window {
    /// Where in the file it begins.
    pub start: u64,
    pub map: MmapRaw,
}

impl Definition for MmapWrite {
    const PROBE: Probe =
        Probe::since(0, 0).here(|| Ok(SyscallCounter::default().map(memory_file()?.as_fd(), 0, 1).map(|_| ())));

    fn impossible(source: &Facts, sink: &Facts, _demand: Demand) -> Option<&'static str> {
        match (source.kind, sink.kind) {
            (_, Kind::Memory) => Some(NEEDS_DESCRIPTOR),
            (Kind::File, _) => None,
            _ => Some("only a regular file can be mapped"),
        }
    }

    fn copies(_source: Kind, _sink: Kind) -> Option<u8> {
        Some(1)
    }
}

impl Mover for MmapWrite {
    fn advance(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        let at = route.source_at().unwrap_or(0);
        let window = match self.window.take() {
            Some(window) if window.covers(at) => window,
            _ => match Window::open(route, at)? {
                Some(window) => window,
                None => return Ok(Advance::Ended),
            },
        };
        let from = (at - window.start) as usize;
        let length = (window.map.len() - from).min(usize::try_from(limit).unwrap_or(usize::MAX));
        let written = route.calls.write_mapped(route.sink(), route.sink_at(), &window.map, from..from + length);
        match written {
            Ok(count) if count > 0 => {
                self.window = Some(window);
                Ok(route.moved(count, length))
            }
            Ok(_) => Err(Stop::Failed(Error::os("write", Errno::EIO))),
            Err(Errno::EINTR) => {
                self.window = Some(window);
                Ok(Advance::Interrupted)
            }
            Err(Errno::EAGAIN) => {
                self.window = Some(window);
                Ok(Advance::Blocked(Side::Sink))
            }
            Err(Errno::EFAULT) => cut_short(route, length, "write"),
            Err(errno) => {
                self.window = Some(window);
                Err(failed("write", errno))
            }
        }
    }
}

impl Window {
    /// Whether the byte at that place of the file is in it.
    pub fn covers(&self, at: u64) -> bool {
        (self.start..self.start + self.map.len() as u64).contains(&at)
    }

    /// The window at that place of the file, or `None` at or behind its end.
    pub fn open(route: &mut Route<'_>, at: u64) -> Result<Option<Self>, Stop> {
        let size = route.calls.size(route.source()).map_err(|errno| failed("fstat", errno))?;
        if at >= size {
            if size == 0 {
                route.refuse_without_size()?;
            }
            return Ok(None);
        }
        let length = (size - at).min(WINDOW) as usize;
        let map = route.calls.map(route.source(), at, length).map_err(|errno| Stop::sort("mmap", errno, refusal))?;
        Ok(Some(Self { start: at, map }))
    }
}

/// A window had no memory behind one of the next `length` bytes: the file is shorter by now, which the next window will show,
/// or its storage has failed.
pub(super) fn cut_short(route: &mut Route<'_>, length: usize, operation: &'static str) -> Result<Advance, Stop> {
    let size = route.calls.size(route.source()).map_err(|errno| failed("fstat", errno))?;
    let expected = route.source_at().unwrap_or(0) + length as u64;
    if size < expected {
        return Ok(Advance::Moved(0));
    }
    let reason = "a page of the source cannot be read: its storage failed";
    Err(Stop::Failed(Error::new(ErrorKind::Faulted, reason).during(operation).with_errno(Errno::EFAULT)))
}

fn failed(operation: &'static str, errno: Errno) -> Stop {
    Stop::Failed(Error::os(operation, errno))
}

fn refusal(errno: Errno) -> Option<&'static str> {
    match errno {
        // Files of /proc and /sys, and some file systems in user space.
        Errno::ENODEV | Errno::EIO | Errno::EINVAL => Some("this file cannot be mapped"),
        Errno::EACCES | Errno::EPERM => Some("mapping this file is forbidden"),
        // The limit on mappings or on address space (mmap(2)); a buffer needs neither.
        Errno::ENOMEM | Errno::EAGAIN => Some("no room for a mapping"),
        _ => None,
    }
}
