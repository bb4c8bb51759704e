//! What a mechanism's file says of it, beside how it moves bytes ([`Mover`]): all that the plan, the report, the
//! capabilities and the proof know of it.

use crate::demand::Demand;
use crate::endpoint::{Facts, Kind};
use crate::probe::Probe;
use crate::step::Visibility;

use super::mover::Mover;

/// The mechanism itself. Facts in, facts out: nothing here makes a system call, except for the questions of the [`Probe`].
pub(crate) trait Definition: Mover + Default + 'static {
    /// How it is found out whether it can be had here.
    const PROBE: Probe;

    /// Why it cannot serve these ends, in a sentence about it, or `None` if it can be tried.
    fn impossible(source: &Facts, sink: &Facts, demand: Demand) -> Option<&'static str>;

    /// How often the CPU copies each byte between the source's pages and the sink's; `None` where that cannot be known from
    /// here. The page cache is the start and the end of the count for files: what the disk does by DMA is not counted.
    fn copies(source: Kind, sink: Kind) -> Option<u8>;
}

/// Declares a mechanism: its documentation, which is that of [`crate::Mechanism`], its type, its stable name, and the
/// sections of the proof's table in which it stands.
macro_rules! mechanism {
    ($(#[doc = $line:literal])+ $type:ident = $name:literal, proven on $($route:ident),+;) => {
        macro_rules! documentation {
            () => { concat!($($line, "\n"),+) };
        }
        pub(super) use documentation;

        impl $type {
            pub const NAME: &'static str = $name;
            pub const DOCUMENTATION: &'static str = documentation!();
            #[cfg(feature = "laboratory")]
            pub const PROVEN_ON: &'static [crate::proof::Route] = &[$(crate::proof::Route::$route),+];
        }
    };
}
pub(crate) use mechanism;

/// The reason of a mechanism for which [`aliases`] is true.
pub(crate) const ALIASES: &str = "it hands on pages that somebody may still write, and a snapshot was asked for";

/// The reason of a mechanism that the kernel refuses to a sink with `O_APPEND`.
pub(crate) const APPENDS: &str = "the sink was opened to append, which it refuses";

/// The reason of a mechanism that moves bytes to a descriptor only.
pub(crate) const NEEDS_DESCRIPTOR: &str = "its sink must be a descriptor: memory is read into, by read_write";

/// Whether a mechanism that hands on the source's pages breaks the promise of a snapshot: into a file there is always a copy.
pub(crate) fn aliases(sink: &Facts, demand: Demand) -> bool {
    demand.visibility == Visibility::Snapshot && !sink.kind.has_offsets()
}

/// The copies of a mechanism that hands on pages. The receiver's queue in memory holds the source's own pages. Into the page
/// cache of a sink there is always one copy, because `SPLICE_F_MOVE` has been a no-op since 2.6.21. To a network the device
/// decides: without scatter-gather the kernel copies into linear packets.
pub(crate) fn copies_of_pages(sink: Kind) -> Option<u8> {
    match sink {
        Kind::Pipe | Kind::UnixStream => Some(0),
        Kind::File | Kind::BlockDevice => Some(1),
        _ => None,
    }
}
