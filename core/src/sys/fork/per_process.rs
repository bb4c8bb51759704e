//! A value of the whole process that a child of fork(2) makes anew.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::process::Process;

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
