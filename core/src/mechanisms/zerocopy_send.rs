//! send(2) with `MSG_ZEROCOPY`: memory, or a window of a mapped file, to a TCP socket by reference.
//!
//! The kernel reads the memory until it has told so on the socket's error queue. The transfer is therefore over only when
//! every notification has come, not when the last byte was accepted. A notification also says whether the kernel copied
//! after all (it does on loopback): that verdict goes into the report. No verdict of "copied" is *not* a proof of none.
//!
//! Notifications carry no name, only a number that begins where the socket's last sender left off. So nobody else's may be
//! on their way: the option is switched on for the transfer and off again, and where it was on already (the caller's own
//! sends, a transfer that was given up) the socket must have nothing unacknowledged.
//!
//! It pays above some 10 KB a send, and only towards a device with scatter-gather; below that the bookkeeping costs more
//! than the copy.

use memmap2::MmapRaw;
use nix::errno::Errno;

use super::mmap_write::Window;
use super::{Advance, Mover, Route, Stop};
use crate::error::Error;
use crate::report::{Copies, KnownBy};
use crate::transfer::Side;

/// The most one send is given; one notification can stand for many sends, so this need not be large.
const MOST: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct ZerocopySend {
    enabled: bool,
    /// The window into a source that is a file.
    window: Option<Window>,
    /// Sends whose notification has not come yet.
    outstanding: u32,
    copied: bool,
    sent_any: bool,
}

impl Mover for ZerocopySend {
    fn advance(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        if !self.enabled {
            enable(route)?;
            self.enabled = true;
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
                self.outstanding += u32::from(sent.is_ok());
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
            // The file lost the pages under the window: look again how long it is.
            Err(Errno::EFAULT) if self.window.take().is_some() => Ok(Advance::Moved(0)),
            Err(errno) => Err(Stop::sort("send", errno, refusal)),
        }
    }

    fn finish(&mut self, route: &mut Route<'_>) -> Result<bool, Stop> {
        self.reap(route)?;
        if self.outstanding == 0 && std::mem::take(&mut self.enabled) {
            // Should it stay on, the next transfer looks more closely, and that is all.
            let _ = route.calls.set_zerocopy(route.sink(), false);
        }
        Ok(self.outstanding == 0)
    }

    fn verdict(&self) -> Option<Copies> {
        let verdict = Copies { count: Some(1), known_by: KnownBy::Kernel };
        (self.sent_any && self.copied).then_some(verdict)
    }
}

impl ZerocopySend {
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
        while self.outstanding > 0 {
            match route.calls.zerocopy_completion(route.sink()) {
                Ok(Some(completions)) => {
                    self.outstanding = self.outstanding.saturating_sub(completions.sends);
                    self.copied |= completions.copied;
                }
                Ok(None) => break,
                Err(errno) => return Err(Stop::Failed(Error::os("recvmsg", errno))),
            }
        }
        Ok(())
    }
}

/// Switches the option on, and makes sure that every notification from now on is ours.
fn enable(route: &mut Route<'_>) -> Result<(), Stop> {
    let sink = route.sink();
    let refused = |operation| move |errno| Stop::sort(operation, errno, refusal);
    if !route.calls.has_zerocopy(sink).map_err(refused("getsockopt"))? {
        return route.calls.set_zerocopy(sink, true).map_err(refused("setsockopt"));
    }
    if route.calls.unacknowledged(sink).map_err(refused("ioctl"))? > 0 {
        let reason = "zero-copy sends of somebody else may still be on their way on this socket";
        return Err(Stop::Refused(Error::refused("ioctl", Errno::EBUSY, reason)));
    }
    while route.calls.zerocopy_completion(sink).map_err(refused("recvmsg"))?.is_some() {}
    Ok(())
}

fn refusal(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::ENOPROTOOPT | Errno::EOPNOTSUPP | Errno::EINVAL => Some("this socket does not know MSG_ZEROCOPY"),
        _ => super::not_here(errno),
    }
}
