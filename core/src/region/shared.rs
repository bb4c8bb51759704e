//! Memory shared between processes: a memfd that is allocated up front, sealed, and handed over by descriptor.
//!
//! It has no name that could be guessed, left behind or unlinked by a tracker: it is gone with its last descriptor and
//! mapping. Its pages are allocated when it is made, so that there is no SIGBUS for want of memory later. A receiver trusts
//! its size only after it has seen the seal that nobody can make it shorter.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::memfd::MFdFlags;
use nix::sys::stat::fstat;

use super::addresses::Addresses;
use super::growth::{Follow, allocate};
use super::kept::Kept;
use super::mapping::{Mapping, Parts, errno_of};
use super::options::map;
use super::refusal::{busy, closed, invalid, untrusted};
use super::room;
use super::{Access, Protection, Region, Seals};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::{Sys, by_number, memory};

/// A [`Region`] over a memfd that other processes can map, too.
///
/// ```
/// use zcio::SharedRegion;
/// use zcio::region::Seals;
///
/// let shared = SharedRegion::create(4096)?;
/// shared.region().write_at(0, b"for both")?;
/// shared.seal(Seals::SHRINK | Seals::GROW)?;
/// // Another process maps what it has received; here the same one does.
/// let theirs = SharedRegion::from_fd(shared.try_clone_fd()?, Seals::SHRINK)?;
/// let mut bytes = [0; 8];
/// theirs.region().read_at(0, &mut bytes)?;
/// assert_eq!(&bytes, b"for both");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SharedRegion {
    region: Region,
}

impl SharedRegion {
    /// Makes `length` bytes of zeroes, with memory behind every one of them (`memfd_create(2)`, fallocate(2)), mapped for
    /// reading and writing. Not sealed yet, so that it can grow: see [`SharedRegion::seal`].
    ///
    /// [`ErrorKind::StorageFull`] (ENOSPC) if the system has less than that to give. A memory limit of a control group is
    /// not seen by that check: the kernel answers beyond it as it is configured to, with ENOMEM or its OOM killer.
    pub fn create(length: u64) -> Result<Self> {
        let fd = create_memfd()?;
        if length > i64::MAX as u64 {
            return Err(invalid("longer than the address space"));
        }
        enough_memory_for(length)?;
        allocate(fd.as_fd(), 0, length)?;
        Self::mapped(fd, Access::ReadWrite)
    }

    /// Takes a memfd that came from elsewhere, after it has shown at least the demanded seals and
    /// [`Seals::SHRINK`], without which its size means nothing. [`ErrorKind::Untrusted`] if one is missing, or if it cannot
    /// be sealed at all.
    ///
    /// Mapped for reading and writing if its seals and the descriptor allow that, for reading otherwise.
    pub fn from_fd(fd: OwnedFd, demanded: Seals) -> Result<Self> {
        let demanded = demanded | Seals::SHRINK;
        let seals = match Seals::of(fd.as_fd()) {
            Ok(seals) => seals,
            Err(Errno::EINVAL) => return Err(untrusted("a descriptor of something that cannot be sealed")),
            Err(errno) => return Err(Error::os("fcntl", errno)),
        };
        if !seals.contains(demanded) {
            return Err(untrusted(format!("shared memory without the seals: {}", demanded.names_without(seals))));
        }
        if seals.contains(Seals::WRITE) || seals.contains(Seals::FUTURE_WRITE) {
            return Self::mapped(fd, Access::ReadOnly);
        }
        let writable = nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_GETFL)
            .map_err(|errno| Error::os("fcntl", errno))?
            & libc::O_ACCMODE
            == libc::O_RDWR;
        Self::mapped(fd, if writable { Access::ReadWrite } else { Access::ReadOnly })
    }

    fn mapped(fd: OwnedFd, access: Access) -> Result<Self> {
        let length = size(fd.as_fd())?;
        let mapping = map_memfd(fd.as_fd(), length as usize, access)?;
        Ok(Self { region: Region::new(mapping, access, Some(Kept::new(fd)?), 0) })
    }

    /// The mapping, with everything that can be done with one.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Makes it longer, with memory behind every new byte. EBUSY while views exist, EPERM once sealed against growing.
    ///
    /// Other holders see the new part after [`SharedRegion::refresh`].
    pub fn grow(&self, length: u64) -> Result<()> {
        let before = self.region.with(|state| Ok(state.mapping.len() as u64))?;
        if length < before {
            return Err(invalid("shared memory that others have mapped is never made shorter"));
        }
        enough_memory_for(length - before)?;
        self.region.resize_following(length, Follow::Allocate)
    }

    /// Maps what another holder has added since. EBUSY while views exist.
    pub fn refresh(&self) -> Result<()> {
        let length = self.with_file(size)?;
        self.region.resize(length)
    }

    /// Adds seals. [`Seals::WRITE`] turns this region itself read-only: EBUSY while views of it exist here, or mappings
    /// that could be written elsewhere. EPERM once sealed with [`Seals::SEAL`].
    ///
    /// After an error the region is what it was, only that it was mapped anew: advice and locks are gone.
    pub fn seal(&self, seals: Seals) -> Result<()> {
        let failed = |operation| move |errno| Error::os(operation, errno);
        if !seals.contains(Seals::WRITE) {
            return self.with_file(|fd| seals.add_to(fd).map_err(failed("fcntl")));
        }
        self.region.with_mut(|state| {
            if Arc::strong_count(&state.mapping) > 1 {
                return Err(busy("shared memory cannot be sealed against writing"));
            }
            self.region.step_aside(&mut state.mapping)?;
            let fd = state.file.as_ref().ok_or_else(closed)?.get()?;
            // The kernel seals only what nobody could write through, so our own mapping goes. What takes its place is made
            // before: whatever is missing is missing now, when nothing has changed.
            let length = state.mapping.len();
            let (stand_in, is_readable) = stand_in(fd, length).map_err(failed("mmap"))?;
            drop(std::mem::replace(&mut state.mapping, stand_in));
            let before = (state.access, state.protection);
            let readable = if is_readable { Protection::Read } else { Protection::None };
            (state.access, state.protection) = (Access::ReadOnly, readable);
            let sealed = seals.add_to(fd);
            let access = if sealed.is_ok() { Access::ReadOnly } else { before.0 };
            if access == Access::ReadWrite || !is_readable {
                state.mapping = map_memfd(fd, length, access)?;
                (state.access, state.protection) = (access, Protection::Read);
            }
            if access == Access::ReadWrite && before.1 != Protection::Read {
                state.protection = Protection::ReadWrite;
            } else if access == Access::ReadWrite {
                let (start, length) = state.mapping.outward(0..length);
                // SAFETY: whole pages of a mapping that is new.
                unsafe { memory::protect(start, length, libc::PROT_READ) }.map_err(failed("mprotect"))?;
            }
            sealed.map_err(failed("fcntl"))
        })
    }

    /// The seals it has now.
    pub fn seals(&self) -> Result<Seals> {
        self.with_file(|fd| Seals::of(fd).map_err(|errno| Error::os("fcntl", errno)))
    }

    /// A descriptor of it, to be handed on by other means than [`SharedRegion::send`].
    pub fn try_clone_fd(&self) -> Result<OwnedFd> {
        self.with_file(|fd| fd.try_clone_to_owned().map_err(|error| Error::os("fcntl", errno_of(&error))))
    }

    /// [`Region::close`]; other holders keep theirs.
    pub fn close(&self) -> Result<()> {
        self.region.close()
    }

    pub(super) fn with_file<T>(&self, operation: impl FnOnce(BorrowedFd<'_>) -> Result<T>) -> Result<T> {
        self.region.with(|state| operation(state.file.as_ref().ok_or_else(closed)?.get()?))
    }
}

fn size(fd: BorrowedFd<'_>) -> Result<u64> {
    fstat(fd).map(|stat| stat.st_size as u64).map_err(|errno| Error::os("fstat", errno))
}

pub(super) fn create_memfd() -> Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // MFD_NOEXEC_SEAL (Linux 6.3): data, never a program. Older kernels say EINVAL.
    let no_exec = MFdFlags::from_bits_retain(0x8);
    by_number::memfd_create(c"zcio", flags | no_exec)
        .or_else(|_| by_number::memfd_create(c"zcio", flags))
        .map_err(|errno| room::refused("memfd_create", errno))
}

/// A shared mapping of a memfd, watched like a file: whoever sealed it against shrinking can still punch holes.
fn map_memfd(fd: BorrowedFd<'_>, length: usize, access: Access) -> Result<Arc<Mapping>> {
    let result = match map(fd, 0, length, access, libc::MAP_SHARED) {
        // Before Linux 6.7 a shared mapping of a memfd sealed against writing needed a descriptor that cannot write.
        Err(Errno::EPERM) if access == Access::ReadOnly => reopen_for_reading(fd)
            .and_then(|read_only| map(read_only.as_fd(), 0, length, Access::ReadOnly, libc::MAP_SHARED)),
        result => result,
    };
    result.map_err(|errno| room::refused("mmap", errno))
}

/// A mapping that nobody could write through, and whether it can be read; without /proc it is only room for one that can.
fn stand_in(fd: BorrowedFd<'_>, length: usize) -> Sys<(Arc<Mapping>, bool)> {
    if let Ok(read_only) = reopen_for_reading(fd) {
        return Ok((map(read_only.as_fd(), 0, length, Access::ReadOnly, libc::MAP_SHARED)?, true));
    }
    let page = memory::page_size();
    let addresses = Addresses::reserve(length.max(1).next_multiple_of(page))?;
    Ok((Mapping::new(Parts { addresses, skipped: 0, length, page, file: None, receives: false }), false))
}

fn reopen_for_reading(fd: BorrowedFd<'_>) -> Sys<OwnedFd> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    std::fs::File::open(path).map(OwnedFd::from).map_err(|error| errno_of(&error))
}

/// Refuses what the system cannot give. memfds have no limit of their own: fallocate would go on until the OOM killer
/// ends somebody. Without /proc the question is left to it.
fn enough_memory_for(length: u64) -> Result<()> {
    let Ok(text) = std::fs::read_to_string("/proc/meminfo") else { return Ok(()) };
    let kilobytes = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(0)
    };
    if length > (kilobytes("MemAvailable") + kilobytes("SwapFree")) * 1024 {
        let message = format!("{length} bytes of shared memory are more than the system has available");
        return Err(Error::new(ErrorKind::StorageFull, message).during("fallocate").with_errno(Errno::ENOSPC));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// On a tmpfs of 1 MiB, as a full /dev/shm would be.
    #[test]
    fn a_full_file_system_is_told_when_memory_is_allocated() {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(dir.path()).output();
        if !mount.is_ok_and(|output| output.status.success()) {
            assert!(std::env::var_os("ZCIO_REQUIRE").is_none(), "tmpfs cannot be mounted, and ZCIO_REQUIRE is set");
            return eprintln!("skipped a full file system: mount of a tmpfs is denied here");
        }
        let file = tempfile::tempfile_in(dir.path()).unwrap();
        let full = allocate(file.as_fd(), 0, 2 << 20);
        let fits = allocate(file.as_fd(), 0, 1 << 19);
        drop(file);
        // Lazily: a child that another test starts holds the file until it executes its program.
        assert!(Command::new("umount").arg("--lazy").arg(dir.path()).status().unwrap().success());
        let error = full.unwrap_err();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::StorageFull, Some(libc::ENOSPC)));
        fits.unwrap();
    }
}
