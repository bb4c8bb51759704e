//! What to map and how: the one place where regions of files and of nothing come from.

use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::sys::stat::{SFlag, fstat};

use super::mapping::{Mapping, errno_of};
use super::{Region, invalid};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::{Sys, memory};

/// Who sees what is written to a region, if anything may be.
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

/// How to map: by default a whole file, for reading.
#[derive(Clone, Debug, Default)]
pub struct RegionOptions {
    offset: u64,
    length: Option<u64>,
    access: Access,
    huge_page: Option<u64>,
    ahead: bool,
}

impl RegionOptions {
    /// The defaults: from the file's start to its end, read-only, base pages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where in the file to begin, in bytes; it need not be a multiple of the page size.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Length in bytes, 0 allowed; without it, to the end of the file.
    #[must_use]
    pub fn length(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    /// Who sees what is written. Anonymous regions are always private.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Allows the region to go beyond the file's end, for a file that will grow: the length must be given, and the file is
    /// not asked how long it is. Behind its end [`Region::read_at`] is [`ErrorKind::Faulted`] until the file has grown.
    #[must_use]
    pub fn ahead_of_file(mut self) -> Self {
        self.ahead = true;
        self
    }

    /// Anonymous memory in hugetlb pages of this size in bytes (2 MiB or 1 GiB on x86-64), which the administrator has
    /// reserved (`vm.nr_hugepages`): ENOMEM if too few are free. The length is rounded up to whole ones. For transparent
    /// huge pages, which need no reserve, use [`Advice::HugePage`](super::Advice::HugePage).
    #[must_use]
    pub fn huge_pages(mut self, size: u64) -> Self {
        self.huge_page = Some(size);
        self
    }

    /// Opens a path as the access needs and maps it; the region keeps the file open, to be resized with it.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Region> {
        let path = path.as_ref();
        let write = self.access == Access::ReadWrite;
        let file = OpenOptions::new().read(true).write(write).open(path);
        let file = file.map_err(|error| Error::os("open", errno_of(&error)).at(Some(path)))?;
        self.map_owning(file.into()).map_err(|error| error.at(Some(path)))
    }

    /// Maps an open file; the descriptor is borrowed for the call only, the mapping keeps the file alive by itself.
    ///
    /// [`ErrorKind::InvalidInput`] for what is no file, and for a range that goes beyond the end of one. A device has no
    /// size to go by: give the length.
    pub fn map(&self, file: BorrowedFd<'_>) -> Result<Region> {
        let mapping = self.map_file(file)?;
        Ok(Region::new(mapping, self.access, None, self.offset))
    }

    /// As [`RegionOptions::map`]; the region keeps the descriptor and closes it, so that
    /// [`Region::resize_with_file`] is possible.
    pub fn map_owning(&self, file: OwnedFd) -> Result<Region> {
        let mapping = self.map_file(file.as_fd())?;
        Ok(Region::new(mapping, self.access, Some(file), self.offset))
    }

    /// Maps zeroes: private, readable and writable. The length must be given.
    pub fn anonymous(&self) -> Result<Region> {
        let length = self.length.ok_or_else(|| invalid("an anonymous region needs a length"))?;
        let page = self.huge_page.unwrap_or(memory::page_size() as u64);
        if !page.is_power_of_two() || page < memory::page_size() as u64 {
            return Err(invalid(format!("{page} bytes is not the size of a page")));
        }
        let mut options = MmapOptions::new();
        let mut length = length;
        if self.huge_page.is_some() {
            options.huge(Some(page.trailing_zeros() as u8));
            // memmap2 makes a byte of nothing, which cannot be given back as a huge page.
            length = length.max(1).checked_next_multiple_of(page).ok_or_else(too_long)?;
        }
        let map = options.len(size(length)?).map_anon().map_err(|error| Error::os("mmap", errno_of(&error)))?;
        Ok(Region::new(Mapping::new(map.into(), page as usize, false), Access::Private, None, 0))
    }

    fn map_file(&self, file: BorrowedFd<'_>) -> Result<Mapping> {
        if self.huge_page.is_some() {
            return Err(invalid("a file's pages have the size its file system gives them"));
        }
        let length = size(self.range_of(file)?)?;
        let map = map(file, self.offset, length, self.access).map_err(|errno| refusal(errno, self.access))?;
        Ok(Mapping::new(map, memory::page_size(), true))
    }

    /// The length to map, checked against the file.
    fn range_of(&self, file: BorrowedFd<'_>) -> Result<u64> {
        if let (true, Some(length)) = (self.ahead, self.length) {
            return Ok(length);
        }
        let stat = fstat(file).map_err(|errno| Error::os("fstat", errno))?;
        let end = self.length.unwrap_or(0).checked_add(self.offset).ok_or_else(too_long)?;
        match (SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT, self.length) {
            (SFlag::S_IFREG, _) if end > stat.st_size as u64 => {
                let message = format!("bytes {}..{end} of a file of {} bytes", self.offset, stat.st_size);
                Err(invalid(message))
            }
            (SFlag::S_IFREG, length) => Ok(length.unwrap_or(stat.st_size as u64 - self.offset)),
            (SFlag::S_IFBLK | SFlag::S_IFCHR, Some(length)) => Ok(length),
            (SFlag::S_IFBLK | SFlag::S_IFCHR, None) => Err(invalid("the region of a device needs a length")),
            (SFlag::S_IFDIR, _) => Err(Error::os("mmap", Errno::EISDIR)),
            _ => Err(invalid("only files and devices can be mapped")),
        }
    }
}

/// mmap(2) of part of a file. Raw: no reference to the bytes exists at any time.
pub(super) fn map(file: BorrowedFd<'_>, offset: u64, length: usize, access: Access) -> Sys<MmapRaw> {
    let mut options = MmapOptions::new();
    options.offset(offset).len(length);
    let fd = file.as_raw_fd();
    match access {
        Access::ReadOnly => options.map_raw_read_only(fd),
        Access::ReadWrite => options.map_raw(fd),
        // SAFETY: the value, which could be used as a slice, becomes a raw map at once.
        Access::Private => unsafe { options.map_copy(fd) }.map(MmapRaw::from),
    }
    .map_err(|error| errno_of(&error))
}

fn refusal(errno: Errno, access: Access) -> Error {
    match errno {
        Errno::EACCES if access == Access::ReadWrite => {
            Error::new(ErrorKind::NotWritable, "the file is not open for reading and writing")
                .during("mmap")
                .with_errno(errno)
        }
        Errno::EACCES => {
            Error::new(ErrorKind::NotReadable, "the file is not open for reading").during("mmap").with_errno(errno)
        }
        errno => Error::os("mmap", errno),
    }
}

fn size(length: u64) -> Result<usize> {
    // Pointer arithmetic is defined up to isize::MAX only.
    usize::try_from(length).ok().filter(|&length| length <= isize::MAX as usize / 2).ok_or_else(too_long)
}

fn too_long() -> Error {
    invalid("longer than the address space")
}
