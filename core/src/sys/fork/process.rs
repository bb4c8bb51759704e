//! Which process this is: asked without a system call, because the C library tells us of each child.

use std::sync::atomic::{AtomicU32, Ordering};

use super::notes;
use crate::error::{Error, ErrorKind, Result};

/// How many forks lie between the first process that asked and this one, from 1 on; 0 while nobody has asked. It only has to
/// differ between a process and its children.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// A number that is another one in each child of fork(2).
pub(crate) fn generation() -> u32 {
    match GENERATION.load(Ordering::Relaxed) {
        0 => begin(),
        generation => generation,
    }
}

/// Two threads may both begin, and each fork then counts twice, which harms nobody: there is no lock here to wait for.
#[cold]
fn begin() -> u32 {
    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
        notes::close_inherited();
    }
    // SAFETY: the handler is async-signal-safe. One that is part of a library which is unloaded is taken out by the C library.
    let failed = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    assert_eq!(failed, 0, "no memory for a handler of fork(2)");
    let first = GENERATION.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed);
    first.map_or_else(|generation| generation, |_| 1)
}

/// The process that made something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(u32);

impl Process {
    /// The one that calls.
    pub fn this() -> Self {
        Self(generation())
    }

    /// Whether it is the one that calls, and not one that it was forked from.
    pub fn is_this(self) -> bool {
        self == Self::this()
    }

    /// Whether to go on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Inherited`] in a child of it.
    pub fn check(self) -> Result<()> {
        if self.is_this() {
            return Ok(());
        }
        let message =
            "begun by the process that this one was forked from, which goes on with it; begin another one here";
        Err(Error::new(ErrorKind::Inherited, message))
    }
}
