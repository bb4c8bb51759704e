//! How much of the machine others use while something is timed: where that is much, no figure means anything.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::lane::Lane;

/// What everybody and what this comparison had used at one moment.
pub struct Others {
    since: Instant,
    all_ns: u64,
    own_ns: u64,
}

impl Others {
    /// From now on.
    pub fn watch(lanes: &[Lane]) -> Result<Self> {
        Ok(Self { since: Instant::now(), all_ns: everybody()?, own_ns: ours(lanes)? })
    }

    /// How many processors were busy for others since, on average.
    pub fn end(self, lanes: &[Lane]) -> Result<f64> {
        let all = everybody()?.saturating_sub(self.all_ns);
        let own = ours(lanes)?.saturating_sub(self.own_ns);
        Ok(all.saturating_sub(own) as f64 / self.since.elapsed().as_nanos() as f64)
    }
}

/// This process with its peers, what it has waited for, and the lanes.
fn ours(lanes: &[Lane]) -> Result<u64> {
    let mut sum = 0;
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let used = getrusage(who)?;
        sum += (used.user_time() + used.system_time()).num_microseconds() as u64 * 1000;
    }
    lanes.iter().try_fold(sum, |sum, lane| Ok(sum + lane.cpu_ns()?))
}

/// What all processors did for processes, and what a host took from them (/proc/stat, which counts in hundredths of a second).
fn everybody() -> Result<u64> {
    let stat = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    busy(&stat).context("the first line of /proc/stat").map(|ticks| ticks * 10_000_000)
}

/// `proc_stat(5)`: user, nice and system are the first three numbers, steal is the eighth.
fn busy(stat: &str) -> Option<u64> {
    let numbers: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    Some(numbers.get(..3)?.iter().sum::<u64>() + numbers.get(7)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_as_its_manual_says() {
        assert_eq!(busy("cpu  10 20 30 1000 2000 1 2 5 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"), Some(65));
        assert_eq!(busy("cpu  10 20"), None);
        assert!(everybody().unwrap() > 0);
    }
}
