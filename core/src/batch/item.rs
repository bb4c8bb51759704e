//! One transfer of a batch, and what became of it.

use std::os::fd::BorrowedFd;
use std::path::Path;

use crate::endpoint::Endpoint;
use crate::mechanism::Mechanism;

/// One end of an item: a path, an open descriptor, or an endpoint.
///
/// ```
/// use zcio::batch::End;
/// use zcio::{Endpoint, Item};
///
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, b"a few bytes")?;
/// let file = Endpoint::open(&from)?;
/// let item = Item::new(&file, End::Path(&to));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum End<'fd> {
    /// A path. As a source it must name a regular file: bytes of a FIFO or a terminal could be read and lost. As a sink it
    /// is created, or emptied, with the item's first byte ([`Endpoint::create`]).
    Path(&'fd Path),
    /// A path where there must be nothing yet ([`Endpoint::create_new`]); a sink.
    New(&'fd Path),
    /// A descriptor. A source is read at the item's offset and its position is left alone; a sink is written at its own
    /// position.
    Descriptor(BorrowedFd<'fd>),
    /// An end that was made before, with its [`Hold`](crate::Hold); memory, too. Otherwise as a descriptor:
    /// what is there is not emptied, and a file that [`Endpoint::create`] would make is refused: give its path.
    Endpoint(&'fd Endpoint<'fd>),
}

impl<'fd> End<'fd> {
    /// Its descriptor, for an end that has one already.
    pub(super) fn descriptor(self) -> Option<BorrowedFd<'fd>> {
        match self {
            Self::Path(_) | Self::New(_) => None,
            Self::Descriptor(fd) => Some(fd),
            Self::Endpoint(end) => end.descriptor(),
        }
    }
}

impl<'fd> From<&'fd Endpoint<'fd>> for End<'fd> {
    fn from(end: &'fd Endpoint<'fd>) -> Self {
        Self::Endpoint(end)
    }
}

impl<'fd> From<&'fd Path> for End<'fd> {
    fn from(path: &'fd Path) -> Self {
        Self::Path(path)
    }
}

impl<'fd> From<BorrowedFd<'fd>> for End<'fd> {
    fn from(fd: BorrowedFd<'fd>) -> Self {
        Self::Descriptor(fd)
    }
}

/// One transfer of a batch: a file, or a part of one, to a socket, pipe or file.
///
/// ```
/// use std::path::Path;
/// use zcio::Item;
///
/// // A mebibyte from the second one on.
/// let item = Item::new(Path::new("/data/table"), Path::new("/data/part")).offset(1 << 20).count(1 << 20);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Item<'fd> {
    pub(super) source: End<'fd>,
    pub(super) sink: End<'fd>,
    pub(super) offset: u64,
    pub(super) count: Option<u64>,
}

impl<'fd> Item<'fd> {
    /// The whole file.
    pub fn new(source: impl Into<End<'fd>>, sink: impl Into<End<'fd>>) -> Self {
        Self { source: source.into(), sink: sink.into(), offset: 0, count: None }
    }

    /// From this byte of the file on.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// At most this many bytes. A file that ends before is no error. Said for a file whose size is known, it saves asking
    /// for the end.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }
}

/// What happened to one item.
///
/// ```
/// use zcio::{Batch, Item};
///
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, b"a few bytes")?;
/// let report = Batch::new().run(&[Item::new(from.as_path(), to.as_path()).count(5)]);
/// let item = report.items[0].as_ref().unwrap();
/// assert_eq!((item.bytes, item.requested), (5, Some(5)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ItemReport {
    /// Bytes delivered to the sink.
    pub bytes: u64,
    /// Bytes that were asked for; `None` for everything to the end of the file.
    pub requested: Option<u64>,
    /// How they went: [`Mechanism::Uring`] together with others, or what a transfer of their own chose.
    pub mechanism: Mechanism,
}
