//! What every mechanism is: something that moves some bytes now, along a [`Route`].

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::unistd::ftruncate;

use crate::buffer::AlignedBuffer;
use crate::copies::Copies;
use crate::endpoint::{Endpoint, Facts};
use crate::error::{Error, ErrorKind};
use crate::region::copy_between;
use crate::step::Side;
use crate::sys::memory::page_size;
use crate::sys::{Span, SpanMut, Sys, SyscallCounter};

/// A mechanism at work on one transfer.
pub(crate) trait Mover: Send + Sync {
    /// Takes at most `limit` bytes more from the source (0: take none, deliver what is held) and delivers what it can.
    ///
    /// It waits only for an end that is itself blocking.
    fn advance(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop>;

    /// Asked when the source has ended or the count is reached: whether the kernel is done with everything it was given.
    /// Until then the memory must stay as it is, and the transfer goes on.
    fn finish(&mut self, _route: &mut Route<'_>) -> Result<bool, Stop> {
        Ok(true)
    }

    /// What the kernel itself said about copies, if it said anything.
    fn verdict(&self) -> Option<Copies> {
        None
    }

    /// Bytes that reached the sink as pages, without a copy, where the kernel says so of each.
    fn mapped(&self) -> u64 {
        0
    }

    /// Bytes taken out of the source and not yet delivered.
    fn held(&self) -> usize {
        0
    }

    /// Waits for what others (a thread at the disk) are doing for this mechanism, and counts it. Asked before anybody is
    /// told a count that may be the last one. What failed there stays held, and what was borrowed is nobody's but its owner's
    /// when this returns.
    fn collect(&mut self, _route: &mut Route<'_>) {}

    /// What the source has said that was kept until the bytes before it are delivered: a socket tells its error only once.
    fn deferred_error(&mut self) -> Option<Error> {
        None
    }

    /// Whether the next advance takes from the source although bytes are held.
    fn wants_more(&self) -> bool {
        false
    }

    /// Whether a call may sleep in an end that is in blocking mode, although [`Progress::stays_awake`] is set.
    fn may_sleep(&self, _source: &Facts, _sink: &Facts) -> bool {
        true
    }

    /// Hands back the bytes that are held, so that they are not lost with this mechanism.
    fn take_pending(&mut self, _calls: &mut SyscallCounter) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }
}

/// What one advance did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advance {
    /// Delivered that many bytes (0: only taken so far, or to be tried again).
    Moved(u64),
    /// A signal came first: whoever runs the transfer may want to look at it before the next try.
    Interrupted,
    /// The source is at its end and nothing is held.
    Ended,
    /// Nothing can be done until that end is ready.
    Blocked(Side),
}

/// Why an advance could not be made.
#[derive(Debug)]
pub(crate) enum Stop {
    /// This mechanism is not for these ends; another may be.
    Refused(Error),
    /// Something is wrong that another mechanism would meet too.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        if error.kind() == ErrorKind::Refused { Self::Refused(error) } else { Self::Failed(error) }
    }
}

impl Stop {
    /// Sorts an errno: a refusal if `reason` has one for it, a failure otherwise.
    pub(crate) fn sort(operation: &'static str, errno: Errno, reason: impl Fn(Errno) -> Option<&'static str>) -> Self {
        Error::sort(operation, errno, reason).into()
    }

    /// It was at that end.
    pub(crate) fn of_side(self, side: Side) -> Self {
        match self {
            Self::Refused(error) => Self::Refused(error.of_side(side)),
            Self::Failed(error) => Self::Failed(error.of_side(side)),
        }
    }
}

/// A page of a sink that is memory cannot be stored to, the kernel says (EFAULT).
pub(super) fn gone(operation: &'static str) -> Error {
    let message =
        "a page of the sink's memory cannot be written: its file was cut short, or its storage is full or failed";
    Error::new(ErrorKind::Faulted, message).during(operation).with_errno(Errno::EFAULT).of_side(Side::Sink)
}

/// The two ends of a transfer and how far it has come; what a mechanism sees of the world.
pub(crate) struct Route<'a> {
    pub source_end: &'a Endpoint<'a>,
    pub sink_end: &'a Endpoint<'a>,
    pub progress: &'a mut Progress,
    pub calls: &'a mut SyscallCounter,
}

impl<'a> Route<'a> {
    pub fn source_facts(&self) -> &'a Facts {
        self.source_end.known()
    }

    pub fn sink_facts(&self) -> &'a Facts {
        self.sink_end.known()
    }

    /// The source's descriptor.
    pub fn source(&self) -> BorrowedFd<'a> {
        self.source_end.fd()
    }

    /// The sink's descriptor.
    pub fn sink(&self) -> BorrowedFd<'a> {
        self.sink_end.fd()
    }

    /// Where to read next, for a source that has offsets.
    pub fn source_at(&self) -> Option<u64> {
        self.progress.source_start.map(|start| start + self.progress.taken)
    }

    /// Where to write next, when that is not the sink's own position.
    pub fn sink_at(&self) -> Option<u64> {
        self.progress.sink_start.map(|start| start + self.progress.delivered)
    }

    /// write(2) to the sink, or a copy into one that is memory.
    pub fn put(&mut self, bytes: Span<'_>) -> Sys<usize> {
        let at = self.sink_at();
        match self.sink_end.room() {
            None if self.progress.stays_awake && self.sink_facts().kind.is_socket() => {
                self.calls.send_now(self.sink(), bytes)
            }
            None => self.calls.write_span(self.sink(), at, bytes),
            Some(room) => {
                self.calls.made += 1;
                copy_between(bytes, room.part(at.unwrap_or(0), bytes.len() as u64))
            }
        }
    }

    /// The memory that comes next in a sink which is memory, at most so many bytes.
    pub fn room(&self, most: u64) -> Option<SpanMut<'a>> {
        self.sink_end.room().map(|room| room.part(self.sink_at().unwrap_or(0), most))
    }

    /// For a file without a size: `Ok` if it is at its end, which only read(2) can tell. One that has content (`/proc`) is refused,
    /// and what reading it fails with is told.
    pub fn refuse_without_size(&mut self) -> Result<(), Stop> {
        let at = self.source_at().unwrap_or(0);
        // Through `O_DIRECT` only whole blocks are read.
        let mut page = AlignedBuffer::new(page_size())?;
        let skipped = if self.source_facts().direct { at % page.len() as u64 } else { 0 };
        let read = loop {
            match self.calls.read(self.source(), Some(at - skipped), &mut page) {
                Err(Errno::EINTR) => {}
                other => break other,
            }
        };
        match read {
            Ok(count) if count as u64 <= skipped => Ok(()),
            // Nor is one at its end that has to be waited for.
            Ok(_) | Err(Errno::EAGAIN) => {
                Err(Stop::Refused(Error::refused("fstat", Errno::ENODEV, "the file has content but no size")))
            }
            Err(errno) => Err(Stop::Failed(Error::os("read", errno)).of_side(Side::Source)),
        }
    }

    /// Takes away the old content of a sink that is to have none, for a mechanism that cannot put its bytes over it.
    pub fn empty_sink(&mut self) -> Result<(), Stop> {
        self.calls.made += 1;
        ftruncate(self.sink(), 0).map_err(|errno| Stop::Failed(Error::os("ftruncate", errno)).of_side(Side::Sink))
    }

    /// Counts bytes that left the source.
    pub fn took(&mut self, count: usize) {
        self.progress.taken += count as u64;
    }

    /// Counts bytes that reached the sink.
    pub fn delivered(&mut self, count: usize, of: usize) -> Advance {
        self.progress.delivered += count as u64;
        self.progress.cut_short = count < of;
        Advance::Moved(count as u64)
    }

    /// Counts bytes that went from source to sink in one call.
    pub fn moved(&mut self, count: usize, of: usize) -> Advance {
        self.took(count);
        self.delivered(count, of)
    }
}

/// How far a transfer has come.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // Independent of each other, no state machine.
pub(crate) struct Progress {
    /// Where the source's bytes begin, for a source that has offsets.
    pub source_start: Option<u64>,
    /// Where the sink's bytes begin; `None` to write at its own position.
    pub sink_start: Option<u64>,
    /// How many bytes are to be moved, if that is known.
    pub most: Option<u64>,
    /// Bytes taken out of the source.
    pub taken: u64,
    /// Bytes delivered to the sink.
    pub delivered: u64,
    /// Somebody looks on at least every 100 ms: a call that can be told not to sleep is.
    pub stays_awake: bool,
    /// Whether the last delivery was shorter than it was asked to be: a blocking end does that when a signal comes.
    pub cut_short: bool,
    /// What was sent may wait for more, in a record that the kernel encrypts when it is full or said to be over.
    pub leaves_record_open: bool,
    /// The sink is a path that is what it was, but for the bytes that were delivered in this step: its old content is there still,
    /// or it has no name.
    pub is_unsettled: bool,
    /// The sink's descriptor may be somebody else's by now: what it took before is counted, and it is not touched.
    pub sink_lost: bool,
}

impl Progress {
    /// Where in the sink the last byte ends, if that is known.
    pub fn end(&self) -> Option<u64> {
        self.most.map(|most| self.sink_start.unwrap_or(0).saturating_add(most))
    }
}
