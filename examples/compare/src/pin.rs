//! On which processors the process under test and its peer run.
//!
//! Left to itself the scheduler moves them about, and identical code differs from run to run by more than most lanes do.
//! A child inherits the processors of the thread that starts it, so a lane is pinned by pinning this thread for the
//! moment of the start; that way every thread of a JVM is pinned from its first instruction on.

use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// Where the two sides run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Pin {
    /// Both on one processor: steady, but they take turns.
    Same,
    /// Each on one of its own.
    Apart,
    /// Where the scheduler puts them.
    Free,
}

impl Pin {
    /// In words.
    pub const fn described(self) -> &'static str {
        match self {
            Self::Same => "lane and peer on one processor",
            Self::Apart => "lane and peer on one processor each",
            Self::Free => "left to the scheduler",
        }
    }
}

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The process under test.
    Lane,
    /// What is at its other end.
    Peer,
}

/// While it lives the calling thread runs where it was told to; afterwards where it ran before.
#[derive(Debug)]
pub struct Pinned(Option<CpuSet>);

impl Pinned {
    /// Pins the calling thread, unless processes are left to the scheduler.
    pub fn here(pin: Pin, side: Side) -> Result<Self> {
        if pin == Pin::Free {
            return Ok(Self(None));
        }
        let before = sched_getaffinity(Pid::from_raw(0)).context("sched_getaffinity")?;
        let mut wanted = CpuSet::new();
        wanted.set(processor(&before, pin, side)?)?;
        sched_setaffinity(Pid::from_raw(0), &wanted).context("sched_setaffinity")?;
        Ok(Self(Some(before)))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // The set was this thread's own: it cannot be refused.
            let _ = sched_setaffinity(Pid::from_raw(0), before);
        }
    }
}

fn processor(allowed: &CpuSet, pin: Pin, side: Side) -> Result<usize> {
    let mut allowed = (0..CpuSet::count()).filter(|&processor| allowed.is_set(processor).unwrap_or(false));
    let first = allowed.next().context("no processor may be used")?;
    if (pin, side) != (Pin::Apart, Side::Peer) {
        return Ok(first);
    }
    let second = allowed.next();
    ensure!(second.is_some(), "--pin apart needs two processors, and this process may use one");
    Ok(second.unwrap_or(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(processors: &[usize]) -> CpuSet {
        let mut set = CpuSet::new();
        for &processor in processors {
            set.set(processor).unwrap();
        }
        set
    }

    #[test]
    fn the_first_allowed_processors_are_taken() {
        let allowed = set(&[2, 5]);
        assert_eq!(processor(&allowed, Pin::Same, Side::Lane).unwrap(), 2);
        assert_eq!(processor(&allowed, Pin::Same, Side::Peer).unwrap(), 2);
        assert_eq!(processor(&allowed, Pin::Apart, Side::Lane).unwrap(), 2);
        assert_eq!(processor(&allowed, Pin::Apart, Side::Peer).unwrap(), 5);
        assert!(processor(&set(&[3]), Pin::Apart, Side::Peer).is_err());
    }

    #[test]
    fn a_thread_is_where_it_was_before_once_it_is_unpinned() {
        let before = sched_getaffinity(Pid::from_raw(0)).unwrap();
        let pinned = Pinned::here(Pin::Same, Side::Lane).unwrap();
        let during = sched_getaffinity(Pid::from_raw(0)).unwrap();
        assert_eq!((0..CpuSet::count()).filter(|&processor| during.is_set(processor).unwrap()).count(), 1);
        drop(pinned);
        assert_eq!(sched_getaffinity(Pid::from_raw(0)).unwrap(), before);
    }
}
