//! A region that becomes longer or shorter, alone or with its file.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use nix::sys::stat::fstat;
use nix::unistd::ftruncate;

use super::Region;
use super::growth::{Follow, extend};
use super::handle::State;
use super::kept::Kept;
use super::mapping::Mapping;
use super::refusal::{busy, invalid};
use crate::error::{Error, Result};
use crate::sys::memory;

impl Region {
    /// Makes the region longer or shorter (mremap(2)); its address may change. EBUSY while views exist. After an error it is
    /// as it was. New pages have the advice, the lock and the rights of the last page before; all others keep their own.
    ///
    /// A region that keeps its file cannot grow beyond the file's end. One that does not keep it can, and finds
    /// [`crate::ErrorKind::Faulted`] there until the file has grown, too.
    pub fn resize(&self, length: u64) -> Result<()> {
        self.resize_following(length, Follow::Nothing)
    }

    /// As [`Region::resize`], and the file goes along: a region that becomes shorter cuts its file where it ends (ftruncate(2)), one
    /// that becomes longer makes a file that ends before it longer, and cuts nothing: what others have added meanwhile stays.
    ///
    /// What is added is a hole up to its last page, which is allocated (ENOSPC if it cannot be): on a full device the first
    /// store into the hole fails (checked) or is SIGBUS (through a view). Where the file system has no fallocate(2) it is
    /// zeroes, which are appended.
    pub fn resize_with_file(&self, length: u64) -> Result<()> {
        self.resize_following(length, Follow::Truncate)
    }

    /// All or nothing: the mapping grows first, because a file that others hold may be one that is never made shorter again,
    /// and shrinks last, because that cannot fail.
    pub(super) fn resize_following(&self, length: u64, follow: Follow) -> Result<()> {
        self.with_mut(|state| {
            let State { mapping, file, offset, .. } = state;
            let length = length
                .checked_next_multiple_of(if mapping.page() > memory::page_size() { mapping.page() as u64 } else { 1 })
                .filter(|length| i64::try_from(length.saturating_add(*offset)).is_ok())
                .ok_or_else(|| invalid("longer than the address space"))?;
            let end = *offset + length;
            let file = file.as_ref().map(Kept::get).transpose()?;
            let size = |file: BorrowedFd<'_>| {
                fstat(file).map(|stat| stat.st_size as u64).map_err(|errno| Error::os("fstat", errno))
            };
            let before = match (file, follow) {
                (None, Follow::Nothing) => None,
                (None, _) => return Err(invalid("the region does not keep its file")),
                (Some(file), Follow::Nothing) if end > size(file)? => {
                    return Err(invalid("the file ends before the region would"));
                }
                (Some(_), Follow::Nothing) => None,
                (Some(file), _) => Some((file, size(file)?)),
            };
            let length_before = mapping.len();
            let is_longer = length as usize > length_before;
            self.fit(mapping, length as usize)?;
            resize(mapping, length_before.max(length as usize))?;
            let followed = match before {
                Some((file, before)) if end > before => extend(file, before, end, follow),
                // A file that is longer than a region that grows has been made so by others.
                Some((file, before)) if end < before && !is_longer => {
                    ftruncate(file, end as i64).map_err(|errno| Error::os("ftruncate", errno))
                }
                _ => Ok(()),
            };
            resize(mapping, if followed.is_ok() { length as usize } else { length_before })?;
            followed
        })
    }
}

fn resize(mapping: &mut Arc<Mapping>, length: usize) -> Result<()> {
    if Mapping::resize(mapping, length, true)? { Ok(()) } else { Err(busy("the region cannot be resized")) }
}
