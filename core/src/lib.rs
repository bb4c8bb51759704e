//! zcio moves bytes between files, sockets and pipes without taking them through user space, on Linux, and says
//! truthfully how it did it.
//!
//! # The idea
//!
//! A program that sends a file with `read` and `write` makes the CPU carry every byte twice: out of the page cache into
//! the program's buffer, and out of the buffer into the socket. The kernel has had shorter ways for decades, but each one
//! works only between certain ends, refuses with its own error numbers, and stops half-way for its own reasons. This
//! crate knows those rules, so that a caller says *what* is to be moved and reads in a [`Report`] *how* it was.
//!
//! * An [`Endpoint`] is one end: a descriptor and the facts about it.
//! * A [`Hold`] keeps an end what it is while bytes move, where a borrow cannot.
//! * A [`Mechanism`] is one way the kernel can move bytes.
//! * A [`Transfer`] goes from one endpoint to another, to the end ([`Transfer::run`]) or step by step
//!   ([`Transfer::step`]), with a named mechanism or the best one that works.
//! * With the cargo feature `tokio` the module of that name has transfers, relays and fan-outs as futures.
//! * The [`plan`](mod@plan) says, without a system call, which mechanisms are possible between two ends and in which order
//!   they are tried.
//! * A [`copy::Copy`] makes a file out of a file: clones, holes, mode and times, replacement in one moment.
//! * A [`CachePolicy`] and [`residency()`] are about what is in memory before, while and after bytes move.
//! * A [`Batch`] makes many small transfers in one call; [`Reads`] reads files into memory, many reads at a time.
//! * A [`Report`] says how many bytes went, by which mechanism, and what refused before it.
//!
//! With the cargo feature `laboratory` the module `proof` measures on this machine what every mechanism really copies and
//! costs, and `memory` shows what is behind the addresses of a process.
//!
//! # Example
//!
//! ```
//! use zcio::{Endpoint, Transfer};
//!
//! # let dir = tempfile::tempdir()?;
//! # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
//! # std::fs::write(&from, b"a few bytes")?;
//! let report = Transfer::new(Endpoint::open(&from)?, Endpoint::create(&to)?).run()?;
//! assert_eq!(report.bytes, 11);
//! # assert_eq!(std::fs::read(&to)?, b"a few bytes");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What zero-copy means for you
//!
//! Moving pages instead of bytes means that the receiver may look at the very page the file lives in: a file changed
//! *after* the transfer returned can still change bytes that have not been read at the other end. That is
//! [`Visibility::Aliased`], the default, as for `sendfile(2)` itself. [`Visibility::Snapshot`] restricts the plan to ways
//! that copy at least once.

#![deny(unsafe_code)]

#[cfg(not(target_os = "linux"))]
compile_error!("zcio works on Linux only: it is made of Linux system calls (sendfile, splice, copy_file_range, …)");

#[cfg(not(target_pointer_width = "64"))]
compile_error!("zcio works on 64-bit Linux only (x86-64 and aarch64): it maps and addresses files over 4 GiB");

#[doc(hidden)]
pub mod apart;
pub mod batch;
pub mod buffer;
pub mod cache;
pub mod capabilities;
mod checks;
#[cfg(feature = "cli")]
pub mod cli;
pub mod connection;
mod copies;
pub mod copy;
mod delivery;
mod demand;
mod destination;
mod drive;
mod encryption;
pub mod endpoint;
pub mod error;
pub mod fanout;
mod hold;
#[cfg(feature = "inject")]
pub mod inject;
mod intake;
pub mod ktls;
mod lane;
pub mod mechanism;
mod mechanisms;
#[cfg(feature = "laboratory")]
pub mod memory;
mod opening;
pub mod page_cache;
#[cfg(feature = "laboratory")]
mod paragraph;
mod pipe;
pub mod plan;
mod probe;
#[cfg(feature = "laboratory")]
pub mod proof;
pub mod reads;
pub mod region;
pub mod relay;
pub mod report;
mod request;
pub mod residency;
mod step;
mod sys;
#[cfg(test)]
mod testing;
#[cfg(feature = "tokio")]
pub mod tokio;
pub mod transfer;
mod unnamed;
mod waiting;

pub use batch::{Batch, BatchProgress, BatchReport, Item, ItemReport};
pub use buffer::{AlignedBuffer, Pages};
pub use cache::CachePolicy;
pub use capabilities::{Answer, Capabilities, Capability, Cause};
pub use copy::{CopyReport, Reflink};
pub use encryption::Encryption;
pub use endpoint::{Endpoint, Facts, Kind, NonBlockingGuard};
pub use error::{Error, ErrorKind};
pub use fanout::{FanOut, FanOutReport, FanOutStep, SinkReport};
pub use hold::Hold;
pub use mechanism::Mechanism;
#[cfg(feature = "laboratory")]
pub use proof::Proof;
pub use reads::{ReadAt, Reads, ReadsReport};
pub use region::{Access, Advice, Protection, Region, RegionOptions, Residency, SharedRegion, View};
pub use relay::{Direction, DirectionReport, Outcome, Relay, RelayReport, RelayStep};
pub use report::{Attempt, Copies, KnownBy, Report};
pub use residency::{CountedBy, FileResidency, residency};
pub use step::{Readiness, Side, Step, Visibility};
pub use transfer::Transfer;

/// The crate's README: its example is a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
