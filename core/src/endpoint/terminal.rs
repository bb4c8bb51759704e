//! A terminal, or a pipe, as the sink of somebody who must not sleep in it, because he is to call a watcher or to serve others.
//!
//! poll(2) says that a terminal takes a byte, not how many, and a write(2) of more sleeps for as long as its reader does
//! (a stopped output, a window nobody looks at). `O_NONBLOCK` belongs to the open file description, which a shell and every
//! program it started share: it is not for us to switch. So the terminal is opened once more, for us alone. A pipe, which a
//! shell's programs share as well, can be opened in the same way.

use std::os::fd::AsFd;

use nix::fcntl::OFlag;

use super::{Endpoint, Handle, Kind};
use crate::sys::SyscallCounter;

impl Endpoint<'_> {
    /// Makes a terminal in blocking mode one that does not sleep; false if it is one and stays as it is.
    pub(crate) fn open_again_awake(&mut self, calls: &mut SyscallCounter) -> bool {
        let Some(fd) = self.descriptor() else { return true };
        if self.facts.kind != Kind::CharDevice || self.facts.nonblocking {
            return true;
        }
        let Ok(terminal) = calls.terminal(fd) else { return true };
        let again = calls.reopen(fd, OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY);
        // The controlling end of a pseudo-terminal has a name that opens a new one.
        let Some(again) = again.ok().filter(|again| calls.terminal(again.as_fd()) == Ok(terminal)) else {
            self.byte_by_byte = true;
            return false;
        };
        self.handle = Handle::Owned(again);
        self.facts.nonblocking = true;
        true
    }

    /// Makes a pipe in blocking mode one that does not sleep, if it can be opened again; it stays as it is otherwise.
    pub(crate) fn open_pipe_again_awake(&mut self, calls: &mut SyscallCounter) {
        if self.facts.kind != Kind::Pipe || self.facts.nonblocking {
            return;
        }
        let again = self.descriptor().map(|fd| calls.reopen(fd, OFlag::O_WRONLY | OFlag::O_NONBLOCK));
        if let Some(Ok(again)) = again {
            self.handle = Handle::Owned(again);
            self.facts.nonblocking = true;
        }
    }

    /// Whether it would sleep in a write of more than one byte, of which poll(2) says that it can be taken.
    pub(crate) fn is_byte_by_byte(&self) -> bool {
        self.byte_by_byte
    }
}
