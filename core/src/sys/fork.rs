//! What a child of fork(2) inherits and must not use: locks that a thread held which is not there any more, and work whose
//! pipes, positions and rings are the parent's.
//!
//! The C library calls us in each child (`pthread_atfork(3)`), so that to ask costs no system call. A child made by a bare
//! clone(2) is not seen; it may call nothing that is not async-signal-safe anyway.

mod duplicate;
mod lock;
mod notes;
mod per_process;
mod process;

pub(crate) use duplicate::Duplicate;
pub(crate) use lock::ForkSafe;
pub(crate) use per_process::PerProcess;
pub use process::Process;
pub(crate) use process::generation;
