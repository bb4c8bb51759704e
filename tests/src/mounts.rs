//! Small file systems of our own, for tests about full disks and shared blocks. They need root.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::statvfs;
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
                crate::skip(&format!("mount of a tmpfs: {errno}"));
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

/// An overlay over two folders of a tmpfs, which are gone with this value.
pub struct Overlay {
    layers: Tmpfs,
}

impl Overlay {
    /// `None`, with a word, if this process may not mount.
    pub fn of(bytes: usize) -> Option<Self> {
        let layers = Tmpfs::of(bytes)?;
        let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| layers.path().join(name));
        for folder in [&lower, &upper, &work, &merged] {
            std::fs::create_dir(folder).unwrap();
        }
        let [lower, upper, work] = [lower, upper, work].map(|path| path.display().to_string());
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        match mount(Some("overlay"), &merged, Some("overlay"), MsFlags::empty(), Some(options.as_str())) {
            Ok(()) => Some(Self { layers }),
            Err(errno) => {
                crate::skip(&format!("mount of an overlay: {errno}"));
                None
            }
        }
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.layers.path().join("merged")
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let _ = umount2(&self.path(), MntFlags::MNT_DETACH);
    }
}

/// A folder seen through FUSE, by bindfs(1), which knows nothing of holes.
pub struct Fuse {
    mounted: TempDir,
    behind: TempDir,
}

impl Fuse {
    /// `None`, with a word, where the program is missing or FUSE is not to be had.
    pub fn new() -> Option<Self> {
        let (mounted, behind) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        run(Command::new("bindfs").arg(behind.path()).arg(mounted.path()))?;
        Some(Self { mounted, behind })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.mounted.path()
    }

    /// The folder itself.
    pub fn behind(&self) -> &Path {
        self.behind.path()
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        // An ordinary user's FUSE is unmounted by a program that may.
        if umount2(self.mounted.path(), MntFlags::MNT_DETACH).is_err() {
            let _ = Command::new("fusermount3").arg("-uz").arg(self.mounted.path()).status();
        }
    }
}

/// What a file system has left, in bytes.
pub fn room(at: &Path) -> u64 {
    let found = statvfs(at).unwrap();
    found.blocks_available() as u64 * found.fragment_size() as u64
}

/// Waits until it has as much: a removed file keeps its room while a child that another test has started holds it open.
pub fn await_room(at: &Path, bytes: u64) {
    let begun = Instant::now();
    while room(at) < bytes {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} of {bytes} bytes are there", room(at));
        std::thread::sleep(Duration::from_millis(5));
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

/// A block device: a loop device over a temporary file. Both are gone with this value.
pub struct LoopDevice {
    path: PathBuf,
    image: tempfile::NamedTempFile,
}

impl LoopDevice {
    /// A device of those bytes, a multiple of 512. `None`, with a word, if this process may not make one.
    pub fn over(bytes: &[u8]) -> Option<Self> {
        let image = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(image.path(), bytes).unwrap();
        let output = output(Command::new("losetup").args(["--find", "--show"]).arg(image.path()))?;
        let path = String::from_utf8(output).unwrap().trim_end().into();
        Some(Self { path, image })
    }

    /// The device.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file behind it, which has what was written to the device after an fsync(2) there.
    pub fn image(&self) -> &Path {
        self.image.path()
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.path).status();
    }
}

fn run(command: &mut Command) -> Option<()> {
    output(command).map(drop)
}

/// What a program says on standard output; `None`, with a word, if it fails.
fn output(command: &mut Command) -> Option<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.output() {
        Ok(output) if output.status.success() => Some(output.stdout),
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
