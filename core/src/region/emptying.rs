//! Files with content that are to become so many zeroes: what could be refused is asked for while the content is there still.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::fstat;
use nix::unistd::ftruncate;

use crate::error::{Error, Result};

/// Takes the content of a file away that is to be of that size next, which `room` asks for what else it needs.
pub(super) fn empty_for(file: impl AsFd, size: u64, room: impl FnOnce() -> Result<()>) -> Result<()> {
    let before = fstat(&file).map_err(|errno| Error::os("fstat", errno))?.st_size as u64;
    let refused = |errno| Error::os("ftruncate", errno);
    let seals = fcntl(&file, FcntlArg::F_GET_SEALS).map_or(SealFlag::empty(), SealFlag::from_bits_retain);
    if before > 0 && seals.intersects(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW) {
        return Err(refused(Errno::EPERM));
    }
    // Only a file that grows is measured by its limit, and this one does when it is empty.
    if size <= before && getrlimit(Resource::RLIMIT_FSIZE).is_ok_and(|(most, _)| size > most) {
        return Err(refused(Errno::EFBIG));
    }
    let cut = |length: u64| ftruncate(&file, length as i64).map_err(refused);
    cut(size.max(before))?;
    if let Err(error) = room() {
        cut(before)?;
        return Err(error);
    }
    cut(0)
}
