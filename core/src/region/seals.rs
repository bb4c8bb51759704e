//! Seals of a memfd (`memfd_create(2)`, `F_ADD_SEALS`): promises about it that nobody can take back.

use std::fmt;
use std::ops::BitOr;
use std::os::fd::BorrowedFd;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};

use crate::sys::Sys;

/// A set of seals.
///
/// ```
/// use zcio::region::Seals;
///
/// let seals = Seals::SHRINK | Seals::GROW;
/// assert!(seals.contains(Seals::SHRINK) && !seals.contains(Seals::WRITE));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seals(u8);

/// Each seal with its name and the kernel's flag.
const TABLE: [(Seals, &str, SealFlag); 5] = [
    (Seals::SHRINK, "shrink", SealFlag::F_SEAL_SHRINK),
    (Seals::GROW, "grow", SealFlag::F_SEAL_GROW),
    (Seals::WRITE, "write", SealFlag::F_SEAL_WRITE),
    (Seals::FUTURE_WRITE, "future_write", SealFlag::F_SEAL_FUTURE_WRITE),
    (Seals::SEAL, "seal", SealFlag::F_SEAL_SEAL),
];

impl Seals {
    /// None.
    pub const NONE: Self = Self(0);
    /// It never gets shorter: what is mapped stays mapped. The least a receiver needs.
    pub const SHRINK: Self = Self(1);
    /// It never gets longer.
    pub const GROW: Self = Self(2);
    /// Nobody writes to it any more. Refused by the kernel while a shared mapping exists that could be written.
    pub const WRITE: Self = Self(4);
    /// Nobody gets a new way to write to it; mappings that exist go on: one writer, many readers.
    pub const FUTURE_WRITE: Self = Self(8);
    /// No further seals.
    pub const SEAL: Self = Self(16);

    /// Whether every seal of `others` is in this set.
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// The names, comma-separated, of those in this set that are not in `others`.
    pub(super) fn names_without(self, others: Self) -> String {
        let names: Vec<_> = TABLE
            .iter()
            .filter(|(seal, ..)| self.contains(*seal) && !others.contains(*seal))
            .map(|(_, name, _)| *name)
            .collect();
        names.join(", ")
    }

    /// The seals that a descriptor's file has; EINVAL for what cannot be sealed.
    pub(super) fn of(fd: BorrowedFd<'_>) -> Sys<Self> {
        let flags = SealFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GET_SEALS)?);
        Ok(TABLE.iter().filter(|(.., flag)| flags.contains(*flag)).fold(Self::NONE, |set, (seal, ..)| set | *seal))
    }

    /// Adds these seals to a descriptor's file.
    pub(super) fn add_to(self, fd: BorrowedFd<'_>) -> Sys<()> {
        let flags = TABLE.iter().filter(|(seal, ..)| self.contains(*seal)).map(|(.., flag)| *flag);
        fcntl(fd, FcntlArg::F_ADD_SEALS(flags.collect())).map(drop)
    }
}

impl BitOr for Seals {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names_without(Self::NONE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_know_what_they_contain_and_what_is_missing() {
        let set = Seals::SHRINK | Seals::FUTURE_WRITE;
        assert!(set.contains(Seals::SHRINK) && set.contains(Seals::NONE) && !set.contains(Seals::SHRINK | Seals::GROW));
        assert_eq!(set.to_string(), "shrink, future_write");
        assert_eq!((set | Seals::GROW).names_without(set), "grow");
    }
}
