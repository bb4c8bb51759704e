//! Bytes on their way to one sink: in a pipe of our own, or in a buffer where splice(2) is not to be had.
//!
//! [`crate::Relay`] has one lane a direction, [`crate::FanOut`] one a sink. What is in a lane has left the source and has
//! not reached the sink, so a lane never drops it: it delivers it in order, keeps it when the sink blocks or fails, or
//! hands it back. The buffer's bytes come before the pipe's.

use crate::connection;
use crate::delivery::{BUFFER, Delivery, drain, may_be_copied, write};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::mechanism::Mechanism;
use crate::pipe::Pipe;
use crate::report::Attempt;
use crate::sys::SyscallCounter;

/// The way to one sink. See the module's introduction.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pipe: Option<Pipe>,
    buffer: Vec<u8>,
    start: usize,
    /// Bytes the sink has accepted.
    pub delivered: u64,
    /// What refused, if anything did: from then on bytes are copied through the buffer.
    pub attempts: Vec<Attempt>,
    copying: bool,
}

impl Lane {
    /// A lane to a sink that splice(2) cannot write to at all (opened to append, a terminal): it copies from the start.
    pub fn copying() -> Self {
        Self { copying: true, ..Self::default() }
    }

    /// Bytes inside.
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.start + self.pipe.as_ref().map_or(0, Pipe::held)
    }

    /// The mechanism in use now.
    pub fn mechanism(&self) -> Mechanism {
        if self.copying { Mechanism::ReadWrite } else { Mechanism::Splice }
    }

    /// The place of the pipe to put bytes into.
    pub fn pipe(&mut self) -> &mut Option<Pipe> {
        &mut self.pipe
    }

    /// The buffer to put bytes into; only for a lane with nothing pending.
    pub fn empty_buffer(&mut self) -> &mut Vec<u8> {
        debug_assert_eq!(self.pending(), 0);
        self.buffer.clear();
        self.start = 0;
        &mut self.buffer
    }

    /// Bytes that go before everything else; only for a lane with nothing pending.
    pub fn preload(&mut self, bytes: Vec<u8>) {
        *self.empty_buffer() = bytes;
    }

    /// From now on bytes go through the buffer, those that are in the pipe first.
    pub fn fall_back(&mut self, calls: &mut SyscallCounter, refused: &Error) -> Result<(), Error> {
        self.attempts.push(Attempt::of(self.mechanism(), self.delivered, refused));
        self.copying = true;
        self.buffer = self.take_pending(calls)?;
        self.pipe = None;
        Ok(())
    }

    /// Delivers once, what is in the buffer first. Only for a lane that has something pending.
    pub fn deliver(
        &mut self,
        sink: &Endpoint<'_>,
        sink_start: Option<u64>,
        calls: &mut SyscallCounter,
    ) -> Result<Delivery, Error> {
        loop {
            let at = sink_start.map(|start| start + self.delivered);
            if self.start < self.buffer.len() {
                let delivery = write(sink, at, &self.buffer[self.start..], calls)?;
                if let Delivery::Moved(count) = delivery {
                    self.start += count;
                    self.delivered += count as u64;
                }
                return Ok(delivery);
            }
            let pipe = self.pipe.as_mut().expect("a lane is asked to deliver only what it has");
            if self.copying {
                (self.buffer, self.start) = (pipe.take_out(BUFFER, calls)?, 0);
                continue;
            }
            match drain(pipe, sink, at, calls) {
                Ok(Delivery::Moved(count)) => {
                    self.delivered += count as u64;
                    return Ok(Delivery::Moved(count));
                }
                Ok(blocked) => return Ok(blocked),
                Err(error) if may_be_copied(&error) => self.fall_back(calls, &error)?,
                Err(error) => return Err(connection::explain(error, sink)),
            }
        }
    }

    /// Takes out everything pending, in order.
    pub fn take_pending(&mut self, calls: &mut SyscallCounter) -> Result<Vec<u8>, Error> {
        let mut bytes = std::mem::take(&mut self.buffer).split_off(std::mem::take(&mut self.start));
        if let Some(pipe) = &mut self.pipe {
            bytes.extend(pipe.take_out(usize::MAX, calls)?);
        }
        Ok(bytes)
    }
}
