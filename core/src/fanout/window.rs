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
use crate::pipe::{Pipe, refusal};
use crate::sys::SyscallCounter;

#[derive(Debug)]
pub(super) enum Window {
    /// References to pages; `None` until a pipe is needed.
    Pipe(Option<Pipe>),
    /// The bytes themselves, where the kernel refused to share pages.
    Buffer(Vec<u8>),
}

impl Window {
    /// Bytes inside.
    pub fn len(&self) -> usize {
        match self {
            Self::Pipe(pipe) => pipe.as_ref().map_or(0, Pipe::held),
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
        calls: &mut SyscallCounter,
    ) -> Result<Taken, Error> {
        match self {
            Self::Pipe(pipe) => intake.fill(pipe, source, at, limit, calls),
            Self::Buffer(bytes) => intake.read(bytes, source, at, limit, calls),
        }
    }

    /// Moves bytes that are in memory already into the empty window, at most `limit` and as many as it holds.
    pub fn put(&mut self, before: &mut Vec<u8>, limit: u64, calls: &mut SyscallCounter) -> Result<Taken, Error> {
        let most = before.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
        let count = match self {
            Self::Pipe(pipe) => {
                let pipe = Pipe::get(pipe)?;
                match calls.write(pipe.write_end(), None, &before[..most.min(pipe.capacity())]) {
                    Ok(count) => {
                        pipe.filled(count);
                        count
                    }
                    Err(Errno::EINTR) => return Ok(Taken::Bytes(0)),
                    Err(errno) => return Err(Error::os("write", errno)),
                }
            }
            Self::Buffer(bytes) => {
                bytes.extend_from_slice(&before[..most]);
                most
            }
        };
        before.drain(..count);
        Ok(Taken::Bytes(count))
    }

    /// From now on the bytes are in memory.
    pub fn move_to_memory(&mut self, calls: &mut SyscallCounter) -> Result<(), Error> {
        let bytes = match self {
            Self::Pipe(pipe) => pipe.as_mut().map_or(Ok(Vec::new()), |pipe| pipe.take_out(usize::MAX, calls))?,
            Self::Buffer(_) => return Ok(()),
        };
        *self = Self::Buffer(bytes);
        Ok(())
    }

    /// Puts the window's beginning into `lane`: takes it out if at most `spare` bytes of it are needed by nobody else,
    /// copies the references otherwise. Gives back the bytes put and whether they were taken out.
    pub fn share(&mut self, lane: &mut Pipe, spare: usize, calls: &mut SyscallCounter) -> Result<(usize, bool), Error> {
        let Self::Pipe(Some(window)) = self else { return Ok((0, false)) };
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
            Err(errno) => Err(Error::sort(if spare > 0 { "splice" } else { "tee" }, errno, refusal)),
        }
    }

    /// Drops bytes from the beginning, which every sink has that is left.
    pub fn discard(&mut self, count: usize, calls: &mut SyscallCounter) -> Result<(), Error> {
        match self {
            Self::Pipe(pipe) => pipe.as_mut().map_or(Ok(()), |pipe| pipe.take_out(count, calls).map(drop)),
            Self::Buffer(bytes) => {
                bytes.drain(..count);
                Ok(())
            }
        }
    }
}
