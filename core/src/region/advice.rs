//! What can be told to the kernel about a range of memory (madvise(2)), by names that are the same in every language.
//!
//! Left out, because memory here must not bite: `MADV_HWPOISON` and `MADV_SOFT_OFFLINE` (they test the kernel), and
//! `MADV_GUARD_INSTALL` (a load from such a page is SIGSEGV).

use std::fmt;
use std::ops::RangeBounds;
use std::str::FromStr;

use super::refusal::{in_use, invalid, of_age};
use super::{Region, range};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::{memory, probe};

/// Declares the enum, its names, its list and its numbers in one table, so that they cannot disagree.
macro_rules! advice {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $number:expr;)*) => {
        /// Advice about a range of memory, see madvise(2). The lower-case name ([`Advice::name`]) is stable.
        ///
        /// ```
        /// use zcio::{Advice, Region};
        ///
        /// Region::anonymous(1 << 20)?.advise(.., Advice::NoHugePage)?;
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Advice {
            $($(#[$doc])* $variant,)*
        }

        impl Advice {
            /// Every advice, in declaration order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable lower-case name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            const fn number(self) -> libc::c_int {
                match self { $(Self::$variant => $number,)* }
            }
        }
    };
}

advice! {
    /// No particular order of access: the default.
    Normal = "normal", libc::MADV_NORMAL;
    /// Random order: do not read ahead.
    Random = "random", libc::MADV_RANDOM;
    /// Front to back: read ahead further, and let pages go sooner.
    Sequential = "sequential", libc::MADV_SEQUENTIAL;
    /// Needed soon: start to read it in.
    WillNeed = "will_need", libc::MADV_WILLNEED;
    /// Not needed: let the pages go now. Private memory loses its content: it reads as zeroes, or as the file, next time.
    DontNeed = "dont_need", libc::MADV_DONTNEED;
    /// As `dont_need`, for locked pages too (Linux 5.18).
    DontNeedLocked = "dont_need_locked", probe::MADV_DONTNEED_LOCKED;
    /// Content no longer wanted: let pages go when memory is short. For private anonymous memory.
    Free = "free", libc::MADV_FREE;
    /// Let pages go and punch a hole into the file or shared memory behind them.
    Remove = "remove", libc::MADV_REMOVE;
    /// Not in children made by fork(2).
    DontFork = "dont_fork", libc::MADV_DONTFORK;
    /// In children, too: undoes `dont_fork`.
    DoFork = "do_fork", libc::MADV_DOFORK;
    /// Zeroes in children made by fork(2). For private anonymous memory.
    WipeOnFork = "wipe_on_fork", libc::MADV_WIPEONFORK;
    /// Undoes `wipe_on_fork`.
    KeepOnFork = "keep_on_fork", libc::MADV_KEEPONFORK;
    /// May be merged with equal pages of others (KSM).
    Mergeable = "mergeable", libc::MADV_MERGEABLE;
    /// Undoes `mergeable`.
    Unmergeable = "unmergeable", libc::MADV_UNMERGEABLE;
    /// Use transparent huge pages.
    HugePage = "huge_page", libc::MADV_HUGEPAGE;
    /// Use none.
    NoHugePage = "no_huge_page", libc::MADV_NOHUGEPAGE;
    /// Make huge pages of what is there now, and wait for it (Linux 6.1).
    Collapse = "collapse", probe::MADV_COLLAPSE;
    /// Not in a core dump.
    DontDump = "dont_dump", libc::MADV_DONTDUMP;
    /// In a core dump: undoes `dont_dump`.
    DoDump = "do_dump", libc::MADV_DODUMP;
    /// Used rarely: first to go when memory is short.
    Cold = "cold", libc::MADV_COLD;
    /// Reclaim now: file pages are dropped, others go to swap if there is any. Content is kept.
    PageOut = "page_out", libc::MADV_PAGEOUT;
    /// Map every page for reading, now (Linux 5.14).
    PopulateRead = "populate_read", libc::MADV_POPULATE_READ;
    /// Map every page for writing, now (Linux 5.14).
    PopulateWrite = "populate_write", libc::MADV_POPULATE_WRITE;
}

impl Advice {
    /// Whether it can change what is read afterwards. Such advice is rounded inwards to whole pages, all other outwards:
    /// bytes outside the range keep their content.
    pub const fn is_destructive(self) -> bool {
        matches!(self, Self::DontNeed | Self::DontNeedLocked | Self::Free | Self::Remove)
    }
}

impl Advice {
    /// The release of Linux that brought it, of those that are younger than some kernel in use.
    const fn since(self) -> (u32, u32) {
        match self {
            Self::Cold | Self::PageOut => (5, 4),
            Self::PopulateRead | Self::PopulateWrite => (5, 14),
            Self::DontNeedLocked => (5, 18),
            Self::Collapse => (6, 1),
            _ => (0, 0),
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Advice {
    type Err = Error;

    /// The advice of that name; [`ErrorKind::InvalidInput`] with the list of names otherwise.
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|advice| advice.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|advice| advice.name()).collect();
            let message = format!("unknown advice {name:?}; the advice is one of {}", names.join(", "));
            Error::new(ErrorKind::InvalidInput, message).during("madvise")
        })
    }
}

impl Region {
    /// madvise(2) on a range. What the kernel cannot do with this sort of memory is EINVAL; a page that has lost its file
    /// is [`ErrorKind::Faulted`]. Destructive advice is EBUSY while bytes are just being moved out of the region or into it.
    pub fn advise(&self, range: impl RangeBounds<u64>, advice: Advice) -> Result<()> {
        self.with(|state| {
            let bytes = range::resolve(&range, state.mapping.len())?;
            let last = bytes.end.saturating_sub(1);
            let (start, length) = match advice {
                // The hole goes into the file, where the rest of an edge page belongs to others.
                Advice::Remove => state.mapping.inward(bytes),
                advice if advice.is_destructive() => state.mapping.inward_or_edge(bytes),
                _ => state.mapping.outward(bytes),
            };
            if advice.is_destructive() && state.mapping.receives {
                // A load from a page of a queue that has gone is SIGBUS.
                return Err(invalid(
                    "pages of a region that receives cannot be thrown away: the next transfer does it",
                ));
            }
            if length == 0 {
                return Ok(());
            }
            // SAFETY: whole pages of this mapping. Destructive advice leaves them mapped, with other content.
            let give = || unsafe { memory::advise(start, length, advice.number()) };
            let advised = if advice.is_destructive() {
                state.mapping.unused(give).ok_or_else(|| in_use("pages cannot be thrown away"))?
            } else {
                give()
            };
            advised.map_err(|errno| of_age(state.refused("madvise", errno, last), advice.since()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_parse_back() {
        for &advice in Advice::ALL {
            assert_eq!(advice.name().parse::<Advice>().unwrap(), advice);
        }
        let error = "hwpoison".parse::<Advice>().unwrap_err();
        assert!(error.to_string().contains("page_out"), "{error}");
    }
}
