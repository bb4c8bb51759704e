//! The names of the ways the kernel can move bytes: the one list that every language shares.
//!
//! How each one works lives in `mechanisms/`, one file each; when each one is possible lives in [`crate::plan`].

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

/// Declares the enum, the list of all and the names from one table, so that none can be forgotten.
macro_rules! mechanisms {
    ($($(#[$documentation:meta])* $variant:ident = $name:literal,)+) => {
        /// One way to move bytes from one descriptor to another.
        ///
        /// The lower-case name ([`Mechanism::name`]) is stable and the same in all languages.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Mechanism {
            $($(#[$documentation])* $variant,)+
        }

        impl Mechanism {
            /// Every mechanism, in declaration order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable lower-case name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

mechanisms! {
    /// read(2) into a buffer, write(2) out of it. Works between any two ends; the CPU copies every byte twice.
    ReadWrite = "read_write",
    /// mmap(2) of the source file, write(2) out of the mapping. One copy by the CPU instead of two.
    MmapWrite = "mmap_write",
    /// sendfile(2): from the page cache into a socket, a pipe or a file, in one system call.
    Sendfile = "sendfile",
    /// splice(2): pages move through a pipe; the only way without a copy that can start at a socket.
    Splice = "splice",
    /// `copy_file_range(2)`: file to file; the file system may share blocks or copy on the server's side.
    CopyFileRange = "copy_file_range",
    /// vmsplice(2): frozen memory ([`crate::Pages`]) into a pipe by reference, and on from there by splice(2).
    Vmsplice = "vmsplice",
    /// send(2) with `MSG_ZEROCOPY`: memory or a mapped file to a TCP socket; the kernel says afterwards whether it copied.
    ///
    /// Refused where the socket's error queue is in use already (`SO_ZEROCOPY`, `SO_TIMESTAMPING`, `IP_RECVERR`). Borrowed
    /// memory is sent by [`crate::Transfer::run`] only, see [`crate::Endpoint::bytes`]; what a stopped transfer of a file
    /// or of [`crate::Pages`] has left in the error queue is taken out by a thread, which holds a duplicate of the socket.
    /// Who switches one of these options on before all has come gets the queue from that moment on, with what is still to
    /// come of the stopped transfer: notifications whose numbers lie before those of his own sends.
    ZerocopySend = "zerocopy_send",
    /// `O_DIRECT`: between the disk and aligned buffers of ours, past the page cache, while the other end works on.
    DirectIo = "direct_io",
    /// `ioctl_ficlone(2)`: file to file on one file system that can (XFS, btrfs); both then own the same blocks until one
    /// of them writes. Bytes beside the first and last whole block are copied.
    Reflink = "reflink",
    /// `io_uring(7)`: reads and writes in flight many at a time, to TCP by reference. Never chosen automatically.
    Uring = "uring",
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mechanism {
    type Err = Error;

    /// The mechanism of that name; [`ErrorKind::InvalidInput`] with the list of names otherwise.
    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.iter().copied().find(|mechanism| mechanism.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|mechanism| mechanism.name()).collect();
            Error::new(
                ErrorKind::InvalidInput,
                format!("unknown mechanism {name:?}; the mechanisms are {}", names.join(", ")),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_parse_back() {
        for &mechanism in Mechanism::ALL {
            assert_eq!(mechanism.name().parse::<Mechanism>().unwrap(), mechanism);
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "teleport".parse::<Mechanism>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        for mechanism in Mechanism::ALL {
            assert!(error.to_string().contains(mechanism.name()), "{error}");
        }
    }
}
