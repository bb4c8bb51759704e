//! One file a mechanism, all behind one trait.
//!
//! A mechanism does one thing: move some bytes now. It keeps no position of its own (the [`Route`] does), decides nothing
//! about what comes next (the transfer does), and justifies in its own file every errno that it takes for a refusal.

mod copy_file_range;
mod direct_io;
mod mmap_write;
mod mover;
mod read_write;
pub(crate) mod reflink;
pub(crate) mod sendfile;
mod splice;
pub(crate) mod uring;
mod vmsplice;
mod zerocopy_send;

use crate::mechanism::Mechanism;
pub(crate) use mover::{Advance, Mover, Progress, Route, Stop};

/// The implementation behind a name.
pub(crate) fn mover(mechanism: Mechanism) -> Box<dyn Mover> {
    match mechanism {
        Mechanism::ReadWrite => Box::new(read_write::ReadWrite::default()),
        Mechanism::MmapWrite => Box::new(mmap_write::MmapWrite::default()),
        Mechanism::Sendfile => Box::new(sendfile::Sendfile),
        Mechanism::Splice => Box::new(splice::Splice::default()),
        Mechanism::CopyFileRange => Box::new(copy_file_range::CopyFileRange),
        Mechanism::Vmsplice => Box::new(vmsplice::Vmsplice::default()),
        Mechanism::ZerocopySend => Box::new(zerocopy_send::ZerocopySend::default()),
        Mechanism::DirectIo => Box::new(direct_io::DirectIo::default()),
        Mechanism::Reflink => Box::new(reflink::Reflink::default()),
        Mechanism::Uring => Box::new(uring::Uring::default()),
    }
}
