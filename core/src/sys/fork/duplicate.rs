//! A duplicate of a socket that no child of fork(2) keeps: its peer must see the end when the processes that know of the
//! socket have closed it.
//!
//! The child closes those of its parent before fork(2) returns in it ([`super::notes`]). A fork between the call that makes a
//! duplicate and the next instruction, which notes its number, is not covered.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

use nix::errno::Errno;

use super::notes::{NOTED, Note};
use super::process::Process;
use crate::sys::apart::tables::table;
use crate::sys::{Sys, SyscallCounter};

/// See the module's introduction.
#[derive(Debug)]
pub(crate) struct Duplicate {
    fd: ManuallyDrop<OwnedFd>,
    process: Process,
    /// None in another table of descriptors, which no child inherits.
    note: Option<&'static Note>,
}

impl Duplicate {
    /// Of that socket, with its inode number; EMFILE if there are too many.
    pub fn of(socket: BorrowedFd<'_>, inode: u64, calls: &mut SyscallCounter) -> Sys<Self> {
        let process = Process::this();
        let claims = |note: &&Note| note.inode.compare_exchange(0, inode, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        let note = match table() {
            0 => Some(NOTED.iter().find(claims).ok_or(Errno::EMFILE)?),
            _ => None,
        };
        let duplicate = calls.duplicate(socket);
        if let Some(note) = note {
            match &duplicate {
                Ok(fd) => note.number.store(fd.as_raw_fd(), Ordering::Release),
                Err(_) => note.inode.store(0, Ordering::Release),
            }
        }
        Ok(Self { fd: ManuallyDrop::new(duplicate?), process, note })
    }
}

impl AsFd for Duplicate {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Duplicate {
    fn drop(&mut self) {
        // In a child it is closed, or was never there, and its number may mean something else.
        if !self.process.is_this() {
            return;
        }
        // SAFETY: not used again.
        unsafe { ManuallyDrop::drop(&mut self.fd) };
        // After it was closed: what has its number by then is another file, which the child would find out.
        if let Some(note) = self.note {
            note.number.store(-1, Ordering::Release);
            note.inode.store(0, Ordering::Release);
        }
    }
}
