//! The file system's word: whether the blocks of a new file are another file's, too, and how much room it took.

use std::io;
use std::os::fd::BorrowedFd;

use nix::sys::statfs::fstatfs;
use nix::unistd::fsync;

use super::ends::Source;
use super::route::Route;
use super::setting::Setting;
use super::subject::Subject;
use crate::sys::laboratory::fiemap;

/// Enough to stand out from what a file system writes about itself.
const LENGTH: usize = 4 << 20;

/// The blocks of a file that was made from another.
///
/// ```
/// use zcio::Mechanism;
/// use zcio::proof::{Options, Route, Subject, examine};
///
/// let row = examine(Route::FileToFile, &Subject::engine(Mechanism::ReadWrite), &Options::quick());
/// if let Some(blocks) = row.blocks {
///     assert_eq!(blocks.shared, 0);
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Blocks {
    /// Bytes in extents that the source has, too (FIEMAP).
    pub shared: u64,
    /// Bytes in extents of its own.
    pub own: u64,
    /// How much less room the file system had afterwards, in bytes; others may have used or freed some meanwhile.
    pub room_taken: i64,
}

impl Blocks {
    /// Lets the subject make one more file and looks at it. `None` where the file system does not say (tmpfs).
    pub(super) fn of(setting: &Setting, route: Route, subject: &Subject) -> io::Result<Option<Self>> {
        let (source, sink) = setting.ends(route, LENGTH, b'o')?;
        let Source::File(file) = &source else { return Ok(None) };
        let Some(made) = sink.descriptor() else { return Ok(None) };
        fsync(file)?;
        let before = room(made)?;
        (subject.run)(source.end()?, sink.end()?, LENGTH as u64).map_err(crate::Error::whole)?;
        fsync(made)?;
        let room_taken = before - room(made)?;
        Ok(fiemap::stored(made).ok().map(|stored| Self { shared: stored.shared, own: stored.own, room_taken }))
    }

    /// Whether no block was made for it.
    pub(super) fn all_shared(self) -> bool {
        self.shared > 0 && self.own == 0
    }
}

/// Bytes that are free on the file system.
fn room(file: BorrowedFd<'_>) -> io::Result<i64> {
    let found = fstatfs(file)?;
    Ok(found.blocks_free() as i64 * u64::try_from(found.block_size()).unwrap_or(0) as i64)
}
