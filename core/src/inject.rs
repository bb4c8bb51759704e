//! Faults on purpose, under the engine: for zcio's own tests (feature `inject`), never for a program.
//!
//! Every system call that moves bytes passes one door (`sys::SyscallCounter`). With a hook in place the door asks it first, and the
//! hook lets the call pass, makes it shorter, or answers in the kernel's place. What it cannot do is change bytes: those
//! that arrive are always the kernel's work, so a byte that is lost or doubled is the engine's fault.
//!
//! A hook belongs to the thread that installed it. Calls made by other threads pass as they are.

use std::cell::RefCell;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use nix::errno::Errno;

/// A system call that is about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// Its name; `read` and `write` stand for their positioned forms, too.
    pub operation: &'static str,
    /// The descriptor it reads from or, for a write, writes to. For `splice` this may be a pipe of the engine's own.
    pub descriptor: RawFd,
    /// The most bytes it is to move; 0 for a call that moves none (`fstat`, `lseek`, `mmap`, `poll`).
    pub length: usize,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is made as it is.
    None,
    /// It is made for at most this many bytes, and at least for one if it was to move any.
    Short(usize),
    /// It is not made: this errno is its answer.
    Errno(i32),
}

type Hook = Box<dyn FnMut(&Call) -> Fault>;

thread_local! {
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
}

/// Runs `body` with `hook` asked before each system call that this thread's transfers make.
pub fn with<T>(hook: impl FnMut(&Call) -> Fault + 'static, body: impl FnOnce() -> T) -> T {
    /// Takes the hook away again, after a panic as well.
    struct Uninstall;
    impl Drop for Uninstall {
        fn drop(&mut self) {
            HOOK.set(None);
        }
    }
    HOOK.set(Some(Box::new(hook)));
    let _uninstall = Uninstall;
    body()
}

/// The length to make the call with, or the errno to answer instead.
pub(crate) fn ask(operation: &'static str, fd: BorrowedFd<'_>, length: usize) -> Result<usize, Errno> {
    HOOK.with_borrow_mut(|hook| match hook {
        None => Ok(length),
        Some(hook) => match hook(&Call { operation, descriptor: fd.as_raw_fd(), length }) {
            Fault::None => Ok(length),
            Fault::Short(at_most) => Ok(length.min(at_most.max(1))),
            Fault::Errno(errno) => Err(Errno::from_raw(errno)),
        },
    })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_hook_shortens_answers_and_goes_away() {
        let file = tempfile::tempfile().unwrap();
        let ask = |length| ask("read", file.as_fd(), length);
        let mut faults = [Fault::Short(0), Fault::Short(9), Fault::Errno(libc::EINTR), Fault::None].into_iter();
        with(
            move |call| if call.length == 0 { Fault::Short(5) } else { faults.next().unwrap() },
            || {
                assert_eq!((ask(8), ask(8), ask(0)), (Ok(1), Ok(8), Ok(0)));
                assert_eq!((ask(8), ask(8)), (Err(Errno::EINTR), Ok(8)));
            },
        );
        assert_eq!(ask(8), Ok(8));
    }
}
