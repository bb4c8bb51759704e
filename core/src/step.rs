//! The words in which every operation speaks of its two ends: which end, what it must become, what a step did.
//!
//! They stand below everything that moves bytes, and know nothing of it.

/// Whether later changes to the source may show in bytes that are still on their way.
///
/// ```
/// use zcio::{Endpoint, Mechanism, Transfer, Visibility};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("from");
/// # std::fs::write(&path, b"a few bytes")?;
/// let (_reader, writer) = std::io::pipe()?;
/// let sent = Transfer::new(Endpoint::open(&path)?, Endpoint::new(&writer)?).visibility(Visibility::Snapshot).run()?;
/// // Whoever changes the file now changes nothing of what is in the pipe.
/// assert_eq!(sent.mechanism, Mechanism::ReadWrite);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// They may: the receiver may be looking at the source's own pages. What zero-copy means.
    #[default]
    Aliased,
    /// They may not: every byte has been copied at least once when the transfer returns. What a socket or a pipe holds counts
    /// as well: it may be the page cache of somebody's file.
    Snapshot,
}

/// One of the two ends.
///
/// ```
/// use zcio::{Readiness, Side};
///
/// assert_eq!(Side::Source.readiness(), Readiness::Readable);
/// assert_eq!(Side::Sink.readiness(), Readiness::Writable);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Where bytes come from.
    Source,
    /// Where bytes go to.
    Sink,
}

/// What a descriptor must become before the transfer can go on.
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use zcio::{Endpoint, Readiness, Relay};
///
/// let ((_a, first), (second, _b)) = (UnixStream::pair()?, UnixStream::pair()?);
/// let mut relay = Relay::new(Endpoint::new(&first)?, Endpoint::new(&second)?);
/// relay.step()?;
/// assert!(relay.interests().all(|(_, readiness)| readiness == Readiness::Readable));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Readiness {
    /// Readable: wait for `POLLIN`.
    Readable,
    /// Writable: wait for `POLLOUT`.
    Writable,
}

impl Side {
    /// What to wait for at this end.
    pub const fn readiness(self) -> Readiness {
        match self {
            Self::Source => Readiness::Readable,
            Self::Sink => Readiness::Writable,
        }
    }
}

/// What one step did.
///
/// The loop around it is the same in every runtime; only who waits differs. Here it is poll(2):
///
/// ```
/// use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
/// use zcio::{Endpoint, Side, Step, Transfer, NonBlockingGuard};
///
/// # let (mut sender, source) = std::os::unix::net::UnixStream::pair()?;
/// # let (sink, mut reader) = std::os::unix::net::UnixStream::pair()?;
/// # std::io::Write::write_all(&mut sender, b"bytes")?;
/// # drop(sender);
/// // A step must not sleep: streams that are in blocking mode are not, for as long as this lasts.
/// let _awake = (NonBlockingGuard::new(&source)?, NonBlockingGuard::new(&sink)?);
/// let mut transfer = Transfer::new(Endpoint::new(&source)?, Endpoint::new(&sink)?);
/// loop {
///     let (side, events) = match transfer.step()? {
///         Step::Done => break,
///         Step::Moved(_) => continue, // Here others have their turn.
///         Step::Blocked(side @ Side::Source) => (side, PollFlags::POLLIN),
///         Step::Blocked(side @ Side::Sink) => (side, PollFlags::POLLOUT),
///         Step::Completing => (Side::Sink, PollFlags::empty()),
///     };
///     poll(&mut [PollFd::new(transfer.descriptor(side), events)], PollTimeout::NONE)?;
/// }
/// # assert_eq!(transfer.report().unwrap().bytes, 5);
/// # let mut bytes = [0; 5];
/// # std::io::Read::read_exact(&mut reader, &mut bytes)?;
/// # assert_eq!(&bytes, b"bytes");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A runtime that remembers readiness must be told that there is none any more. tokio's `socket.writable().await` after a
/// step that was blocked returns at once, for ever: tokio has not seen the step's EAGAIN. Take the module `tokio` of this crate
/// (cargo feature `tokio`), or step inside `async_io`, as `WouldBlock`; `examples/rust` has programs for tokio and for smol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The transfer is over: the count was reached, or the source ended.
    Done,
    /// Delivered that many bytes; call again. 0 means that bytes were only taken so far, or that a signal came first.
    Moved(u64),
    /// Nothing can be moved until that end is ready (see [`Side::readiness`]).
    Blocked(Side),
    /// Every byte was handed over, but the kernel still reads the source's memory: wait until the sink has a notification
    /// (`POLLERR`, which poll(2) reports without being asked for anything), then step again.
    Completing,
}
