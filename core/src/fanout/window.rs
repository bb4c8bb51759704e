//! The bytes that have left the source and that not every sink has been given yet.
//!
//! tee(2) copies only from the beginning of a pipe and takes nothing out, so for each sink the number of bytes is kept by
//! which it is *ahead* of the window's beginning. A sink may tee only when it is not ahead at all. The beginning moves on
//! when the last sink that has it not takes it out instead of copying it: N sinks cost N − 1 tees and one splice.

use nix::errno::Errno;

use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::intake::{Intake, Taken};

use crate::mechanism::Mechanism;
use crate::mechanisms::{Stop, no_pipe};
use crate::pipe::Pipe;
use crate::sys::Calls;

#[derive(Debug)]
pub(super) enum Window {
    /// Not yet known whether a pipe can be had.
    Unmade,
    /// References to pages.
    Pipe(Pipe),
    /// The bytes themselves, where the kernel refused to share pages.
    Buffer(Vec<u8>),
}

impl Window {
    /// Bytes inside.
    pub fn len(&self) -> usize {
        match self {
            Self::Unmade => 0,
            Self::Pipe(pipe) => pipe.held(),
            Self::Buffer(bytes) => bytes.len(),
        }
    }

    /// The bytes, when they are in memory.
    pub fn bytes(&self) -> Option<&[u8]> {
        if let Self::Buffer(bytes) = self { Some(bytes) } else { None }
    }

    pub fn mechanism(&self) -> Mechanism {
        if self.bytes().is_some() { Mechanism::ReadWrite } else { Mechanism::Splice }
    }

    /// Takes bytes from the source into the empty window.
    pub fn fill(
        &mut self,
        intake: &mut Intake,
        source: &Endpoint<'_>,
        at: Option<u64>,
        limit: u64,
        calls: &mut Calls,
    ) -> Result<Taken, Stop> {
        loop {
            match self {
                Self::Unmade => {
                    *self = Self::Pipe(Pipe::new().map_err(|errno| Stop::sort("pipe2", errno, no_pipe))?);
                }
                Self::Pipe(pipe) => return intake.fill(pipe, source, at, limit, calls),
                Self::Buffer(bytes) => return intake.read(bytes, source, at, limit, calls).map_err(Stop::Failed),
            }
        }
    }

    /// Moves bytes that are in memory already into the empty window, at most `limit` and as many as it holds.
    pub fn put(&mut self, before: &mut Vec<u8>, limit: u64, calls: &mut Calls) -> Result<Taken, Stop> {
        let most = before.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
        let count = loop {
            match self {
                Self::Unmade => {
                    *self = Self::Pipe(Pipe::new().map_err(|errno| Stop::sort("pipe2", errno, no_pipe))?);
                }
                Self::Pipe(pipe) => match calls.write(pipe.write_end(), None, &before[..most.min(pipe.capacity())]) {
                    Ok(count) => {
                        pipe.filled(count);
                        break count;
                    }
                    Err(Errno::EINTR) => return Ok(Taken::Bytes(0)),
                    Err(errno) => return Err(Stop::Failed(Error::os("write", errno))),
                },
                Self::Buffer(bytes) => {
                    bytes.extend_from_slice(&before[..most]);
                    break most;
                }
            }
        };
        before.drain(..count);
        Ok(Taken::Bytes(count))
    }

    /// From now on the bytes are in memory.
    pub fn move_to_memory(&mut self, calls: &mut Calls) -> Result<(), Error> {
        let bytes = match self {
            Self::Unmade => Vec::new(),
            Self::Pipe(pipe) => pipe.take_out(usize::MAX, calls)?,
            Self::Buffer(_) => return Ok(()),
        };
        *self = Self::Buffer(bytes);
        Ok(())
    }

    /// Puts the window's beginning into `lane`: takes it out if at most `spare` bytes of it are needed by nobody else,
    /// copies the references otherwise. Gives back the bytes put and whether they were taken out.
    pub fn share(&mut self, lane: &mut Pipe, spare: usize, calls: &mut Calls) -> Result<(usize, bool), Stop> {
        let Self::Pipe(window) = self else { return Ok((0, false)) };
        let (from, to) = (window.read_end(), lane.write_end());
        let result = match spare {
            0 => calls.tee(from, to, window.held()),
            _ => calls.splice(from, None, to, None, spare.min(window.held())),
        };
        match result {
            Ok(count) => {
                lane.filled(count);
                if spare > 0 {
                    window.drained(count);
                }
                Ok((count, spare > 0))
            }
            Err(Errno::EINTR | Errno::EAGAIN) => Ok((0, false)),
            Err(errno) => Err(Stop::unless_final(if spare > 0 { "splice" } else { "tee" }, errno)),
        }
    }

    /// Drops bytes from the beginning, which every sink has that is left.
    pub fn discard(&mut self, count: usize, calls: &mut Calls) -> Result<(), Error> {
        match self {
            Self::Unmade => Ok(()),
            Self::Pipe(pipe) => pipe.take_out(count, calls).map(drop),
            Self::Buffer(bytes) => {
                bytes.drain(..count);
                Ok(())
            }
        }
    }
}
