//! What the kernel says about a lane's process, read from outside: nothing is asked of the lane, so every language is
//! measured alike and the measurement costs it nothing.

use std::fs;

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// A process under measurement.
#[derive(Debug)]
pub struct Process {
    id: i32,
    cpu_clock: ClockId,
}

/// What it had used at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    cpu_ns: u64,
    switches: Option<u64>,
}

/// What it used between two moments.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// CPU time in nanoseconds, all threads, user and system.
    pub cpu_ns: u64,
    /// Context switches, voluntary and not, of the threads that lived at the end; `None` where /proc does not say.
    pub switches: Option<u64>,
}

impl Process {
    /// The process with that number.
    pub fn new(id: u32) -> Result<Self> {
        let id = id as i32;
        let cpu_clock = clock_getcpuclockid(Pid::from_raw(id)).context("clock_getcpuclockid")?;
        Ok(Self { id, cpu_clock })
    }

    /// Its number.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// What it has used so far. `CLOCK_PROCESS_CPUTIME_ID` of that process: nanoseconds, threads that have ended included.
    pub fn usage(&self) -> Result<Usage> {
        Ok(Usage { cpu_ns: self.cpu_ns()?, switches: self.switches() })
    }

    /// CPU time it has used so far, in nanoseconds.
    pub fn cpu_ns(&self) -> Result<u64> {
        let cpu = clock_gettime(self.cpu_clock).context("the clock of the lane's CPU time")?;
        Ok(cpu.tv_sec() as u64 * 1_000_000_000 + cpu.tv_nsec() as u64)
    }

    /// The sum over its threads. One that ends takes its count along; a sum that became smaller is no answer.
    fn switches(&self) -> Option<u64> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id)).ok()?;
        let statuses = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok());
        Some(statuses.map(|status| switches_in(&status)).sum())
    }

    /// Forgets the peak of its memory so far (`proc_pid_clear_refs(5)`, 5); without permission the peak is the whole life's.
    pub fn reset_peak(&self) {
        let _ = fs::write(format!("/proc/{}/clear_refs", self.id), "5");
    }

    /// `VmHWM`: the most memory it had resident, in bytes.
    pub fn peak_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id)).ok()?;
        field(&status, "VmHWM:").map(|kibibytes| kibibytes << 10)
    }
}

impl Usage {
    /// What was used since.
    pub fn until(self, later: Self) -> Used {
        let switches = self.switches.zip(later.switches).and_then(|(before, after)| after.checked_sub(before));
        Used { cpu_ns: later.cpu_ns.saturating_sub(self.cpu_ns), switches }
    }
}

fn switches_in(status: &str) -> u64 {
    ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"].iter().filter_map(|name| field(status, name)).sum()
}

/// The first number after a name at the beginning of a line.
fn field(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read_as_its_manual_says() {
        let status = "Name:\tx\nVmHWM:\t    1234 kB\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";
        assert_eq!(field(status, "VmHWM:"), Some(1234));
        assert_eq!(switches_in(status), 695);
        assert_eq!(field(status, "VmSwap:"), None);
    }

    #[test]
    fn this_process_uses_time_and_memory() {
        let process = Process::new(std::process::id()).unwrap();
        let before = process.usage().unwrap();
        let mut spun = 0_u64;
        while process.usage().unwrap().cpu_ns == before.cpu_ns {
            spun = std::hint::black_box(spun + 1);
        }
        assert!(before.until(process.usage().unwrap()).cpu_ns > 0);
        assert!(process.peak_bytes() > Some(1 << 20));
    }
}
