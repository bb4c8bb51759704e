//! One sink of a fan-out, and the way to it.

use super::report::SinkReport;
use crate::delivery::{Delivery, write};
use crate::endpoint::{Endpoint, Kind};
use crate::error::{Error, Result};
use crate::lane::Lane;
use crate::sys::SyscallCounter;

/// A sink as the caller named it.
#[derive(Debug)]
pub(super) struct Sink<'fd> {
    pub end: Endpoint<'fd>,
    /// Where its bytes go; `None`: to its own position, or to the end of a file opened to append.
    pub offset: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub lane: Lane,
    /// Bytes of the window, from its beginning, that this branch has been given.
    pub ahead: usize,
    /// Why it was dropped.
    pub error: Option<Error>,
}

impl Branch {
    pub fn to(sink: &Sink<'_>) -> Self {
        let facts = sink.end.facts();
        // splice(2) refuses both, and to an appending file only after it was asked.
        let refuses = facts.append || facts.kind == Kind::CharDevice;
        Self { lane: if refuses { Lane::copying() } else { Lane::default() }, ahead: 0, error: None }
    }

    pub fn is_live(&self) -> bool {
        self.error.is_none()
    }

    /// Whether there is something to deliver. `memory` is the window's content, when it is in memory.
    pub fn has_work(&self, memory: Option<&[u8]>) -> bool {
        self.lane.pending() > 0 || memory.is_some_and(|bytes| self.ahead < bytes.len())
    }

    /// Delivers until the sink blocks or nothing is left: what is in the lane first, then the window's bytes, if they are
    /// in memory. Gives back the bytes delivered.
    pub fn deliver(&mut self, sink: &Sink<'_>, memory: Option<&[u8]>, calls: &mut SyscallCounter) -> Result<Delivery> {
        if self.lane.pending() > 0 {
            return self.lane.deliver(&sink.end, sink.offset, calls);
        }
        let rest = memory.map_or(&[][..], |bytes| &bytes[self.ahead..]);
        let at = sink.offset.map(|offset| offset + self.lane.delivered);
        let delivery = write(&sink.end, at, rest, calls)?;
        if let Delivery::Moved(count) = delivery {
            self.ahead += count;
            self.lane.delivered += count as u64;
        }
        Ok(delivery)
    }

    pub fn report(&self) -> SinkReport {
        SinkReport {
            bytes: self.lane.delivered,
            mechanism: self.lane.mechanism(),
            attempts: self.lane.attempts.clone(),
            error: self.error.clone(),
        }
    }
}
