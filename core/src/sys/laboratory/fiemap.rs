//! FIEMAP: the extents of a file as its file system stores them, and which of them another file has, too.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use crate::sys::Sys;

/// Bytes of a file by how they are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    /// In extents that this file has alone.
    pub own: u64,
    /// In extents that another file has, too (`FIEMAP_EXTENT_SHARED`).
    pub shared: u64,
}

const EXTENTS: usize = 64;

/// `struct fiemap` of linux/fiemap.h, with room for its extents.
#[repr(C)]
struct Fiemap {
    start: u64,
    length: u64,
    flags: u32,
    mapped: u32,
    count: u32,
    reserved: u32,
    extents: [Extent; EXTENTS],
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Extent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved64: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

/// How a file is stored, after it has been written out. EOPNOTSUPP or ENOTTY where the file system does not say.
pub(crate) fn stored(file: BorrowedFd<'_>) -> Sys<Stored> {
    const FS_IOC_FIEMAP: libc::c_ulong = 0xc020_660b;
    const SYNC: u32 = 1;
    const LAST: u32 = 1;
    const SHARED: u32 = 0x2000;
    let (mut stored, mut start) = (Stored::default(), 0);
    loop {
        let extents = [Extent::default(); EXTENTS];
        let length = u64::MAX - start;
        let mut map = Fiemap { start, length, flags: SYNC, mapped: 0, count: EXTENTS as u32, reserved: 0, extents };
        // SAFETY: the struct is laid out as the kernel's and has room for as many extents as `count` says.
        Errno::result(unsafe { libc::ioctl(file.as_raw_fd(), FS_IOC_FIEMAP as _, &raw mut map) })?;
        let found = &map.extents[..map.mapped as usize];
        for extent in found {
            let bytes = if extent.flags & SHARED != 0 { &mut stored.shared } else { &mut stored.own };
            *bytes += extent.length;
        }
        match found.last() {
            Some(last) if last.flags & LAST == 0 => start = last.logical + last.length,
            _ => return Ok(stored),
        }
    }
}
