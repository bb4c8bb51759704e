//! The witnesses of a measured transfer: counters of the kernel, read before and after.
//!
//! What belongs to the process is read as close to the transfer as can be. What belongs to devices is read around
//! everything, the writing out at the end included, because devices work on when a call has returned.

use std::io;
use std::time::{Duration, Instant};

use super::cell::{Cell, Evidence};
use super::counters::{BlockBytes, BlockDevice, Interrupts};
use super::helper::Helper;
use super::network::Network;
use super::privilege::{in_thread, without_root};
use crate::memory::Faults;
use crate::sys::laboratory::tracepoint::SystemCalls;
use crate::sys::laboratory::{namespace, usage};

/// Counters of devices.
pub(super) struct Devices<'a> {
    block: io::Result<(BlockDevice, BlockBytes)>,
    network: io::Result<(&'a Network, u64)>,
}

impl<'a> Devices<'a> {
    /// Of the device that a file is on, and of the one that a connection goes over; errors say why there is none.
    pub fn begin(block: io::Result<BlockDevice>, network: Option<&'a Network>) -> Self {
        let network = network.ok_or_else(|| io::Error::other("no network is used"));
        Self {
            block: block.and_then(|device| device.bytes().map(|bytes| (device, bytes))),
            network: network.and_then(|network| network.sent().map(|sent| (network, sent))),
        }
    }

    /// What they did since then.
    pub fn end(self) -> (Cell<BlockBytes>, Cell<u64>) {
        let block = self.block.and_then(|(device, before)| device.bytes().map(|now| now.since(before)));
        let network = self.network.and_then(|(network, before)| network.sent().map(|now| now - before));
        (Cell::of(block, Evidence::Device), Cell::of(network, Evidence::Device))
    }
}

/// Counters of the process and of its processors.
pub(super) struct Process<'a> {
    interrupts: io::Result<Interrupts>,
    faults: Faults,
    time: Duration,
    started: Instant,
    /// The counter of system calls and what it had counted before, or why there is none.
    calls: Result<(&'a SystemCalls, u64), String>,
}

/// What they counted.
pub(super) struct Counted {
    pub interrupts: Cell<Interrupts>,
    pub faults: Faults,
    pub time: Duration,
    pub elapsed: Duration,
    pub calls: Cell<u64>,
}

impl<'a> Process<'a> {
    pub fn begin(helpers: &[Helper], calls: Result<&'a SystemCalls, String>) -> io::Result<Self> {
        let interrupts = Interrupts::now();
        let (faults, time, started) = (faults(), time(helpers)?, Instant::now());
        let calls = calls.and_then(|calls| Ok((calls, calls.start().map_err(|errno| errno.to_string())?)));
        Ok(Self { interrupts, faults, time, started, calls })
    }

    pub fn end(self, helpers: &[Helper]) -> io::Result<Counted> {
        let calls = self.calls.and_then(|(calls, before)| calls.stop(before).map_err(|errno| errno.to_string()));
        let elapsed = self.started.elapsed();
        // A peer's clock runs on between the two readings: never less than nothing.
        let time = time(helpers)?.saturating_sub(self.time);
        let faults = faults().since(self.faults);
        let interrupts = self.interrupts.and_then(|before| Interrupts::now().map(|now| now.since(before)));
        Ok(Counted {
            interrupts: Cell::of(interrupts, Evidence::Device),
            faults,
            time,
            elapsed,
            calls: Cell::of(calls, Evidence::Process),
        })
    }
}

fn faults() -> Faults {
    let (minor, major) = usage::process_faults();
    Faults { minor, major }
}

/// Processor time of the process without its helpers.
fn time(helpers: &[Helper]) -> io::Result<Duration> {
    let all = usage::process_time()?;
    Ok(all.saturating_sub(helpers.iter().map(Helper::time).sum()))
}

/// The kernel's counter of the calling thread's system calls. It is made once: making and closing one waits for all
/// processors.
pub(super) fn system_calls() -> io::Result<SystemCalls> {
    SystemCalls::of(tracepoint()?).map_err(without_root)
}

/// The number of the tracepoint at the entry of every system call. Tracing files are often not mounted: then they are, in
/// the mounts of a thread.
fn tracepoint() -> io::Result<u64> {
    const NUMBER: &str = "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id";
    let text = in_thread(|| {
        std::fs::read_to_string(NUMBER).or_else(|_| {
            namespace::unshare_mounts().map_err(without_root)?;
            namespace::mount_tracing()?;
            std::fs::read_to_string(NUMBER)
        })
    })?;
    text.trim().parse().map_err(io::Error::other)
}
