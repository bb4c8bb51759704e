//! One file a mechanism, with all that is known of it ([`Definition`]), and the one list of them.
//!
//! A mechanism does one thing: move some bytes now. It keeps no position of its own (the [`Route`] does), decides nothing
//! about what comes next (the transfer does), and justifies in its own file every errno that it takes for a refusal.

mod copy_file_range;
mod definition;
mod direct_io;
mod mmap_write;
mod mover;
mod read_write;
pub(crate) mod reflink;
pub(crate) mod sendfile;
mod splice;
pub(crate) mod uring;
mod vmsplice;
mod zerocopy_receive;
mod zerocopy_send;

use crate::copies::Copies;
use crate::demand::Demand;
use crate::endpoint::{Facts, Kind};
use crate::probe::Probe;
pub(crate) use definition::{ALIASES, APPENDS, Definition, NEEDS_DESCRIPTOR, aliases, copies_of_pages, mechanism};
pub(crate) use mover::{Advance, Mover, Progress, Route, Stop};

/// Gathers what the files say. Each match is a static one: a name costs no more than a call written by hand.
macro_rules! mechanisms {
    ($($module:ident::$variant:ident,)+) => {
        /// One way to move bytes from one descriptor to another.
        ///
        /// The lower-case name ([`Mechanism::name`]) is stable and the same in all languages.
        ///
        /// ```
        /// use zcio::{Endpoint, Mechanism, Transfer};
        ///
        /// let (_reader, writer) = std::io::pipe()?;
        /// let named: Mechanism = "read_write".parse()?;
        /// let transfer = Transfer::new(Endpoint::bytes(b"a few bytes"), Endpoint::new(&writer)?);
        /// assert_eq!(transfer.mechanism(named).run()?.mechanism, Mechanism::ReadWrite);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Mechanism {
            $(#[doc = $module::documentation!()] $variant,)+
        }

        impl Mechanism {
            /// Every mechanism, in declaration order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable lower-case name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $module::$variant::NAME,)+
                }
            }

            /// Its documentation, for the lists that other languages make of this one.
            #[doc(hidden)]
            pub const fn documentation(self) -> &'static str {
                match self {
                    $(Self::$variant => $module::$variant::DOCUMENTATION,)+
                }
            }

            /// The sections of the proof's table in which it stands.
            #[cfg(feature = "laboratory")]
            pub(crate) const fn proven_on(self) -> &'static [crate::proof::Route] {
                match self {
                    $(Self::$variant => $module::$variant::PROVEN_ON,)+
                }
            }

            /// How it is found out whether it can be had here.
            pub(crate) const fn probe(self) -> Probe {
                match self {
                    $(Self::$variant => $module::$variant::PROBE,)+
                }
            }

            /// Why it cannot serve these ends, or `None` if it can be tried.
            pub(crate) fn impossible(self, source: &Facts, sink: &Facts, demand: Demand) -> Option<&'static str> {
                match self {
                    $(Self::$variant => $module::$variant::impossible(source, sink, demand),)+
                }
            }

            /// How often it copies each byte, as far as that follows from the two kinds alone.
            pub(crate) fn copies(self, source: Kind, sink: Kind) -> Copies {
                Copies::by_model(match self {
                    $(Self::$variant => $module::$variant::copies(source, sink),)+
                })
            }

            /// The implementation, at work on nothing yet.
            pub(crate) fn mover(self) -> Box<dyn Mover> {
                match self {
                    $(Self::$variant => Box::<$module::$variant>::default(),)+
                }
            }
        }
    };
}

mechanisms! {
    read_write::ReadWrite,
    mmap_write::MmapWrite,
    sendfile::Sendfile,
    splice::Splice,
    copy_file_range::CopyFileRange,
    vmsplice::Vmsplice,
    zerocopy_send::ZerocopySend,
    direct_io::DirectIo,
    reflink::Reflink,
    uring::Uring,
    zerocopy_receive::ZerocopyReceive,
}
