//! The experiment that answers "was it copied?": move a few pages, change the source after the call has returned and
//! before the receiver reads, and look at what the receiver gets.
//!
//! The new bytes can only be there if the receiver has the source's own pages: nothing has been copied so far. The old
//! ones mean that at least one copy was made; how many, this experiment cannot say. Doing it after each system call of a
//! mechanism counts those that copy.

use std::io;

use nix::unistd::{read, write};

use super::ends::{Sink, Source};
use super::route::Route;
use super::setting::Setting;
use super::subject::Subject;
use crate::mechanism::Mechanism;
use crate::region::RegionOptions;
use crate::report::Report;
use crate::sys::SyscallCounter;

/// Small enough for the queue of any socket and for any pipe.
pub(super) const LENGTH: usize = 16 << 10;
const PAGE: usize = 4096;
const OLD: u8 = b'o';
const NEW: u8 = b'n';

/// What the receiver saw of a change that was made after the bytes had been moved.
///
/// ```
/// use zcio::Mechanism;
/// use zcio::proof::{Options, Route, Seen, Subject, examine};
///
/// let row = examine(Route::MemoryToPipe, &Subject::engine(Mechanism::ReadWrite), &Options::quick());
/// // The bytes had been copied when their source was changed.
/// assert_eq!(row.seen, Some(Seen::Old));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Seen {
    /// The change: the pages are the source's own.
    New,
    /// The bytes as they were: they have been copied.
    Old,
    /// The change in some pages only.
    Mixed,
}

impl Seen {
    fn of(bytes: &[u8]) -> io::Result<Self> {
        let all = |byte| move |page: &[u8]| page.iter().all(|&found| found == byte);
        let mut pages = bytes.chunks(PAGE);
        if pages.clone().all(all(OLD)) {
            Ok(Self::Old)
        } else if pages.clone().all(all(NEW)) {
            Ok(Self::New)
        } else if pages.all(|page| all(OLD)(page) || all(NEW)(page)) {
            Ok(Self::Mixed)
        } else {
            Err(io::Error::other("the receiver got bytes that nobody sent"))
        }
    }

    /// Copies that this is evidence of.
    fn copies(self) -> u8 {
        u8::from(self != Self::New)
    }
}

/// One system call of a mechanism, and the copies it makes at least.
///
/// ```
/// use zcio::Mechanism;
/// use zcio::proof::{Options, Route, Subject, examine};
///
/// let row = examine(Route::MemoryToPipe, &Subject::engine(Mechanism::ReadWrite), &Options::quick());
/// assert_eq!((row.calls[0].call, row.calls[0].copies), ("write", 1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Step {
    /// The name of the call.
    pub call: &'static str,
    /// 0 if a change made after it was seen behind it, 1 if not.
    pub copies: u8,
}

/// Lets the subject move a few pages between these ends, which nobody has read from yet.
pub(super) fn of_subject(subject: &Subject, source: &Source, sink: &mut Sink) -> io::Result<(Seen, Report)> {
    let report = (subject.run)(source.end()?, sink.end()?, LENGTH as u64).map_err(crate::Error::whole)?;
    if report.bytes != LENGTH as u64 {
        return Err(io::Error::other(format!("it moved {} bytes instead of {LENGTH}", report.bytes)));
    }
    source.change(NEW)?;
    Ok((Seen::of(&sink.receive(LENGTH)?)?, report))
}

/// The ends for it.
pub(super) fn ends(setting: &Setting, route: Route) -> io::Result<(Source, Sink)> {
    setting.ends(route, LENGTH, OLD)
}

/// Whether a stream's queue really holds the file's own pages before anything is examined: without that, old bytes at the
/// sink would say nothing about what moved them.
pub(super) fn stream_is_shared(setting: &Setting, route: Route) -> io::Result<bool> {
    let (source, _) = ends(setting, route)?;
    source.change(NEW)?;
    let Some(descriptor) = source.descriptor() else { return Ok(false) };
    Ok(Seen::of(&read_whole(descriptor)?)? == Seen::New)
}

/// The system calls of a mechanism that is made of two, each followed by the experiment. Empty for others.
pub(super) fn each_call(setting: &Setting, route: Route, mechanism: Mechanism) -> io::Result<Vec<Step>> {
    match mechanism {
        Mechanism::ReadWrite => {
            let (source, mut sink) = ends(setting, route)?;
            let mut steps = Vec::new();
            let mut buffer = match source.descriptor() {
                Some(descriptor) => {
                    let buffer = read_whole(descriptor)?;
                    source.change(NEW)?;
                    steps.push(Step { call: "read", copies: Seen::of(&buffer)?.copies() });
                    buffer
                }
                None => vec![OLD; LENGTH],
            };
            // Memory is read into, and that is all.
            let Some(to) = sink.descriptor() else { return Ok(steps) };
            buffer.fill(OLD);
            whole(write(to, &buffer)?)?;
            buffer.fill(NEW);
            steps.push(Step { call: "write", copies: Seen::of(&sink.receive(LENGTH)?)?.copies() });
            Ok(steps)
        }
        Mechanism::MmapWrite => {
            let (source, mut sink) = ends(setting, route)?;
            let file = source.descriptor().ok_or_else(|| io::Error::other("only a file can be mapped"))?;
            let to = sink.descriptor().ok_or_else(|| io::Error::other("it writes to descriptors only"))?;
            let region = RegionOptions::new().map(file).map_err(crate::Error::whole)?;
            let mut mapped = vec![0; LENGTH];
            region.read_at(0, &mut mapped).map_err(crate::Error::whole)?;
            source.change(NEW)?;
            region.read_at(0, &mut mapped).map_err(crate::Error::whole)?;
            let map = Step { call: "mmap", copies: Seen::of(&mapped)?.copies() };
            source.change(OLD)?;
            // Straight out of a mapping, as the mechanism does it: through a region it would be copied first.
            let mut calls = SyscallCounter::default();
            let mapping = calls.map(file, 0, LENGTH)?;
            whole(calls.write_mapped(to, None, &mapping, 0..LENGTH)?)?;
            source.change(NEW)?;
            let write = Step { call: "write", copies: Seen::of(&sink.receive(LENGTH)?)?.copies() };
            Ok(vec![map, write])
        }
        _ => Ok(Vec::new()),
    }
}

fn read_whole(from: std::os::fd::BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let (mut buffer, mut end) = (vec![0; LENGTH], 0);
    while end < LENGTH {
        match read(from, &mut buffer[end..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => end += count,
        }
    }
    Ok(buffer)
}

fn whole(count: usize) -> io::Result<()> {
    if count == LENGTH { Ok(()) } else { Err(io::Error::other(format!("write took {count} bytes of {LENGTH}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_old_new_mixed_or_nobodys() {
        let page = |byte| [byte; PAGE];
        assert_eq!(Seen::of(&[page(OLD), page(OLD)].concat()).unwrap(), Seen::Old);
        assert_eq!(Seen::of(&[page(NEW), page(NEW)].concat()).unwrap(), Seen::New);
        assert_eq!(Seen::of(&[page(NEW), page(OLD)].concat()).unwrap(), Seen::Mixed);
        let mut torn = page(OLD);
        torn[PAGE - 1] = NEW;
        assert!(Seen::of(&torn).is_err());
        assert!(Seen::of(&page(0)).is_err());
    }
}
