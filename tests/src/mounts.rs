//! Small file systems of our own, for tests about full disks and shared blocks. They need root.

use std::path::Path;
use std::process::{Command, Stdio};

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

/// A file system in a sparse file behind a loop device; both are gone with this value.
pub struct LoopFs {
    mounted: TempDir,
    _image: tempfile::NamedTempFile,
}

impl LoopFs {
    /// XFS, which shares blocks. It cannot be smaller than 300 MiB.
    pub fn xfs(bytes: u64) -> Option<Self> {
        Self::made_by(bytes, &["mkfs.xfs", "-q", "-m", "reflink=1"])
    }

    /// btrfs, which shares blocks. It cannot be smaller than about 110 MiB.
    pub fn btrfs(bytes: u64) -> Option<Self> {
        Self::made_by(bytes, &["mkfs.btrfs", "-q"])
    }

    /// ext4, which does not.
    pub fn ext4(bytes: u64) -> Option<Self> {
        Self::made_by(bytes, &["mkfs.ext4", "-q", "-F"])
    }

    /// `None`, with a word, where the program is missing or this process may not mount.
    fn made_by(bytes: u64, program: &[&str]) -> Option<Self> {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(bytes).unwrap();
        let mounted = tempfile::tempdir().unwrap();
        run(Command::new(program[0]).args(&program[1..]).arg(image.path()))?;
        // mount(8) finds a free loop device, and has it freed with the last use of the file system.
        run(Command::new("mount").args(["-o", "loop"]).arg(image.path()).arg(mounted.path()))?;
        Some(Self { mounted, _image: image })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.mounted.path()
    }
}

impl Drop for LoopFs {
    fn drop(&mut self) {
        let _ = umount2(self.mounted.path(), MntFlags::MNT_DETACH);
    }
}

fn run(command: &mut Command) -> Option<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.stdout(Stdio::null()).output() {
        Ok(output) if output.status.success() => Some(()),
        Ok(output) => {
            crate::skip(&format!("{name}: {}", String::from_utf8_lossy(&output.stderr)));
            None
        }
        Err(error) => {
            crate::skip(&format!("{name}: {error}"));
            None
        }
    }
}
