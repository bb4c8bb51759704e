//! Which faults a case meets: a rate for each sort, and what the kernel could really answer to each call.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::rc::Rc;

use fastrand::Rng;
use libc::{EAGAIN, EINTR, EINVAL, EIO, ENOMEM, ENOSPC, ENOSYS, EPERM};
use zcio::inject::{Call, Fault};

/// How often each sort of fault is met, in percent of the calls.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    short: u8,
    interrupted: u8,
    not_ready: u8,
    /// A mechanism that is not for these ends after all.
    pub refused: u8,
    /// A hard error: EIO, ENOSPC.
    pub failed: u8,
}

impl Rates {
    /// Nothing but what the kernel does by itself.
    pub const NONE: Self = Self { short: 0, interrupted: 0, not_ready: 0, refused: 0, failed: 0 };

    /// Some cases meet one sort of fault only, some meet storms, some all of it at once.
    pub fn random(rng: &mut Rng) -> Self {
        let mut rate = |most: u8| if rng.bool() { rng.u8(..=most) } else { 0 };
        Self { short: rate(80), interrupted: rate(60), not_ready: rate(50), refused: rate(20), failed: rate(5) }
    }
}

/// What was injected, so that a test can say that it tested something.
#[derive(Debug, Default)]
pub struct Tally {
    pub short: Cell<u64>,
    pub interrupted: Cell<u64>,
    pub not_ready: Cell<u64>,
    pub refused: Cell<u64>,
    pub failed: Cell<u64>,
}

fn hit(rng: &mut Rng, percent: u8) -> bool {
    rng.u8(..100) < percent
}

fn count(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

/// The hook. `ends` are the two ends of the transfer and whether they are streams: only those can be not ready, and a pipe of the engine's own never answers with an error of an end.
pub fn hook(mut rng: Rng, rates: Rates, ends: [(RawFd, bool); 2], tally: Rc<Tally>) -> impl FnMut(&Call) -> Fault {
    move |call| {
        let is_end = ends.iter().find(|(fd, _)| *fd == call.descriptor);
        let (ours, stream) = (is_end.is_none(), is_end.is_some_and(|(_, stream)| *stream));
        match call.operation {
            // A position and a size are simply there.
            "lseek" | "fstat" => return Fault::None,
            "poll" if hit(&mut rng, rates.interrupted) => {
                count(&tally.interrupted);
                return Fault::Errno(EINTR);
            }
            "mmap" if hit(&mut rng, rates.refused) => {
                count(&tally.refused);
                return Fault::Errno(ENOMEM);
            }
            "open" | "setsockopt" if hit(&mut rng, rates.refused) => {
                count(&tally.refused);
                return Fault::Errno(EINVAL);
            }
            _ if call.length == 0 => return Fault::None,
            // What is left in a pipe of the engine's own can always be read.
            "read" if ours => {}
            operation => {
                if hit(&mut rng, rates.interrupted) {
                    count(&tally.interrupted);
                    return Fault::Errno(EINTR);
                }
                let may_wait = stream || !matches!(operation, "read" | "write");
                if may_wait && hit(&mut rng, rates.not_ready) {
                    count(&tally.not_ready);
                    return Fault::Errno(EAGAIN);
                }
                if !matches!(operation, "read" | "write" | "send") && hit(&mut rng, rates.refused) {
                    count(&tally.refused);
                    return Fault::Errno([EINVAL, ENOSYS, EPERM][rng.usize(..3)]);
                }
                if hit(&mut rng, rates.failed) {
                    count(&tally.failed);
                    return Fault::Errno(if operation == "read" { EIO } else { ENOSPC });
                }
            }
        }
        if call.length > 1 && hit(&mut rng, rates.short) {
            count(&tally.short);
            let most = if rng.bool() { 16 } else { call.length };
            return Fault::Short(rng.usize(1..=most.min(call.length)));
        }
        Fault::None
    }
}
