//! What a child of fork(2) inherits and must not use: locks that a thread held which is not there any more, and work whose
//! pipes, positions and rings are the parent's.
//!
//! The C library calls us in each child (`pthread_atfork(3)`), so that to ask costs no system call. A child made by a bare
//! clone(2) is not seen; it may call nothing that is not async-signal-safe anyway.

mod duplicate;
mod lock;

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::error::{Error, ErrorKind, Result};
pub(crate) use duplicate::Duplicate;
pub(crate) use lock::ForkSafe;

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
        duplicate::close_inherited();
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

/// A value of the whole process, usually a lock: a child of fork(2) begins with one of its own, because what it inherits may
/// be locked by a thread that it does not have.
pub(crate) struct PerProcess<T: 'static> {
    make: fn() -> T,
    current: AtomicPtr<Made<T>>,
}

struct Made<T> {
    by: Process,
    value: T,
}

impl<T: Send + Sync> PerProcess<T> {
    /// Made when it is first asked for, in each process. Threads that ask at once may make several, of which one is used.
    pub const fn new(make: fn() -> T) -> Self {
        Self { make, current: AtomicPtr::new(ptr::null_mut()) }
    }

    /// This process's value.
    pub fn get(&'static self) -> &'static T {
        let known = self.current.load(Ordering::Acquire);
        // SAFETY: null, or a box that was leaked.
        match unsafe { known.as_ref() } {
            Some(made) if made.by.is_this() => &made.value,
            _ => self.replace(known),
        }
    }

    #[cold]
    fn replace(&'static self, known: *mut Made<T>) -> &'static T {
        let made = Box::into_raw(Box::new(Made { by: Process::this(), value: (self.make)() }));
        let current = match self.current.compare_exchange(known, made, Ordering::AcqRel, Ordering::Acquire) {
            // The parent's is left as it is: it may be in the middle of a change.
            Ok(_) => made,
            Err(current) => {
                // SAFETY: made above, and nobody else has seen it.
                drop(unsafe { Box::from_raw(made) });
                current
            }
        };
        // SAFETY: not null, and never freed once it is in `current`.
        unsafe { &(*current).value }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_child_has_a_lock_of_its_own_and_knows_that_it_is_another_process() {
        static NUMBERS: PerProcess<Mutex<Vec<i32>>> = PerProcess::new(|| Mutex::new(vec![1]));
        let (before, mut held) = (Process::this(), NUMBERS.get().lock().unwrap());
        held.push(2);
        // SAFETY: the child allocates, which the C library's malloc allows after a fork, and takes no inherited lock.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let fresh = NUMBERS.get().try_lock().is_ok_and(|numbers| *numbers == [1]);
            let right = fresh && !before.is_this() && before.check().is_err() && Process::this().is_this();
            // SAFETY: ends this process, whatever other threads were doing in the parent.
            unsafe { libc::_exit(i32::from(!right)) }
        }
        let mut status = -1;
        // SAFETY: a child of this process, and a local of the right type.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        assert!(before.is_this());
        drop(held);
        assert_eq!(*NUMBERS.get().lock().unwrap(), [1, 2]);
    }
}
