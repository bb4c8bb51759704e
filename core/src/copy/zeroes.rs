//! Holes by looking for zeroes, as cp(1) does: for files that have some, on a file system that does not say where.

use std::ops::Range;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::stat::FileStat;
use nix::sys::uio::pread;

use crate::sys::heap;

/// What may become a hole: as much as a block of most file systems, and never less than a page.
const BLOCK: usize = 4096;

/// How much is read to be looked at. It is read again when it is moved, out of the page cache then.
const WINDOW: usize = 1 << 20;

/// Whether a file has fewer blocks than its size takes.
pub(super) fn are_likely(stat: &FileStat) -> bool {
    stat.st_size > BLOCK as i64 && stat.st_blocks < stat.st_size / 512
}

/// The part of a file that was read last.
#[derive(Default)]
pub(super) struct Search {
    buffer: Vec<u8>,
    at: u64,
}

impl Search {
    /// The bytes at a position, as many as are there and were read; none at the end of the file.
    pub fn window(&mut self, file: BorrowedFd<'_>, at: u64) -> Result<&[u8], Errno> {
        if at < self.at || at >= self.at + self.buffer.len() as u64 {
            heap::resize(&mut self.buffer, WINDOW)?;
            let mut length = 0;
            while length < WINDOW {
                match pread(file, &mut self.buffer[length..], (at + length as u64) as i64) {
                    Ok(0) => break,
                    Ok(count) => length += count,
                    Err(Errno::EINTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
            self.buffer.truncate(length);
            self.at = at;
        }
        Ok(&self.buffer[(at - self.at) as usize..])
    }
}

/// The first blocks in a row that are not all zeroes.
pub(super) fn first_data(bytes: &[u8]) -> Option<Range<usize>> {
    let is_zero = |block: &[u8]| block == &[0; BLOCK][..block.len()];
    let start = bytes.chunks(BLOCK).position(|block| !is_zero(block))? * BLOCK;
    let blocks = bytes[start..].chunks(BLOCK).take_while(|block| !is_zero(block));
    Some(start..start + blocks.map(<[u8]>::len).sum::<usize>())
}
