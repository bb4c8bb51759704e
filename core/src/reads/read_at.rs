//! One read: from where, and into which memory.

use std::sync::Arc;

use nix::errno::Errno;

use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::hold::Hold;
use crate::region::View;
use crate::sys::SpanMut;

/// One of many [`Reads`](crate::Reads): a file, where in it the bytes begin, and the memory that they are read into. It reads as many as
/// the memory has room for.
///
/// The file is an [`Endpoint`] that can be asked for the bytes at an offset: a file or a block device. Its position stays.
#[derive(Debug)]
pub struct ReadAt<'a> {
    pub(super) file: &'a Endpoint<'a>,
    pub(super) offset: u64,
    pub(super) into: SpanMut<'a>,
    /// Of a region's memory.
    pub(super) hold: Option<Arc<dyn Hold>>,
}

impl<'a> ReadAt<'a> {
    /// Into memory of the caller's: an array, a `Vec`, an [`AlignedBuffer`](crate::AlignedBuffer).
    pub fn new(file: &'a Endpoint<'a>, offset: u64, into: &'a mut [u8]) -> Self {
        Self::of_span(file, offset, into.into(), None)
    }

    /// Into a view of a [`Region`](crate::Region). Closed before the read is over, the region ends it with [`ErrorKind::Closed`];
    /// where the region's own file was cut short it ends with [`ErrorKind::Faulted`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotWritable`] if the view is for reading.
    pub fn view(file: &'a Endpoint<'a>, offset: u64, into: &'a View) -> Result<Self> {
        let Some(span) = into.span_mut() else {
            let error = Error::new(ErrorKind::NotWritable, "the sink is memory that may only be read");
            return Err(error.with_errno(Errno::EBADF));
        };
        Ok(Self::of_span(file, offset, span, Some(into.keeper().0)))
    }

    pub(crate) fn of_span(file: &'a Endpoint<'a>, offset: u64, into: SpanMut<'a>, hold: Option<Arc<dyn Hold>>) -> Self {
        Self { file, offset, into, hold }
    }
}
