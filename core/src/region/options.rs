//! What to map and how: the one place where regions of files and of nothing come from.

use std::fs::OpenOptions;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::stat::{SFlag, fstat};

use super::addresses::Addresses;
use super::growth::allocate;
use super::kept::{Kept, identity_of};
use super::mapping::{Behind, Mapping, Parts, errno_of};
use super::refusal::invalid;
use super::room;
use super::{Access, Region};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::{Sys, memory};

/// How to map: by default a whole file, for reading.
///
/// ```
/// use zcio::{Access, RegionOptions};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("file");
/// # std::fs::write(&path, b"a few bytes")?;
/// let region = RegionOptions::new().offset(2).length(3).access(Access::ReadWrite).open(&path)?;
/// region.write_at(0, b"FEW")?;
/// region.flush(..)?;
/// assert_eq!(std::fs::read(&path)?, b"a FEW bytes");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RegionOptions {
    pub(super) offset: u64,
    pub(super) length: Option<u64>,
    pub(super) access: Access,
    huge_page: Option<u64>,
    ahead: bool,
    room: Room,
}

/// What is done beforehand about room for what will be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Room {
    /// What the kernel does by itself: memory is counted, storage is not.
    #[default]
    Usual,
    Reserved,
    NotReserved,
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

    /// Gives every byte of the range its storage in the file now (`posix_fallocate(3)`): [`ErrorKind::StorageFull`] (ENOSPC)
    /// at once instead of SIGBUS at a store. The file becomes longer if the region goes beyond its end. For
    /// [`Access::ReadWrite`]; only there stores go to a file. Where the file system has no fallocate(2), the C library writes a
    /// zero into each block that seems to have none, and a byte that another process stores there at that moment is lost.
    #[must_use]
    pub fn reserve(mut self) -> Self {
        self.room = Room::Reserved;
        self
    }

    /// Does not count the memory that stores may need (`MAP_NORESERVE`): a region larger than memory and swap, of which little
    /// will be written. For anonymous memory and [`Access::Private`]; if memory runs out later, the kernel ends a process.
    #[must_use]
    pub fn no_reserve(mut self) -> Self {
        self.room = Room::NotReserved;
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
    /// [`Region::resize_with_file`] is possible. Its number means this file to the region for good: what somebody else puts in
    /// its place (dup2(2)) is neither changed nor closed, and what would need the file is [`ErrorKind::BadDescriptor`].
    pub fn map_owning(&self, file: OwnedFd) -> Result<Region> {
        let file = Kept::new(file)?;
        let mapping = self.map_file(file.get()?)?;
        Ok(Region::new(mapping, self.access, Some(file), self.offset))
    }

    /// Maps zeroes: private, readable and writable. The length must be given.
    pub fn anonymous(&self) -> Result<Region> {
        let length = self.length.ok_or_else(|| invalid("an anonymous region needs a length"))?;
        let page = self.huge_page.unwrap_or(memory::page_size() as u64);
        if !page.is_power_of_two() || page < memory::page_size() as u64 {
            return Err(invalid(format!("{page} bytes is not the size of a page")));
        }
        let mut flags = self.flags(Access::Private)?;
        let mut length = length;
        if self.huge_page.is_some() {
            flags |= libc::MAP_HUGETLB | (page.trailing_zeros() as i32) << libc::MAP_HUGE_SHIFT;
            length = length.max(1).checked_next_multiple_of(page).ok_or_else(too_long)?;
        }
        let (length, page) = (size(length)?, page as usize);
        let pages = length.max(1).next_multiple_of(page);
        let addresses = Addresses::map(None, pages, libc::PROT_READ | libc::PROT_WRITE, flags);
        let addresses = addresses.map_err(|errno| room::refused("mmap", errno))?;
        let mapping = Mapping::new(Parts { addresses, skipped: 0, length, page, file: None, receives: false });
        Ok(Region::new(mapping, Access::Private, None, 0))
    }

    fn map_file(&self, file: BorrowedFd<'_>) -> Result<Arc<Mapping>> {
        if self.huge_page.is_some() {
            return Err(invalid("a file's pages have the size its file system gives them"));
        }
        let flags = self.flags(self.access)?;
        let length = size(self.range_of(file)?)?;
        let mapping = map(file, self.offset, length, self.access, flags).map_err(|errno| refusal(errno, file))?;
        if self.is_reserved() {
            allocate(file, self.offset, self.offset + length as u64)?;
        }
        Ok(mapping)
    }

    /// Whether room is to be there beforehand.
    pub(super) fn is_reserved(&self) -> bool {
        self.room == Room::Reserved
    }

    /// mmap(2)'s flags.
    fn flags(&self, access: Access) -> Result<libc::c_int> {
        match (self.room, access) {
            (Room::Usual, _) | (Room::Reserved, Access::ReadWrite) => Ok(access.flags()),
            (Room::Reserved, _) => Err(invalid("room can be reserved only where stores go to a file")),
            (Room::NotReserved, Access::Private) => Ok(access.flags() | libc::MAP_NORESERVE),
            (Room::NotReserved, _) => Err(invalid("only private memory is counted, and so need not be reserved")),
        }
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

impl Region {
    /// Maps a whole file for reading (the defaults of [`RegionOptions`]).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        RegionOptions::new().open(path)
    }

    /// Maps part of an open file, or all of it, as the options say; the descriptor is only borrowed for the call.
    pub fn map(file: BorrowedFd<'_>, options: &RegionOptions) -> Result<Self> {
        options.map(file)
    }

    /// Private memory of no file: zeroes, readable and writable.
    pub fn anonymous(length: u64) -> Result<Self> {
        RegionOptions::new().length(length).anonymous()
    }
}

/// mmap(2) of part of a file.
pub(super) fn map(
    file: BorrowedFd<'_>,
    offset: u64,
    length: usize,
    access: Access,
    flags: libc::c_int,
) -> Sys<Arc<Mapping>> {
    let page = memory::page_size();
    let skipped = (offset % page as u64) as usize;
    let pages = (skipped + length).max(1).next_multiple_of(page);
    let addresses = Addresses::map(Some((file, offset - skipped as u64)), pages, access.bits(), flags)?;
    let file =
        Some(Behind { identity: identity_of(file)?, offset, is_shared: flags & libc::MAP_TYPE == libc::MAP_SHARED });
    Ok(Mapping::new(Parts { addresses, skipped, length, page, file, receives: false }))
}

fn refusal(errno: Errno, file: BorrowedFd<'_>) -> Error {
    if errno != Errno::EACCES {
        return room::refused("mmap", errno);
    }
    let mode = fcntl(file, FcntlArg::F_GETFL).map_or(libc::O_RDONLY, |flags| flags & libc::O_ACCMODE);
    let (kind, message) = match mode {
        libc::O_WRONLY => (ErrorKind::NotReadable, "the file is not open for reading, which every region needs"),
        libc::O_RDONLY => (ErrorKind::NotWritable, "the file is not open for reading and writing"),
        _ => return Error::os("mmap", errno),
    };
    Error::new(kind, message).during("mmap").with_errno(errno)
}

fn size(length: u64) -> Result<usize> {
    // Pointer arithmetic is defined up to isize::MAX only.
    usize::try_from(length).ok().filter(|&length| length <= isize::MAX as usize / 2).ok_or_else(too_long)
}

fn too_long() -> Error {
    invalid("longer than the address space")
}
