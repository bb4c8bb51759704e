//! A lock that a child of fork(2) never finds held by a thread that it does not have.
//!
//! fork(2) copies the memory of a process and one of its threads. A lock that another thread held at that moment is held
//! for ever in the child. Here the child puts a new lock in the place of each one that it inherited, when it first uses
//! it. What a thread was *changing* at that moment may be half changed: it becomes the default value (an empty list, a
//! region that is closed), and what it was is not dropped. What was only being read is as it was.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::panic::RefUnwindSafe;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering, fence};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::process::Process;

/// A value behind a lock for many readers or one writer; see the module's introduction.
pub(crate) struct ForkSafe<T: Default> {
    /// Made when it is first used, and anew in each child.
    lock: AtomicPtr<Lock>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached through the lock only, as with an RwLock.
unsafe impl<T: Default + Send> Send for ForkSafe<T> {}
// SAFETY: as above.
unsafe impl<T: Default + Send + Sync> Sync for ForkSafe<T> {}
/// Nobody's code but ours runs under the lock.
impl<T: Default> RefUnwindSafe for ForkSafe<T> {}

struct Lock {
    process: Process,
    users: RwLock<()>,
    /// A thread is changing the value.
    changing: AtomicBool,
    /// The value was being changed when this process was made, and has not been replaced yet.
    torn: AtomicBool,
}

impl<T: Default> ForkSafe<T> {
    /// The value, free.
    pub const fn new(value: T) -> Self {
        Self { lock: AtomicPtr::new(null_mut()), value: UnsafeCell::new(value) }
    }

    /// Waits until nobody changes the value.
    pub fn read(&self) -> Reading<'_, T> {
        loop {
            let lock = self.lock();
            let guard = lock.users.read().unwrap_or_else(PoisonError::into_inner);
            if !lock.torn.load(Ordering::Relaxed) {
                // SAFETY: nobody changes it while the guard lives.
                return Reading { value: unsafe { &*self.value.get() }, _guard: guard };
            }
            drop(guard);
            drop(self.write());
        }
    }

    /// Waits until nobody uses the value.
    pub fn write(&self) -> Writing<'_, T> {
        let lock = self.lock();
        let guard = lock.users.write().unwrap_or_else(PoisonError::into_inner);
        lock.changing.store(true, Ordering::Relaxed);
        // Before whatever is changed: a child has both or neither.
        fence(Ordering::Release);
        if lock.torn.load(Ordering::Relaxed) {
            // SAFETY: nobody else uses the value while the guard lives; what is there is in no state to be dropped.
            unsafe { self.value.get().write(T::default()) };
            lock.torn.store(false, Ordering::Relaxed);
        }
        // SAFETY: nobody else uses it while the guard lives.
        Writing { value: unsafe { &mut *self.value.get() }, changing: &lock.changing, _guard: guard }
    }

    /// The lock of this process.
    fn lock(&self) -> &Lock {
        let process = Process::this();
        let found = self.lock.load(Ordering::Acquire);
        // SAFETY: a lock that was put here is not freed before the value is dropped.
        let inherited = match unsafe { found.as_ref() } {
            Some(lock) if lock.process == process => return lock,
            inherited => inherited,
        };
        let torn = |lock: &Lock| lock.changing.load(Ordering::Relaxed) || lock.torn.load(Ordering::Relaxed);
        let new = Box::into_raw(Box::new(Lock {
            process,
            users: RwLock::new(()),
            changing: AtomicBool::new(false),
            torn: AtomicBool::new(inherited.is_some_and(torn)),
        }));
        match self.lock.compare_exchange(found, new, Ordering::AcqRel, Ordering::Acquire) {
            // The inherited lock stays where it is: another thread of this process may be looking at it.
            // SAFETY: just made, and freed with the value only.
            Ok(_) => unsafe { &*new },
            Err(other) => {
                // SAFETY: nobody else knows the new one; the other one is of this process, as above.
                unsafe {
                    drop(Box::from_raw(new));
                    &*other
                }
            }
        }
    }
}

impl<T: Default> Drop for ForkSafe<T> {
    fn drop(&mut self) {
        if self.lock.get_mut().is_null() {
            return;
        }
        // What is torn must not be dropped either.
        drop(self.write());
        // SAFETY: `&mut self`: nobody has a guard.
        drop(unsafe { Box::from_raw(*self.lock.get_mut()) });
    }
}

impl<T: Default> Default for ForkSafe<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: Default> std::fmt::Debug for ForkSafe<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForkSafe").finish_non_exhaustive()
    }
}

/// The value, while nobody changes it.
pub(crate) struct Reading<'a, T> {
    value: &'a T,
    _guard: RwLockReadGuard<'a, ()>,
}

impl<T> Deref for Reading<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
    }
}

/// The value, while nobody else uses it.
pub(crate) struct Writing<'a, T> {
    value: &'a mut T,
    changing: &'a AtomicBool,
    _guard: RwLockWriteGuard<'a, ()>,
}

impl<T> Deref for Writing<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
    }
}

impl<T> DerefMut for Writing<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value
    }
}

impl<T> Drop for Writing<'_, T> {
    fn drop(&mut self) {
        self.changing.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// Whether `question` is true in a child, which is ended by an alarm if it waits.
    fn in_child(question: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child allocates at most, for which the C library is ready after fork(2), and ends without anything of
        // the parent's being run.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::alarm(10);
                libc::_exit(i32::from(!question()));
            }
            let mut status = -1;
            libc::waitpid(child, &raw mut status, 0) == child && status == 0
        }
    }

    #[test]
    fn a_child_waits_for_no_thread_of_its_parent() {
        let value = ForkSafe::new(vec![1, 2, 3]);
        assert!(in_child(|| *value.write() == [1, 2, 3]), "never used");
        std::thread::scope(|scope| {
            let (go, may_end) = channel::<()>();
            let (tell, is_held) = channel();
            let value = &value;
            scope.spawn(move || {
                let _reading = value.read();
                tell.send(()).unwrap();
                may_end.recv().unwrap_err();
            });
            is_held.recv().unwrap();
            assert!(in_child(|| *value.write() == [1, 2, 3]), "only being read");
            drop(go);
        });
        std::thread::scope(|scope| {
            let (go, may_end) = channel::<()>();
            let (tell, is_held) = channel();
            let value = &value;
            scope.spawn(move || {
                let mut writing = value.write();
                writing.push(4);
                tell.send(()).unwrap();
                may_end.recv().unwrap_err();
            });
            is_held.recv().unwrap();
            assert!(in_child(|| value.read().is_empty() && value.write().is_empty()), "half changed");
            drop(go);
        });
        assert_eq!(*value.read(), [1, 2, 3, 4]);
        assert!(in_child(|| in_child(|| *value.read() == [1, 2, 3, 4])), "a child of a child");
    }
}
