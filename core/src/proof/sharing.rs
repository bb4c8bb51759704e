//! A place where files can share blocks: the directory of the options or the working directory if its file system does
//! that, or else an XFS of our own in a file behind a loop device (root, mkfs.xfs).
//!
//! Our own is mounted in a thread that has its mounts for itself, so nobody else ever sees it. What keeps it is one open
//! directory; the file behind it has no name any more. Both are gone when that descriptor is closed, however the process
//! ends.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::privilege::{in_thread, without_root};
use crate::capabilities::{Answer, Capabilities};
use crate::sys::laboratory::namespace;

/// XFS cannot be smaller than 300 MiB; the file is sparse, and holes stay holes.
const SIZE: u64 = 1 << 30;

/// Where mkfs(8) and mount(8) are, whatever the user's path says.
const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A directory on a file system that shares blocks between files.
#[derive(Debug)]
pub(super) struct Sharing {
    path: PathBuf,
    _mounted: Option<File>,
}

impl Sharing {
    /// Looks at what is there, and makes a file system if nothing can.
    pub fn find(directory: &Path) -> io::Result<Self> {
        for there in [directory, Path::new(".")] {
            let capabilities = Capabilities::of_path(there);
            let reflink = capabilities.as_ref().ok().and_then(|capabilities| capabilities.find("reflink"));
            if reflink.is_some_and(|reflink| reflink.answer == Answer::Yes) {
                return Ok(Self { path: there.to_path_buf(), _mounted: None });
            }
        }
        let mounted = make(directory).map_err(|error| {
            let kind = error.kind();
            io::Error::new(
                kind,
                format!("files at {} and here share no blocks; making an XFS: {error}", directory.display()),
            )
        })?;
        Ok(Self { path: format!("/proc/self/fd/{}", mounted.as_raw_fd()).into(), _mounted: Some(mounted) })
    }

    /// Where files are made in it.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A new XFS, as its root directory.
fn make(directory: &Path) -> io::Result<File> {
    let work = Work::new(directory)?;
    let image = work.0.join("image");
    in_thread(|| {
        // Whether this may be done at all, before anything is written.
        namespace::unshare_mounts().map_err(without_root)?;
        File::create_new(&image)?.set_len(SIZE)?;
        run(Command::new("mkfs.xfs").args(["-q", "-m", "reflink=1"]).arg(&image))?;
        // Over the directory that has the image in it. The loop device is freed with its last use.
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&work.0))?;
        File::open(&work.0)
    })
}

/// A directory for the image, which is removed with it.
struct Work(PathBuf);

impl Work {
    fn new(directory: &Path) -> io::Result<Self> {
        for number in 0.. {
            let path = directory.join(format!(".zcio-proof-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| Self(path)),
            }
        }
        unreachable!("there are more numbers than directories")
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // In this thread's mounts it is the plain directory, with the image in it.
        let _ = fs::remove_file(self.0.join("image"));
        let _ = fs::remove_dir(&self.0);
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.env("PATH", SYSTEM_PATH).output();
    let output = output.map_err(|error| io::Error::new(error.kind(), format!("{name} is not to be had: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim_end())))
}
