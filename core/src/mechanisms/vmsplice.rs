//! vmsplice(2): pages of our own memory go into a pipe by reference, and on from there by splice(2).
//!
//! The receiver may read the pages long after this transfer is over, and nothing tells when it has. So only memory that
//! can never change again ([`crate::Pages`]) is accepted. `SPLICE_F_GIFT` is not used: it has had no effect on where the
//! pages end up (a file still gets a copy).

use std::os::fd::AsFd;

use nix::errno::Errno;

use super::splice::{CHARACTER_DEVICE, drain};
use super::{APPENDS, Advance, Definition, Mover, NEEDS_DESCRIPTOR, Route, Stop, copies_of_pages, mechanism};
use crate::buffer::AlignedBuffer;
use crate::demand::Demand;
use crate::endpoint::{Facts, Kind};
use crate::error::Error;
use crate::pipe::{Pipe, refusal};
use crate::probe::{self, Asked, Probe};
use crate::step::Side;
use crate::sys::SyscallCounter;

mechanism! {
    /// vmsplice(2): frozen memory ([`crate::Pages`]) into a pipe by reference, and on from there by splice(2).
    Vmsplice = "vmsplice", proven on MemoryToPipe, MemoryToTcp;
}

#[derive(Debug, Default)]
pub(super) struct Vmsplice {
    pipe: Option<Pipe>,
}

impl Definition for Vmsplice {
    const PROBE: Probe = Probe::since(2, 6).here(ask);

    fn impossible(source: &Facts, sink: &Facts, _demand: Demand) -> Option<&'static str> {
        match sink.kind {
            _ if !source.frozen => Some("its source must be memory that nobody can write any more (Pages)"),
            Kind::Memory => Some(NEEDS_DESCRIPTOR),
            Kind::CharDevice => Some(CHARACTER_DEVICE),
            _ if sink.append => Some(APPENDS),
            _ => None,
        }
    }

    fn copies(_source: Kind, sink: Kind) -> Option<u8> {
        copies_of_pages(sink)
    }
}

fn ask() -> Asked {
    let (pages, pipe) = (AlignedBuffer::new(1).map_err(|_| Errno::ENOMEM)?.freeze(), probe::pipe()?);
    Ok(SyscallCounter::default().vmsplice(pipe.1.as_fd(), &pages, 0..1).map(|_| ()))
}

impl Mover for Vmsplice {
    fn advance(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        let pages = route.source_end.frozen().expect("the plan asks for frozen memory");
        let start = route.source_at().map_or(0, |at| pages.len().min(at as usize));
        let end = start + limit.min((pages.len() - start) as u64) as usize;
        if route.sink_facts().kind == Kind::Pipe {
            if start == end {
                return Ok(Advance::Ended);
            }
            return match route.calls.vmsplice(route.sink(), pages, start..end) {
                Ok(count) => Ok(route.moved(count, end - start)),
                Err(Errno::EINTR) => Ok(Advance::Interrupted),
                Err(Errno::EAGAIN) => Ok(Advance::Blocked(Side::Sink)),
                Err(errno) => Err(Stop::sort("vmsplice", errno, refusal)),
            };
        }
        let pipe = Pipe::get(&mut self.pipe)?;
        if pipe.held() == 0 {
            if start == end {
                return Ok(Advance::Ended);
            }
            match route.calls.vmsplice(pipe.write_end(), pages, start..end) {
                Ok(count) => {
                    pipe.filled(count);
                    route.took(count);
                }
                // The pipe is empty: only a signal is left as a reason to try again.
                Err(Errno::EINTR | Errno::EAGAIN) => return Ok(Advance::Interrupted),
                Err(errno) => return Err(Stop::sort("vmsplice", errno, refusal)),
            }
        }
        drain(pipe, route)
    }

    /// What is in the pipe is also still in the source, which is memory; but it must go out of the pipe first.
    fn held(&self) -> usize {
        self.pipe.as_ref().map_or(0, Pipe::held)
    }

    fn take_pending(&mut self, _calls: &mut SyscallCounter) -> Result<Vec<u8>, Error> {
        self.pipe = None;
        Ok(Vec::new())
    }
}
