//! send(2) with `MSG_ZEROCOPY`: memory, or a window of a mapped file, to a TCP socket by reference.
//!
//! The kernel reads the memory until it has told so on the socket's error queue. The transfer is therefore over only when
//! every notification has come, not when the last byte was accepted. A notification also says whether the kernel copied
//! after all (it does on loopback): that verdict goes into the report. No verdict of "copied" is *not* a proof of none.
//!
//! The error queue must be ours alone: a message that was read is gone, whoever it was for. Where anybody uses it already
//! the mechanism is refused, before anything is changed. The option is switched on for the transfer and off again.
//!
//! A transfer can be stopped, by an error, by its caller, or by being dropped, before the kernel is done. What becomes of
//! the rest depends on the memory:
//!
//! - A mapped file and [`crate::Pages`] stay what they are, so nobody waits: a thread ([`reaper`]) takes the notifications
//!   out, unless the transfer goes on, or somebody else begins to use the error queue.
//! - Borrowed memory is its owner's again as soon as the call returns, and must not be read after that. So it is sent inside
//!   a blocking run only, where no destructor is needed to get it back, and a run that is stopped gets it back
//!   ([`Sending::recall`]): it waits for the peer for [`GRACE`], no longer, and then resets the connection. There is no
//!   other way to take bytes back from a TCP socket; and the peer gets a reset rather than bytes that are not the sender's.
//!
//! It pays above some 10 KB a send, and only towards a device with scatter-gather; below that the bookkeeping costs more
//! than the copy.

mod ledger;
mod reaper;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use memmap2::MmapRaw;
use nix::errno::Errno;
use nix::poll::{PollFlags, PollTimeout};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::mmap_write::{Window, cut_short};
use super::{ALIASES, Advance, Definition, Mover, Route, Stop, aliases, mechanism};
use crate::copies::{Copies, KnownBy};
use crate::demand::Demand;
use crate::encryption::Encryption;
use crate::endpoint::{Facts, Kind};
use crate::error::Error;
use crate::probe::{Asked, Probe};
use crate::step::Side;
use crate::sys::SyscallCounter;
use crate::sys::fork::{Duplicate, Process};
use ledger::Ledger;
use reaper::{Claim, Watchman};

mechanism! {
    /// send(2) with `MSG_ZEROCOPY`: memory or a mapped file to a TCP socket; the kernel says afterwards whether it copied.
    ///
    /// Refused where the socket's error queue is in use already (`SO_ZEROCOPY`, `SO_TIMESTAMPING`, `IP_RECVERR`). Borrowed
    /// memory is sent by [`crate::Transfer::run`] only, see [`crate::Endpoint::bytes`]; what a stopped transfer of a file
    /// or of [`crate::Pages`] has left in the error queue is taken out by a thread, which holds a duplicate of the socket.
    /// Who switches one of these options on before all has come gets the queue from that moment on, with what is still to
    /// come of the stopped transfer: notifications whose numbers lie before those of his own sends.
    ZerocopySend = "zerocopy_send", proven on FileToTcp, FileToTcpGather, FileToTcpNoGather, MemoryToTcp;
}

/// The most one send is given; one notification can stand for many sends, so this need not be large.
const MOST: usize = 1 << 20;

/// How long a run that was stopped waits for its peer to take bytes of borrowed memory: many round trips, and short enough
/// for who pressed Ctrl-C.
const GRACE: Duration = Duration::from_secs(1);

/// How long until the next try to reset a connection that could not be.
const RETRY: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
pub(super) struct ZerocopySend {
    sending: Option<Sending>,
    /// Where it was stopped and may go on.
    stopped: Option<Watchman>,
    /// The window into a source that is a file.
    window: Option<Window>,
    copied: bool,
    sent_any: bool,
}

impl Definition for ZerocopySend {
    const PROBE: Probe = Probe::since(4, 14).here(ask);

    fn impossible(source: &Facts, sink: &Facts, demand: Demand) -> Option<&'static str> {
        match (source.kind, sink.kind) {
            // Memory is waited for until the kernel is done with it, or can never change; a mapped file is neither.
            (Kind::File, _) if aliases(sink, demand) => Some(ALIASES),
            _ if sink.encryption != Encryption::None => {
                Some("the kernel encrypts what goes to this socket, and so copies it")
            }
            (Kind::File | Kind::Memory, Kind::Tcp) => None,
            (_, Kind::Tcp) => Some("its source must be memory or a file"),
            _ => Some("its sink must be a TCP socket"),
        }
    }

    /// The kernel's notification says it.
    fn copies(_source: Kind, _sink: Kind) -> Option<u8> {
        None
    }
}

fn ask() -> Asked {
    let tcp = |family| socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
    // A network namespace can be without one of the two.
    let socket = tcp(AddressFamily::Inet).or_else(|_| tcp(AddressFamily::Inet6))?;
    Ok(SyscallCounter::default().set_zerocopy(socket.as_fd(), true))
}

impl Mover for ZerocopySend {
    fn advance(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        if self.sending.is_none() {
            let ledger = self.stopped.take().map(Watchman::relieve).unwrap_or_default();
            self.sending = Some(Sending::begin(route, ledger)?);
        }
        self.reap(route)?;
        let Some((start, length)) = self.next(route, limit)? else { return Ok(Advance::Ended) };
        let sent = match route.calls.send(route.sink(), start, length, true) {
            // No room for another notification (net.core.optmem_max) or for locked pages: this piece is copied.
            Err(Errno::ENOBUFS) => {
                self.copied = true;
                route.calls.send(route.sink(), start, length, false)
            }
            sent => {
                if let (Some(sending), true) = (&mut self.sending, sent.is_ok()) {
                    sending.ledger.sent();
                }
                sent
            }
        };
        match sent {
            Ok(count) => {
                self.sent_any = true;
                Ok(route.moved(count, length))
            }
            Err(Errno::EINTR) => Ok(Advance::Interrupted),
            Err(Errno::EAGAIN) => Ok(Advance::Blocked(Side::Sink)),
            Err(Errno::EFAULT) if self.window.take().is_some() => cut_short(route, length, "send"),
            Err(errno) => Err(Stop::sort("send", errno, refusal)),
        }
    }

    fn finish(&mut self, route: &mut Route<'_>) -> Result<bool, Stop> {
        self.reap(route)?;
        let done = self.sending.as_ref().is_none_or(|sending| sending.ledger.outstanding() == 0);
        if done {
            self.stop(route.calls);
        }
        Ok(done)
    }

    fn verdict(&self) -> Option<Copies> {
        let verdict = Copies { count: Some(1), known_by: KnownBy::Kernel };
        let copied = self.copied || self.sending.as_ref().is_some_and(|sending| sending.ledger.copied);
        (self.sent_any && copied).then_some(verdict)
    }

    /// The transfer may be stopped here: nothing is left behind in the socket, and no borrowed memory with the kernel.
    fn collect(&mut self, route: &mut Route<'_>) {
        self.stop(route.calls);
    }
}

impl ZerocopySend {
    fn stop(&mut self, calls: &mut SyscallCounter) {
        if let Some(mut sending) = self.sending.take() {
            if sending.borrowed {
                sending.recall(calls);
            }
            self.copied |= sending.ledger.copied;
            self.stopped = sending.leave();
        }
    }

    /// Where the next bytes are in memory, and how many.
    fn next(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Option<(*const u8, usize)>, Stop> {
        let at = route.source_at().unwrap_or(0);
        let most = usize::try_from(limit).unwrap_or(MOST).min(MOST);
        if let Some(memory) = route.source_end.memory() {
            let rest = memory.part(at, most as u64);
            return Ok((rest.len() > 0).then(|| (rest.as_ptr(), rest.len())));
        }
        if self.window.as_ref().is_none_or(|window| !window.covers(at)) {
            self.window = Window::open(route, at)?;
        }
        Ok(self.window.as_ref().map(|window| {
            let (map, from): (&MmapRaw, usize) = (&window.map, (at - window.start) as usize);
            (map.as_ptr().wrapping_add(from), (map.len() - from).min(most))
        }))
    }

    /// Reads the notifications that have come.
    fn reap(&mut self, route: &mut Route<'_>) -> Result<(), Stop> {
        let Some(sending) = &mut self.sending else { return Ok(()) };
        while sending.ledger.outstanding() > 0 {
            match route.calls.zerocopy_notice(route.sink()) {
                Ok(Some(notice)) => {
                    sending.ledger.note(notice);
                }
                Ok(None) => break,
                Err(errno) => return Err(Stop::Failed(Error::os("recvmsg", errno))),
            }
        }
        Ok(())
    }
}

/// A socket whose error queue is ours for a while. Dropped, it leaves nothing behind, and waits for nobody.
#[derive(Debug)]
struct Sending {
    /// A duplicate: the caller may have closed its own when this is dropped. `None` once it has been given away.
    socket: Option<Duplicate>,
    /// Given away with it.
    claim: Option<Claim>,
    ledger: Ledger,
    /// The memory is its owner's again when the run returns.
    borrowed: bool,
    /// A child of fork(2) has no part in this.
    process: Process,
}

impl Sending {
    /// Makes sure that nobody else uses the error queue, and switches the option on.
    fn begin(route: &mut Route<'_>, ledger: Ledger) -> Result<Self, Stop> {
        let (sink, inode) = (route.sink(), route.sink_end.facts().identity.1);
        let refused = |operation| move |errno| Stop::sort(operation, errno, refusal);
        let in_use = |reason| Err(Stop::Refused(Error::refused("getsockopt", Errno::EBUSY, reason)));
        let Some(claim) = Claim::new(sink, inode, route.calls) else {
            let reason =
                "error queue in use: a transfer is sending, or notifications of one that was stopped are still to come";
            return in_use(reason);
        };
        if route.calls.uses_error_queue(sink) {
            let reason =
                "error queue in use: SO_ZEROCOPY, SO_TIMESTAMPING, IP_RECVERR or the like is on for this socket";
            return in_use(reason);
        }
        // An error of the socket itself comes with a hang-up, and the send will tell it.
        let mut found = Err(Errno::EINTR);
        while found == Err(Errno::EINTR) {
            found = route.calls.poll(sink, PollFlags::empty(), PollTimeout::ZERO);
        }
        // Of what is outstanding there may be messages: ours.
        if found.map_err(refused("poll"))? == PollFlags::POLLERR && ledger.outstanding() == 0 {
            return in_use("error queue in use: it has messages that nobody has read");
        }
        let socket = Duplicate::of(sink, inode, route.calls).map_err(refused("fcntl"))?;
        route.calls.set_zerocopy(sink, true).map_err(refused("setsockopt"))?;
        let borrowed = route.source_end.memory().is_some() && route.source_end.frozen().is_none();
        Ok(Self { socket: Some(socket), claim: Some(claim), ledger, borrowed, process: Process::this() })
    }

    /// Returns when the kernel has let go of the memory, at the connection's expense if it must be.
    fn recall(&mut self, calls: &mut SyscallCounter) {
        let Some(socket) = &self.socket else { return };
        let (socket, ledger) = (socket.as_fd(), &mut self.ledger);
        let deadline = Instant::now() + GRACE;
        if ledger.outstanding() == 0 || reaper::collect_notices(socket, ledger, |_| Instant::now() >= deadline, calls) {
            return;
        }
        // Refused while another thread sleeps in a call on it, by some kernels: tried until that one has gone.
        while calls.reset_connection(socket).is_err() {
            let soon = Instant::now() + RETRY;
            if reaper::collect_notices(socket, ledger, |_| Instant::now() >= soon, calls) {
                break;
            }
        }
        reaper::collect_notices(socket, ledger, |_| false, calls);
        ledger.forget();
    }

    /// Leaves the socket as it was, or somebody at it who will.
    fn leave(&mut self) -> Option<Watchman> {
        let socket = self.socket.take().filter(|_| self.process.is_this())?;
        let claim = self.claim.take()?;
        if self.ledger.outstanding() > 0 {
            return Watchman::at(socket, claim, std::mem::take(&mut self.ledger));
        }
        // A socket that has gone has no options.
        let _ = SyscallCounter::default().set_zerocopy(socket.as_fd(), false);
        None
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.leave();
    }
}

fn refusal(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::ENOPROTOOPT | Errno::EOPNOTSUPP | Errno::EINVAL => Some("this socket does not know MSG_ZEROCOPY"),
        Errno::EMFILE | Errno::ENFILE => Some("no descriptor left for a duplicate of the socket"),
        _ => crate::error::not_here(errno),
    }
}
