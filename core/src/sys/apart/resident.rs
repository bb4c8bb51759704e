//! A value that lives where its descriptors are.

use super::meeting::Caller;
use super::pool::Pool;
use crate::error::Result;

/// A value whose descriptors are of another table: it is used and dropped by that table's threads. A child of fork(2), who
/// has no such table, leaves it alone.
#[derive(Debug)]
pub struct Resident<T: Send + 'static> {
    pool: &'static Pool,
    value: Option<Box<T>>,
}

impl<T: Send + 'static> Resident<T> {
    pub(super) fn new(pool: &'static Pool, value: T) -> Self {
        pool.enter();
        Self { pool, value: Some(Box::new(value)) }
    }

    /// Has something done to it.
    ///
    /// # Errors
    ///
    /// As [`super::held::Held::run`].
    pub fn run<R: Send>(&mut self, work: impl FnOnce(&mut T, &Caller<'_>) -> R + Send) -> Result<R> {
        let value = self.value.as_deref_mut().expect("it is there until it is dropped");
        self.pool.run(|caller| work(value, caller)).map_err(|errno| self.pool.refused(errno))
    }

    /// The value, for what it knows without its descriptors.
    pub fn value(&mut self) -> &mut T {
        self.value.as_deref_mut().expect("it is there until it is dropped")
    }
}

impl<T: Send + 'static> Drop for Resident<T> {
    fn drop(&mut self) {
        let (Some(value), pool) = (self.value.take(), self.pool) else { return };
        if !pool.is_ours() {
            std::mem::forget(value);
            return;
        }
        let last = move || {
            drop(value);
            pool.leave();
        };
        if pool.is_here() {
            last();
        } else {
            pool.leave_to(last);
        }
    }
}
