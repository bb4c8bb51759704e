//! What a transfer did: a plain record, the same in all three languages.

use std::time::Duration;

use crate::endpoint::Kind;
use crate::error::Error;
use crate::mechanism::Mechanism;

/// What happened in a transfer, so far or to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Bytes delivered to the sink.
    pub bytes: u64,
    /// Bytes that were asked for; `None` if the transfer was to run to the end of the source.
    pub requested: Option<u64>,
    /// The mechanism that was in use last. With `automatic` it is the one that worked.
    pub mechanism: Mechanism,
    /// Whether the mechanism was chosen by the plan (true) or named by the caller (false).
    pub automatic: bool,
    /// Mechanisms that were tried before and refused, in order.
    pub attempts: Vec<Attempt>,
    /// System calls made to move bytes, waits included, opening and inspecting the ends excluded.
    pub system_calls: u64,
    /// Calls of poll(2) made to wait for one of the ends.
    pub waits: u64,
    /// How often the CPU copied each byte between source and sink, as far as that is known.
    pub copies: Copies,
    /// Time from the first step to the last.
    pub elapsed: Duration,
}

impl Report {
    /// Whether the source ended before the requested count was reached.
    pub fn is_short(&self) -> bool {
        self.requested.is_some_and(|requested| self.bytes < requested)
    }
}

/// A mechanism that was tried and refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// Which one.
    pub mechanism: Mechanism,
    /// Bytes it had delivered before it refused; the next mechanism went on from there.
    pub moved: u64,
    /// The system call that refused.
    pub operation: &'static str,
    /// The error number it gave, if it was an error number that refused.
    pub errno: Option<i32>,
    /// What that means here, in a sentence.
    pub reason: String,
}

impl Attempt {
    pub(crate) fn of(mechanism: Mechanism, moved: u64, refusal: &Error) -> Self {
        Self {
            mechanism,
            moved,
            operation: refusal.operation(),
            errno: refusal.errno(),
            reason: refusal.message().to_string(),
        }
    }
}

/// How often the CPU copied each byte on its way, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copies {
    /// Copies by the CPU between the source's pages and the sink's; `None` where it cannot be known from here.
    pub count: Option<u8>,
    /// Where the knowledge comes from.
    pub known_by: KnownBy,
}

/// Where the knowledge about copies comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KnownBy {
    /// The way the mechanism works between these kinds of ends.
    Model,
    /// The kernel said so (the notification of a zero-copy send).
    Kernel,
    /// Not known: it depends on the network device (scatter-gather) or on the file system (shared blocks).
    Unknown,
}

impl KnownBy {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Model, Self::Kernel, Self::Unknown];

    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Kernel => "kernel",
            Self::Unknown => "unknown",
        }
    }
}

impl Copies {
    /// What follows from the mechanism and the kinds of the two ends alone.
    ///
    /// The page cache is the start and the end of the count for files: what the disk does by DMA is not counted.
    pub(crate) fn by_model(mechanism: Mechanism, source: Kind, sink: Kind) -> Self {
        use Mechanism::{
            CopyFileRange, DirectIo, MmapWrite, ReadWrite, Reflink, Sendfile, Splice, Uring, Vmsplice, ZerocopySend,
        };
        let count = match (mechanism, sink) {
            // By reference; whether the kernel copied, its notification says.
            (Uring, Kind::Tcp) => None,
            // Memory is its own buffer: only write(2) copies.
            (ReadWrite | Uring, _) if source == Kind::Memory => Some(1),
            (ReadWrite | Uring, _) => Some(2),
            // Out of the mapping there is one copy. Into the page cache of a sink there is always one, because
            // SPLICE_F_MOVE has been a no-op since 2.6.21. The disk reads and writes the buffers of direct I/O by itself,
            // and the other end copies once (between two disks, from buffer to buffer).
            (MmapWrite | DirectIo, _) | (Sendfile | Splice | Vmsplice, Kind::File | Kind::BlockDevice) => Some(1),
            // The receiver's queue holds the source's own pages; a clone shares its blocks. (That is true of what was cloned:
            // bytes beside whole blocks, less than two blocks of them, are copied and not counted.)
            (Reflink, _) | (Sendfile | Splice | Vmsplice, Kind::Pipe | Kind::UnixStream) => Some(0),
            // Sockets: without scatter-gather in the device the kernel copies into linear packets.
            // copy_file_range: a file system may share blocks instead of copying, and does not say.
            (Sendfile | Splice | Vmsplice | ZerocopySend | CopyFileRange, _) => None,
        };
        Self { count, known_by: if count.is_some() { KnownBy::Model } else { KnownBy::Unknown } }
    }
}
