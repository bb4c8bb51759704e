//! Regions of new files, and of files that are overwritten.

use std::fs::OpenOptions;
use std::os::fd::AsFd;
use std::path::Path;

use nix::sys::stat::fstat;
use nix::unistd::ftruncate;

use super::emptying::empty_for;
use super::growth::allocate;
use super::mapping::errno_of;
use super::refusal::invalid;
use super::{Access, Region, RegionOptions};

use crate::error::{Error, Result};
use crate::opening::must_be_regular;

impl RegionOptions {
    /// Makes a file of zeroes that ends where the region does, or overwrites one, and maps it; for [`Access::ReadWrite`], and
    /// the length must be given. The region keeps the file open, to be resized with it.
    ///
    /// The path is looked up once: a file that somebody else puts under it meanwhile is neither mapped nor changed. An existing
    /// file keeps its content where the length or the room for it is refused.
    pub fn create(&self, path: impl AsRef<Path>) -> Result<Region> {
        let path = path.as_ref();
        self.create_at(path).map_err(|error| error.at(Some(path)))
    }

    fn create_at(&self, path: &Path) -> Result<Region> {
        let length = self.length.ok_or_else(|| invalid("a region of a new file needs a length"))?;
        if self.access != Access::ReadWrite {
            return Err(invalid("a region of a new file is for reading and writing"));
        }
        let end = self.offset.saturating_add(length).min(i64::MAX as u64);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| Error::os("open", errno_of(&error)))?;
        let stat = fstat(&file).map_err(|errno| Error::os("fstat", errno))?;
        must_be_regular(&stat, path)?;
        empty_for(&file, end, || if self.is_reserved() { allocate(file.as_fd(), self.offset, end) } else { Ok(()) })?;
        ftruncate(&file, end as i64).map_err(|errno| Error::os("ftruncate", errno))?;
        self.map_owning(file.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> RegionOptions {
        RegionOptions::new().access(Access::ReadWrite)
    }

    #[test]
    fn a_file_is_made_or_overwritten_as_long_as_the_region() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for (offset, length) in [(0, 10_000), (5_000, 100), (0, 0), (4_096, 20_000)] {
            let region = options().offset(offset).length(length).create(&path).unwrap();
            assert_eq!(region.len(), length);
            assert_eq!(std::fs::read(&path).unwrap(), vec![0; (offset + length) as usize]);
            std::fs::write(&path, b"before").unwrap();
        }
    }

    /// Every refusal of it leaves an existing file as it was.
    #[test]
    fn what_is_refused_costs_no_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, b"precious").unwrap();
        let refused = [
            ("no length", options()),
            ("to be read only", RegionOptions::new().length(10)),
            ("longer than files are", options().length(i64::MAX as u64)),
            ("longer than files are, with room", options().length(i64::MAX as u64).reserve()),
            ("beyond every offset", options().offset(u64::MAX).length(10)),
        ];
        for (why, options) in refused {
            assert!(options.create(&path).is_err(), "{why}");
            assert_eq!(std::fs::read(&path).unwrap(), b"precious", "{why}");
        }
    }
}
