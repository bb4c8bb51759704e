//! A child of fork(2) that does something and says how it went by its exit code.

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

/// The exit code of a child that has done that; 99 if it panicked.
pub fn in_child(work: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child allocates, which the C library's malloc allows after a fork, and takes no other thread's lock.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
            WaitStatus::Exited(_, code) => code,
            other => panic!("{other:?}"),
        },
        ForkResult::Child => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(99);
            // SAFETY: ends this process, whatever other threads were doing in the parent.
            unsafe { libc::_exit(code) }
        }
    }
}
