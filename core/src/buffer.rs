//! Memory of our own, in whole pages: aligned for `O_DIRECT`, and safe to lend to the kernel.
//!
//! A page that was given to a pipe or a socket by reference may be read long after the call that gave it has returned.
//! Memory from an allocator would be reused by then, and the receiver would see the new bytes. These pages come from
//! mmap(2) and go back by munmap(2): the kernel keeps a page that it still needs, and nobody else can ever write to it.
#![allow(unsafe_code)]

mod direct;
mod lent;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use crate::error::{Error, Result};
pub use direct::{read_direct, read_direct_alone};

/// Zeroed, page-aligned memory that can be written, then [frozen](Self::freeze) to be sent without a copy.
///
/// Page alignment (4 KiB at least) satisfies every `O_DIRECT` alignment of memory that file systems ask for (statx(2),
/// `stx_dio_mem_align`).
///
/// ```
/// let mut buffer = zcio::AlignedBuffer::new(8192)?;
/// buffer[..5].copy_from_slice(b"bytes");
/// assert!(buffer.as_ptr().addr().is_multiple_of(4096));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AlignedBuffer {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping belongs to this value alone, like a Vec's allocation; no thread is special to it.
unsafe impl Send for AlignedBuffer {}
// SAFETY: shared references only read.
unsafe impl Sync for AlignedBuffer {}

impl AlignedBuffer {
    /// `length` bytes of zeroes; at least one.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] for a length of 0, [`crate::ErrorKind::Os`] (ENOMEM) if there is no room.
    pub fn new(length: usize) -> Result<Self> {
        let Some(size) = std::num::NonZeroUsize::new(length) else {
            return Err(Error::new(crate::ErrorKind::InvalidInput, "a buffer needs at least one byte"));
        };
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new private anonymous mapping at an address of the kernel's choice touches no existing memory.
        let start = unsafe { mmap_anonymous(None, size, protection, MapFlags::MAP_PRIVATE) };
        let start = start.map_err(|errno| Error::os("mmap", errno))?.cast();
        Ok(Self { start, length })
    }

    /// Gives up writing for good, so that the pages may be sent by reference.
    pub fn freeze(self) -> Pages {
        Pages(Arc::new(self))
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping is readable, `length` bytes long, initialised (zeroes), private to this process, and is
        // written only through `&mut self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; `&mut self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length, and no reference to it outlives this value.
        let result = unsafe { munmap(self.start.cast(), self.length) };
        debug_assert!(matches!(result, Ok(()) | Err(Errno::ENOMEM)), "munmap: {result:?}");
    }
}

impl fmt::Debug for AlignedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedBuffer({} bytes)", self.length)
    }
}

/// Memory that nobody can write any more: what may be handed to a pipe or a socket by reference.
///
/// Cloning shares it. There is no way back to a writable buffer, because nobody can tell when the last receiver has read.
///
/// ```
/// use zcio::{AlignedBuffer, Endpoint, Transfer};
///
/// let mut buffer = AlignedBuffer::new(4096)?;
/// buffer.fill(b'z');
/// let (mut reader, writer) = std::io::pipe()?;
/// // The pipe gets the pages themselves.
/// let report = Transfer::new(Endpoint::pages(buffer.freeze()), Endpoint::new(&writer)?).run()?;
/// assert_eq!((report.bytes, report.copies.count), (4096, Some(0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pages(Arc<AlignedBuffer>);

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_zeroed_aligned_and_writable() {
        let mut buffer = AlignedBuffer::new(10_000).unwrap();
        assert_eq!(buffer.as_ptr().align_offset(4096), 0);
        assert!(buffer.iter().all(|&byte| byte == 0));
        buffer[9_999] = 7;
        let pages = buffer.freeze();
        assert_eq!((pages.len(), pages[9_999]), (10_000, 7));
    }

    #[test]
    fn nothing_is_no_buffer() {
        assert_eq!(AlignedBuffer::new(0).unwrap_err().kind(), crate::ErrorKind::InvalidInput);
    }
}
