//! Whether memory of this process is mapped from a file: asked of the kernel at once where it can (`PROCMAP_QUERY`, Linux 6.11),
//! and read from /proc/self/maps (`proc_pid_maps(5)`) elsewhere.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::stat;

/// `struct procmap_query` of linux/fs.h.
#[repr(C)]
#[derive(Default)]
struct Query {
    size: u64,
    flags: u64,
    address: u64,
    start: u64,
    end: u64,
    rights: u64,
    page_size: u64,
    offset: u64,
    inode: u64,
    device: [u32; 2],
    name_size: u32,
    build_id_size: u32,
    name: u64,
    build_id: u64,
}

/// `_IOWR('f', 17, struct procmap_query)`
const PROCMAP_QUERY: libc::Ioctl = (3 << 30 | (size_of::<Query>() as u32) << 16 | 0x66 << 8 | 0x11) as libc::Ioctl;
/// The mapping of the address, or the next one …
const OR_NEXT: u64 = 0x10;
/// … that is of a file.
const OF_FILE: u64 = 0x20;

/// Whether some of these addresses show the file of that device and inode number. No, if nobody can say.
///
/// The numbers in the list of mappings need not be those of stat(2) (btrfs, overlay), so the file's name there decides.
pub(crate) fn show(addresses: &Range<usize>, identity: (u64, u64)) -> bool {
    let Ok(list) = File::open("/proc/self/maps") else { return false };
    let is_it = |name: &Path| stat(name).is_ok_and(|found| (found.st_dev, found.st_ino) == identity);
    query(&list, addresses, &is_it).unwrap_or_else(|_| read(list, addresses, &is_it))
}

fn query(list: &File, addresses: &Range<usize>, is_it: &dyn Fn(&Path) -> bool) -> Result<bool, Errno> {
    let mut name = [0_u8; libc::PATH_MAX as usize];
    let mut address = addresses.start as u64;
    while address < addresses.end as u64 {
        let mut query = Query {
            size: size_of::<Query>() as u64,
            flags: OR_NEXT | OF_FILE,
            address,
            name_size: name.len() as u32,
            name: name.as_mut_ptr() as u64,
            ..Query::default()
        };
        // SAFETY: the kernel reads and writes the structure, and at most `name_size` bytes of the name.
        match Errno::result(unsafe { libc::ioctl(list.as_raw_fd(), PROCMAP_QUERY, &raw mut query) }) {
            Ok(_) => {}
            Err(Errno::ENOENT) => return Ok(false),
            Err(errno) => return Err(errno),
        }
        let length = (query.name_size as usize).saturating_sub(1);
        if query.start < addresses.end as u64 && is_it(Path::new(std::ffi::OsStr::from_bytes(&name[..length]))) {
            return Ok(true);
        }
        address = query.end;
    }
    Ok(false)
}

fn read(list: File, addresses: &Range<usize>, is_it: &dyn Fn(&Path) -> bool) -> bool {
    BufReader::with_capacity(1 << 16, list).split(b'\n').map_while(Result::ok).any(|line| {
        let (Some((start, end)), Some(name)) = (range(&line), line.iter().position(|&byte| byte == b'/')) else {
            return false;
        };
        start < addresses.end && end > addresses.start && is_it(Path::new(std::ffi::OsStr::from_bytes(&line[name..])))
    })
}

/// The addresses at the beginning of a line.
fn range(line: &[u8]) -> Option<(usize, usize)> {
    let text = std::str::from_utf8(line.split(|&byte| byte == b' ').next()?).ok()?;
    let (start, end) = text.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use memmap2::Mmap;

    use super::*;

    /// By both ways, as far as the kernel has them.
    #[test]
    fn a_file_is_found_at_its_addresses_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let files = ["one", "other name"].map(|name| dir.path().join(name));
        let maps = files.each_ref().map(|path| {
            std::fs::write(path, vec![7; 20_000]).unwrap();
            // SAFETY: nobody changes the file.
            unsafe { Mmap::map(&File::open(path).unwrap()) }.unwrap()
        });
        let ranges = maps.each_ref().map(|map| map.as_ptr() as usize..map.as_ptr() as usize + map.len());
        let heap = vec![0_u8; 1 << 20];
        let elsewhere = heap.as_ptr() as usize..heap.as_ptr() as usize + heap.len();
        for (path, range) in files.iter().zip(&ranges) {
            let is_it = |name: &Path| name == path;
            let list = || File::open("/proc/self/maps").unwrap();
            let middle = range.start + 5000..range.start + 5001;
            for (addresses, expected) in [(range, true), (&middle, true), (&elsewhere, false)] {
                assert_eq!(read(list(), addresses, &is_it), expected);
                match query(&list(), addresses, &is_it) {
                    Ok(found) => assert_eq!(found, expected),
                    Err(errno) => assert_eq!(errno, Errno::ENOTTY),
                }
            }
            let found = path.metadata().unwrap();
            assert!(show(range, (found.dev(), found.ino())) && !show(range, (found.dev(), found.ino() + 1)));
        }
    }
}
