//! Where the numbers of duplicates are noted that a child of fork(2) must close.
//!
//! The handler in the child reads numbers in a fixed place: it may allocate nothing and wait for nobody.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

/// The most there can be at a time.
const MOST: usize = 4096;

pub(super) static NOTED: [Note; MOST] = [const { Note { inode: AtomicU64::new(0), number: AtomicI32::new(-1) } }; MOST];

/// Where a duplicate is in the process's table.
#[derive(Debug)]
pub(super) struct Note {
    /// Of the socket; 0 for a place that is free.
    pub inode: AtomicU64,
    /// -1 while there is none.
    pub number: AtomicI32,
}

/// In the child: closes its parent's, where they still are what they were. Async-signal-safe.
pub(super) fn close_inherited() {
    for note in &NOTED {
        let (inode, number) = (note.inode.swap(0, Ordering::AcqRel), note.number.swap(-1, Ordering::AcqRel));
        if inode == 0 || number < 0 {
            continue;
        }
        // SAFETY: all-zero is a valid stat, and fstat(2) fills it.
        let stat = unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            if libc::fstat(number, &raw mut stat) != 0 {
                continue;
            }
            stat
        };
        if stat.st_mode & libc::S_IFMT == libc::S_IFSOCK && stat.st_ino == inode {
            // SAFETY: the duplicate's number in this process, where nothing else refers to it.
            unsafe { libc::close(number) };
        }
    }
}
