//! How the table is to be made: with how many bytes, and where.

use std::path::{Path, PathBuf};

/// How the table is to be made.
///
/// ```
/// use zcio::proof::Options;
///
/// let options = Options::quick().directory("/var/tmp");
/// assert_eq!(options.size, 4 << 20);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Bytes that a measured transfer moves.
    pub size: u64,
    /// Where files are made, without names; its file system is the one that is examined.
    pub directory: PathBuf,
}

impl Default for Options {
    /// 64 MiB, in the directory for temporary files; in `/var/tmp` if that one is memory, which no disk is behind.
    fn default() -> Self {
        let temporary = std::env::temp_dir();
        let on_disk = PathBuf::from("/var/tmp");
        let directory = if is_memory(&temporary) && !is_memory(&on_disk) { on_disk } else { temporary };
        Self { size: 64 << 20, directory }
    }
}

impl Options {
    /// 4 MiB: the same rows in a few seconds, with coarser costs.
    pub fn quick() -> Self {
        Self { size: 4 << 20, ..Self::default() }
    }

    /// So many bytes a measured transfer.
    #[must_use]
    pub fn size(mut self, size: u64) -> Self {
        self.size = size;
        self
    }

    /// On the file system of this directory.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }
}

/// Whether a directory is on a tmpfs, or not to be had at all.
fn is_memory(directory: &Path) -> bool {
    nix::sys::statfs::statfs(directory).map_or(true, |found| found.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC)
}
