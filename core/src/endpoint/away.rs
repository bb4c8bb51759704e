//! A new file that is used in another table of descriptors than the one in which it will be named; see [`super::Sent`].

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use nix::errno::Errno;

use crate::sys::Sys;
use crate::sys::apart::meeting::ask;
use crate::unnamed::{Naming, Unnamed};

/// The file.
#[derive(Debug)]
pub(super) struct Away {
    pub fd: OwnedFd,
    /// Where it comes from; only threads of that table may keep it.
    pub named: Weak<Mutex<Unnamed>>,
}

impl Away {
    /// Has it named by the thread that this one works for.
    pub fn publish(&self) -> Sys<()> {
        ask(|| {
            let file = self.named.upgrade().ok_or(Errno::EBADF)?;
            lock(&file).publish(Naming::New)
        })
    }

    /// Whether both are to have one name. Their folders are in that thread's table.
    pub fn is_namesake(&self, other: &Self) -> bool {
        ask(|| match (self.named.upgrade(), other.named.upgrade()) {
            (Some(file), Some(other)) => Arc::ptr_eq(&file, &other) || lock(&file).is_namesake(&lock(&other)),
            _ => false,
        })
    }
}

fn lock(file: &Mutex<Unnamed>) -> MutexGuard<'_, Unnamed> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AsFd for Away {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
