//! One end of a transfer: a descriptor and the facts about it that decide what is possible.
//!
//! An endpoint borrows its descriptor, or owns one it opened from a path; it never closes what it did not open. Where a
//! borrow is not enough, a [`Hold`] keeps the end what it is. Facts are read once, when the endpoint is made, or when they are needed
//! where the descriptor's owner is a socket by its type; nothing in them promises that the descriptor stays as it was.

mod away;
mod cached;
mod destination;
mod facts;
mod hold;
mod lend_fd;
#[cfg(feature = "inject")]
mod made;
mod memory;
mod non_blocking;
mod path;
mod sent;
pub(crate) mod sharing;
mod streams;
mod terminal;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::buffer::Pages;
use crate::encryption::{self, Encryption};
use crate::error::Result;
use crate::hold::Hold;
use crate::region::View;
use crate::sys::{Span, SpanMut, socket_option};
use crate::unnamed::Unnamed;
use away::Away;
pub(crate) use destination::FIRST;
pub use facts::{Facts, Kind};
pub(crate) use hold::Entered;
pub use lend_fd::LendFd;
#[cfg(feature = "inject")]
pub use made::Made;
pub use non_blocking::NonBlockingGuard;
#[doc(hidden)]
pub use sent::Sent;

/// One end of a transfer. See the module's introduction.
///
/// ```
/// use zcio::Endpoint;
///
/// let file = tempfile::tempfile()?;
/// let (socket, _peer) = std::os::unix::net::UnixStream::pair()?;
/// let ends = (Endpoint::new(&file)?, Endpoint::new(&socket)?);
/// assert!(ends.0.facts().kind.is_seekable() && ends.1.facts().kind.is_socket());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // Independent of each other, no state machine.
pub struct Endpoint<'fd> {
    handle: Handle<'fd>,
    facts: Facts,
    /// Those of a socket that was not asked for any when this was made.
    asked: Option<Arc<OnceLock<Facts>>>,
    path: Option<Box<Path>>,
    /// A file that is yet to be emptied, or to be given its name: see [`destination`].
    destination: bool,
    /// Switched to non-blocking mode by us.
    unblocked: bool,
    /// A terminal in blocking mode that takes one byte at a time; see [`Endpoint::open_again_awake`].
    byte_by_byte: bool,
    /// Whoever must not sleep in it is woken by a signal.
    woken: bool,
    /// What keeps it what it is, where a borrow does not.
    hold: Option<Arc<dyn Hold>>,
}

/// Nothing of it is changed half-way when somebody's code runs, and a [`Hold`] answers for itself.
impl UnwindSafe for Endpoint<'_> {}
impl RefUnwindSafe for Endpoint<'_> {}

#[derive(Debug)]
enum Handle<'fd> {
    Borrowed(BorrowedFd<'fd>),
    Owned(OwnedFd),
    /// A file that does not have its name yet, or had none when it was made.
    New(Box<Unnamed>),
    /// One that was sent here ([`Sent`]).
    Away(Box<Away>),
    Memory(Span<'fd>),
    MemoryMut(SpanMut<'fd>),
    View(Box<View>),
    Pages(Pages),
}

impl Handle<'_> {
    fn borrow(&self) -> Handle<'_> {
        match self {
            Self::Borrowed(fd) => Handle::Borrowed(*fd),
            Self::Owned(fd) => Handle::Borrowed(fd.as_fd()),
            Self::New(file) => Handle::Borrowed(file.as_fd()),
            Self::Away(file) => Handle::Borrowed(file.as_fd()),
            Self::Memory(span) => Handle::Memory(*span),
            Self::MemoryMut(span) => Handle::MemoryMut(*span),
            Self::View(view) => Handle::View(view.clone()),
            Self::Pages(pages) => Handle::Pages(pages.clone()),
        }
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Borrowed(fd) => Some(*fd),
            Self::Owned(fd) => Some(fd.as_fd()),
            Self::New(file) => Some(file.as_fd()),
            Self::Away(file) => Some(file.as_fd()),
            Self::Memory(_) | Self::MemoryMut(_) | Self::View(_) | Self::Pages(_) => None,
        }
    }
}

impl<'fd> Endpoint<'fd> {
    /// An end that borrows a descriptor: a [`BorrowedFd`], or a reference to anything that has one (`&File`, `&TcpStream`).
    /// Streams are used as they are, blocking or not; files at their own position unless the transfer says otherwise.
    ///
    /// [`ErrorKind::BadDescriptor`](crate::ErrorKind::BadDescriptor) if it is not open.
    ///
    /// ```
    /// # use std::os::fd::AsFd;
    /// use zcio::{Endpoint, Kind};
    ///
    /// let (reader, writer) = std::io::pipe()?;
    /// assert_eq!(Endpoint::new(&reader)?.facts().kind, Kind::Pipe);
    /// assert_eq!(Endpoint::new(writer.as_fd())?.facts().kind, Kind::Pipe);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(fd: impl LendFd<'fd>) -> Result<Self> {
        let (kind, fd) = (fd.kind(), fd.lend());
        // One that may encrypt is asked: what is half configured is refused.
        if let Some(kind) = kind
            && !encryption::is_attached(fd)
        {
            let end = Self::with(Facts::of_socket(kind), Handle::Borrowed(fd));
            return Ok(Self { asked: Some(Arc::default()), ..end });
        }
        Ok(Self::with(Facts::of(fd)?, Handle::Borrowed(fd)))
    }

    /// An end that owns a descriptor and closes it when it is dropped.
    pub fn owning(fd: OwnedFd) -> Result<Self> {
        Ok(Self::with(Facts::of(fd.as_fd())?, Handle::Owned(fd)))
    }

    fn with(facts: Facts, handle: Handle<'fd>) -> Self {
        Self {
            handle,
            facts,
            asked: None,
            path: None,
            destination: false,
            unblocked: false,
            byte_by_byte: false,
            woken: false,
            hold: None,
        }
    }

    /// The same end again, with its hold, without asking the kernel for its facts again: for many transfers over one
    /// descriptor.
    ///
    /// An end made from a path that is yet to be emptied lends its descriptor only: nothing is emptied for this one.
    #[inline]
    pub fn borrow(&self) -> Endpoint<'_> {
        let handle = match &self.handle {
            Handle::Borrowed(fd) => Handle::Borrowed(*fd),
            kept => kept.borrow(),
        };
        Endpoint { hold: self.hold.clone(), asked: self.asked.clone(), ..Endpoint::with(self.facts, handle) }
    }

    /// What is known about the descriptor.
    pub fn facts(&self) -> &Facts {
        let Some(asked) = &self.asked else { return &self.facts };
        asked.get_or_init(|| Facts::of(self.fd()).unwrap_or(self.facts))
    }

    /// The same without asking: of a socket not its mode, nor its identity.
    #[inline]
    pub(crate) fn known(&self) -> &Facts {
        &self.facts
    }

    /// What it is, for who takes bytes from it: an error if they are not all bytes of the stream. A socket that was not asked is asked
    /// the least: one of the standard library's types can be made of any descriptor, and what does not fit of a datagram is lost.
    pub(crate) fn kind_of_source(&self) -> Result<Kind> {
        if self.asked.is_none() {
            return self.facts.encryption.readable().map(|()| self.facts.kind);
        }
        let is_so = match self.facts.kind {
            Kind::Tcp => match encryption::is_attached_now(self.fd()) {
                Ok(true) => Encryption::Kernel.readable().map(|()| true)?,
                answer => answer.is_ok(),
            },
            _ => socket_option(self.fd(), libc::SO_TYPE) == Ok(libc::SOCK_STREAM),
        };
        Ok(if is_so { self.facts.kind } else { self.facts().kind })
    }

    /// Asks, for who is about to change them.
    fn learn(&mut self) {
        self.facts = *self.facts();
        self.asked = None;
    }

    /// The path, when the endpoint was made from one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The descriptor; memory has none.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.handle.descriptor()
    }

    /// The descriptor, of an end that is known to have one.
    ///
    /// # Panics
    ///
    /// If it is memory: only mechanisms that know memory get it, and it is never waited for.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.descriptor().expect("memory has no descriptor")
    }

    /// Whether both ends are one thing, or would be if they had their names.
    pub(crate) fn is_same(&self, other: &Endpoint<'_>) -> bool {
        match (&self.handle, &other.handle) {
            (Handle::New(file), Handle::New(other)) => file.is_namesake(other),
            (Handle::Away(file), Handle::Away(other)) => file.is_namesake(other),
            _ => self.facts().identity == other.facts().identity,
        }
    }

    /// The memory, for a source that is memory nobody can write.
    pub(crate) fn frozen(&self) -> Option<&Pages> {
        match &self.handle {
            Handle::Pages(pages) => Some(pages),
            _ => None,
        }
    }

    /// The memory, for a source that is memory.
    pub(crate) fn memory(&self) -> Option<Span<'_>> {
        match &self.handle {
            Handle::Memory(span) => Some(*span),
            Handle::MemoryMut(span) => Some(span.as_span()),
            Handle::View(view) => Some(Span::from(&**view)),
            Handle::Pages(pages) => Some(Span::from(&pages[..])),
            Handle::Borrowed(_) | Handle::Owned(_) | Handle::New(_) | Handle::Away(_) => None,
        }
    }

    /// The memory to be written, for an end that is such memory.
    pub(crate) fn room(&self) -> Option<SpanMut<'_>> {
        match &self.handle {
            Handle::MemoryMut(span) => Some(*span),
            Handle::View(view) => view.span_mut(),
            _ => None,
        }
    }

    /// The view, for an end that is of a region that receives.
    pub(crate) fn receiving(&self) -> Option<&View> {
        match &self.handle {
            Handle::View(view) if view.receives() => Some(view),
            _ => None,
        }
    }

    /// Finds out [`Facts::shares_blocks`]. One fstatfs(2) a file system, which takes longer than fstat(2): only for who needs it.
    pub(crate) fn learn_to_share(&mut self) {
        let device = self.facts.identity.0;
        self.facts.shares_blocks = self.descriptor().is_some_and(|fd| sharing::may_share(device, fd));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_missing_path_and_a_directory_are_named_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = Endpoint::open(dir.path().join("none")).unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::NotFound, Some(dir.path().join("none").as_path())));
        let error = Endpoint::create(dir.path()).unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::IsDirectory, Some(dir.path())));
        assert_eq!(Endpoint::open(dir.path()).unwrap().facts().kind, Kind::Directory);
    }
}
