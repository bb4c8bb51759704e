//! The file systems that files are moved on: the one of the working folder, XFS in a file of its own, and memory.
//!
//! XFS is made by mkfs.xfs(8) and mounted through a loop device, which needs root; it is unmounted when the run ends, also
//! by Ctrl-C. A place that cannot be had says why, and the routes that need it are left out with that reason.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::host;

/// What is mounted now, for the handler of Ctrl-C.
static MOUNTED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
/// What is in memory now, for the same.
static IN_MEMORY: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The file system of the folder for this run's files.
    Here,
    /// XFS by loop device.
    Xfs,
    /// `/dev/shm`.
    Tmpfs,
}

/// Where the places are; each is made when it is first asked for.
pub struct Places {
    here: PathBuf,
    largest: u64,
    xfs: OnceCell<Result<Mount, String>>,
    tmpfs: OnceCell<Result<TempDir, String>>,
}

impl Places {
    /// `largest` is the size of the largest file that will be moved.
    pub fn new(here: &Path, largest: u64) -> Self {
        Self { here: here.to_path_buf(), largest, xfs: OnceCell::new(), tmpfs: OnceCell::new() }
    }

    /// The folder at that place. The error says why there is none.
    pub fn folder(&self, place: Place) -> Result<PathBuf> {
        match place {
            Place::Here => Ok(self.here.clone()),
            Place::Xfs => {
                let mount = self.xfs.get_or_init(|| Mount::xfs(&self.here, self.largest).map_err(|e| format!("{e:#}")));
                mount.as_ref().map(|mount| mount.0.clone()).map_err(|reason| anyhow!("{reason}"))
            }
            Place::Tmpfs => {
                let folder = self.tmpfs.get_or_init(|| in_memory().map_err(|error| format!("{error:#}")));
                folder.as_ref().map(|folder| folder.path().to_path_buf()).map_err(|reason| anyhow!("{reason}"))
            }
        }
    }

    /// Its file system's type and free bytes.
    pub fn facts(&self, place: Place) -> Result<(String, u64)> {
        let folder = self.folder(place)?;
        let free = nix::sys::statvfs::statvfs(&folder)?;
        let name = host::file_system(&folder).unwrap_or_else(|| "unknown".to_string());
        Ok((name, free.blocks_available() * free.fragment_size()))
    }
}

fn in_memory() -> Result<TempDir> {
    let parent = Path::new("/dev/shm");
    let found = host::file_system(parent);
    ensure!(found.as_deref() == Some("tmpfs"), "/dev/shm is no tmpfs");
    let folder = tempfile::Builder::new().prefix("zcio-compare-").tempdir_in(parent)?;
    IN_MEMORY.lock().unwrap_or_else(PoisonError::into_inner).push(folder.path().to_path_buf());
    Ok(folder)
}

/// What is left to do when the program is ended from outside: nothing is unwound then.
pub fn clean_up() {
    unmount_all();
    for folder in IN_MEMORY.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        // What cannot be removed is a temporary file.
        let _ = fs::remove_dir_all(&folder);
    }
}

/// A mounted file system, unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    fn xfs(here: &Path, largest: u64) -> Result<Self> {
        ensure!(host::is_root(), "mounting XFS needs root");
        let (image, folder) = (here.join("xfs.image"), here.join("xfs"));
        // Its own minimum is 300 MiB. The file is sparse: what is not written takes no room.
        let room = (1_u64 << 30) + largest.saturating_mul(4);
        File::create(&image)?.set_len(room)?;
        fs::create_dir(&folder)?;
        succeed(Command::new("mkfs.xfs").arg("-q").arg(&image)).context("mkfs.xfs (package xfsprogs)")?;
        succeed(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&folder))?;
        MOUNTED.lock().unwrap_or_else(PoisonError::into_inner).push(folder.clone());
        Ok(Self(folder))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        unmount_all();
    }
}

/// Unmounts what is mounted. Lazily: a lane may have a file open still, and its end ends the mount.
fn unmount_all() {
    for folder in MOUNTED.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        if let Err(error) = succeed(Command::new("umount").arg("-l").arg(&folder)) {
            eprintln!("compare: {error:#}");
        }
    }
}

fn succeed(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}", command.get_program().display(), said.trim());
    }
    Ok(())
}
