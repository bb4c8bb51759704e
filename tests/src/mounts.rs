//! Small file systems of our own, for tests about full disks. They need root.

use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;

/// A tmpfs that is gone with this value.
pub struct Tmpfs(TempDir);

impl Tmpfs {
    /// A tmpfs of that size in bytes; `None`, with a word, if this process may not mount.
    pub fn of(bytes: usize) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let options = format!("size={bytes}");
        match mount(Some("tmpfs"), at.path(), Some("tmpfs"), MsFlags::empty(), Some(options.as_str())) {
            Ok(()) => Some(Self(at)),
            Err(errno) => {
                crate::skip(&format!("cannot mount a tmpfs: {errno}"));
                None
            }
        }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = umount2(self.0.path(), MntFlags::MNT_DETACH);
    }
}
