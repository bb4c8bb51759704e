//! Which ends there are, for the tests of all of them (feature `inject`). A kind that is added does not compile until it is in
//! one of these lists, and the tests fail until they have a row for it.

use super::{Endpoint, Handle, Kind};

/// Declares the list of all variants and looks, with the compiler, whether one is missing.
macro_rules! every {
    ($type:ident: $($variant:ident),+) => {
        impl $type {
            /// Every one there is.
            pub const EVERY: &[Self] = {
                const fn is_listed(one: &$type) {
                    match one { $($type::$variant => {})+ }
                }
                let every = &[$($type::$variant),+];
                is_listed(&every[0]);
                every
            };
        }
    };
}

/// What an end is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Made {
    /// Of a borrowed descriptor.
    Borrowed,
    /// Of one that it owns.
    Owned,
    /// Of a file that does not have its name yet.
    New,
    /// Of memory that is read.
    Memory,
    /// Of memory that is written.
    MemoryMut,
    /// Of a view of a region.
    View,
    /// Of pages that nobody can write.
    Pages,
}

every!(Made: Borrowed, Owned, New, Memory, MemoryMut, View, Pages);
every!(Kind: File, BlockDevice, CharDevice, Pipe, Tcp, UnixStream, Memory, Directory, Other);

impl Endpoint<'_> {
    /// What it is made of.
    pub fn made(&self) -> Made {
        match &self.handle {
            Handle::Borrowed(_) => Made::Borrowed,
            Handle::Owned(_) => Made::Owned,
            // The bindings' tests have it: it is the same file in another table.
            Handle::New(_) | Handle::Away(_) => Made::New,
            Handle::Memory(_) => Made::Memory,
            Handle::MemoryMut(_) => Made::MemoryMut,
            Handle::View(_) => Made::View,
            Handle::Pages(_) => Made::Pages,
        }
    }
}
