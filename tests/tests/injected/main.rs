//! Transfers between random ends, with faults made on purpose under the engine: short reads and writes, storms of EINTR,
//! EAGAIN from ends that were ready, refusals and hard errors in the middle.
//!
//! A test prints the seed of the case that fails; `ZCIO_SEED=<seed>` runs that one alone. `ZCIO_CASES=<n>` runs more.

mod bytes;
mod case;
mod ends;
mod faults;
mod handover;
mod leaks;
