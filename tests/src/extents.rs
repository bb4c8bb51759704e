//! What a file is made of on its disk: extents with their flags (FIEMAP), and the map of data and holes (lseek).

use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;

use nix::unistd::{Whence, lseek};

/// A piece of a file as its file system stores it (`struct fiemap_extent`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins in the file, in bytes.
    pub logical: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Whether another file has the same blocks (`FIEMAP_EXTENT_SHARED`).
    pub shared: bool,
}

/// `struct fiemap` with room for its extents (linux/fiemap.h).
#[repr(C)]
struct Fiemap {
    start: u64,
    length: u64,
    flags: u32,
    mapped: u32,
    count: u32,
    reserved: u32,
    extents: [Raw; 64],
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Raw {
    logical: u64,
    physical: u64,
    length: u64,
    reserved64: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

/// The file's extents, written out first (`FIEMAP_FLAG_SYNC`). At most 64 are looked at.
pub fn extents(file: &File) -> Vec<Extent> {
    const FS_IOC_FIEMAP: libc::c_ulong = 0xc020_660b;
    const SYNC: u32 = 1;
    const SHARED: u32 = 0x2000;
    let mut map = Fiemap {
        start: 0,
        length: u64::MAX,
        flags: SYNC,
        mapped: 0,
        count: 64,
        reserved: 0,
        extents: [Raw::default(); 64],
    };
    // SAFETY: the struct is laid out as the kernel's, with room for the 64 extents that `count` names.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), FS_IOC_FIEMAP as _, &raw mut map) };
    nix::errno::Errno::result(result).unwrap();
    let found = map.extents[..map.mapped as usize].iter();
    found.map(|raw| Extent { logical: raw.logical, length: raw.length, shared: raw.flags & SHARED != 0 }).collect()
}

/// Where the file has data, by `SEEK_DATA` and `SEEK_HOLE`.
pub fn data_ranges(file: &File) -> Vec<Range<u64>> {
    let (mut ranges, mut at) = (Vec::new(), 0);
    while let Ok(start) = lseek(file, at, Whence::SeekData) {
        at = lseek(file, start, Whence::SeekHole).unwrap();
        ranges.push(start as u64..at as u64);
    }
    ranges
}
