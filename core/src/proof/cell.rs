//! A cell of the table: a value together with how it is known, or the reason why it is not.

use std::fmt;

/// How a value is known.
///
/// ```
/// assert_eq!(zcio::proof::Evidence::KernelVerdict.name(), "kernel verdict");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "cli", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Evidence {
    /// The source was changed after the bytes had been moved, and the receiver saw the old or the new bytes.
    Aliasing,
    /// The same, after each of the system calls that the mechanism is made of.
    AliasingOfEachCall,
    /// The notification of a zero-copy send.
    KernelVerdict,
    /// The file system's own list of extents (FIEMAP) says that both files have the same blocks.
    SharedExtents,
    /// The way the mechanism works, which is no measurement.
    Model,
    /// The engine's own count.
    Engine,
    /// The kernel's count of this process (getrusage(2), a tracepoint).
    Process,
    /// The kernel's count of the pages of a file that are in memory (cachestat(2), mincore(2)).
    PageCache,
    /// A counter of the whole device, or of the whole machine: whatever else it did meanwhile is in it.
    Device,
}

impl Evidence {
    /// The name used in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aliasing => "aliasing",
            Self::AliasingOfEachCall => "aliasing, each call",
            Self::KernelVerdict => "kernel verdict",
            Self::SharedExtents => "shared extents",
            Self::Model => "model",
            Self::Engine => "engine",
            Self::Process => "process",
            Self::PageCache => "page cache",
            Self::Device => "device",
        }
    }
}

/// A value and how it is known, or why it is not.
///
/// ```
/// use zcio::Mechanism;
/// use zcio::proof::{Options, Route, Subject, examine};
///
/// let row = examine(Route::MemoryToPipe, &Subject::engine(Mechanism::ReadWrite), &Options::quick());
/// match row.copies.value() {
///     Some(copies) => println!("{} copies at least, known by {:?}", copies.least, row.copies.known_by()),
///     None => println!("unknown: {}", row.copies.reason().unwrap()),
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize), serde(rename_all = "snake_case", untagged))]
pub enum Cell<T> {
    /// It is known.
    Known {
        /// What was found.
        value: T,
        /// By what.
        known_by: Evidence,
    },
    /// It is not.
    Unknown {
        /// Why, in a sentence.
        unknown: String,
    },
}

impl<T> Cell<T> {
    pub(super) const fn known(value: T, known_by: Evidence) -> Self {
        Self::Known { value, known_by }
    }

    /// A value that one of the measurements gave, or its error as the reason.
    pub(super) fn of<E: fmt::Display>(found: Result<T, E>, known_by: Evidence) -> Self {
        match found {
            Ok(value) => Self::Known { value, known_by },
            Err(error) => Self::unknown(error),
        }
    }

    pub(super) fn unknown(reason: impl fmt::Display) -> Self {
        Self::Unknown { unknown: reason.to_string() }
    }

    /// The value, if it is known.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Unknown { .. } => None,
        }
    }

    /// How it is known.
    pub fn known_by(&self) -> Option<Evidence> {
        match self {
            Self::Known { known_by, .. } => Some(*known_by),
            Self::Unknown { .. } => None,
        }
    }

    /// Why it is not known.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Known { .. } => None,
            Self::Unknown { unknown } => Some(unknown),
        }
    }
}
