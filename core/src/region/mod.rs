//! Mappings that other languages can live on: of a file, of nothing, of memory shared between processes.
//!
//! A mapping is the one kind of memory that somebody else can pull away. A file cut short by another process turns a load
//! into SIGBUS; an unmapped range that another language's buffer still points to turns it into a crash, or into somebody
//! else's data. A [`Region`] is made so that neither happens:
//!
//! * **Checked copies.** [`Region::read_at`] and [`Region::write_at`] let the kernel do the copy (`process_vm_readv(2)` on
//!   this very process): where the file lost its pages they return [`ErrorKind::Faulted`](crate::ErrorKind::Faulted). No
//!   signal, no handler, nothing to install. Where the [`guard`] is installed all the same, they are quicker.
//! * **Views.** A [`View`] is a raw pointer with a claim on the addresses behind it. [`Region::close`] releases the file and
//!   the memory at once, also while views exist: their addresses then read as zeroes until the last view is gone.
//! * **The guard.** Who reads through raw pointers can install the [`guard`] (a runtime that has a handler of its own needs
//!   none), which turns a page that is gone into zeroes and marks the region, so that its next operation reports it.
//!
//! What this module must never do: make a `&[u8]` of pages that another process can change, or unmap, shrink or take
//! rights from a range that a view still covers. Operations that would do so are refused with EBUSY.
//!
//! Ranges are in bytes, relative to the region's start; `..` means all of it. Whatever works on whole pages rounds
//! outwards, except where that would destroy bytes outside the range (see [`Advice::is_destructive`]).
#![allow(unsafe_code)]

mod addresses;
mod advice;
mod checked;
mod copy;
mod create;
mod emptying;
mod fault;
mod growth;
pub mod guard;
mod handle;
mod handover;
mod kept;
mod lasting;
mod mapping;
mod moving;
mod operations;
mod options;
mod pieces;
#[cfg(feature = "laboratory")]
mod probe;
mod range;
mod receiving;
mod refusal;
mod residency;
mod resize;
mod rights;
mod room;
mod seals;
mod shared;
mod usage;
mod view;

pub use advice::Advice;
pub(crate) use checked::{copy_between, copy_from};
pub use handle::Region;
pub use handover::{Credentials, Peer};
pub use kept::Kept;
pub use operations::Populate;
pub use options::RegionOptions;
pub(crate) use receiving::Window;
pub use residency::Residency;
pub use rights::{Access, Protection};
pub use seals::Seals;
pub use shared::SharedRegion;
pub use view::View;
pub(crate) use view::{Keeper, keeper};
