//! Opening a file.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

/// open(2), closed on exec, whatever signals come.
pub(crate) fn open(path: &Path, flags: OFlag, mode: Mode) -> std::result::Result<OwnedFd, Errno> {
    loop {
        match nix::fcntl::open(path, flags | OFlag::O_CLOEXEC, mode) {
            Err(Errno::EINTR) => {}
            opened => return opened,
        }
    }
}
