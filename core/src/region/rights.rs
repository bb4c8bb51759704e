//! What may be done with a region: by whom what is stored is seen, and which pages may be loaded from and stored to.

/// Who sees what is written to a region, if anything may be.
///
/// ```
/// use zcio::{Access, RegionOptions};
///
/// # let dir = tempfile::tempdir()?;
/// # let from = dir.path().join("from");
/// # std::fs::write(&from, b"a few bytes")?;
/// let region = RegionOptions::new().access(Access::Private).open(&from)?;
/// region.write_at(0, b"A")?;
/// assert_eq!(std::fs::read(&from)?, b"a few bytes", "the store went to a copy of the page");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Access {
    /// Loads only.
    #[default]
    ReadOnly,
    /// Stores go to the file, or to the others that share the memory. The file must be open for reading and writing.
    ReadWrite,
    /// Stores go to a copy of the page that only this process has (copy-on-write). The file need only be readable.
    Private,
}

impl Access {
    /// As mmap(2)'s rights.
    pub(super) fn bits(self) -> libc::c_int {
        if self == Self::ReadOnly { libc::PROT_READ } else { libc::PROT_READ | libc::PROT_WRITE }
    }

    /// As mmap(2)'s flags.
    pub(super) fn flags(self) -> libc::c_int {
        if self == Self::Private { libc::MAP_PRIVATE } else { libc::MAP_SHARED }
    }
}

/// What a processor may do with a page. Weakest first.
///
/// ```
/// use zcio::{Protection, Region};
///
/// let region = Region::anonymous(8192)?;
/// region.protect(.., Protection::Read)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protection {
    /// Nothing: a load is SIGSEGV. No view can be taken of such a region.
    None,
    /// Loads.
    Read,
    /// Loads and stores.
    ReadWrite,
}

impl Protection {
    /// As mprotect(2)'s rights.
    pub(super) fn bits(self) -> libc::c_int {
        match self {
            Self::None => libc::PROT_NONE,
            Self::Read => libc::PROT_READ,
            Self::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        }
    }
}
