//! Where and when it was measured: what a reader needs to judge the figures, read from the system.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::lane::Lane;
use crate::network;

/// The facts above the tables.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Host {
    /// Date and time (UTC, RFC 3339) at which the run began.
    pub date: String,
    /// The kernel's release, and TCP's congestion control during the run.
    pub kernel: String,
    /// The processor's name and how many of it this process may use.
    pub cpu: String,
    /// Memory, in 10⁹ bytes.
    pub memory_gigabytes: f64,
    /// The version of zcio.
    pub zcio: String,
    /// The runtimes of all lanes: name and full version.
    pub runtimes: Vec<(String, String)>,
    /// The file systems that were used: place, type.
    pub file_systems: Vec<(String, String)>,
}

impl Host {
    /// Reads them.
    pub fn read(lanes: &[Lane]) -> Result<Self> {
        let kernel = nix::sys::utsname::uname()?;
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let machine = kernel.machine().to_string_lossy();
        Ok(Self {
            date: format!("{:.0}", jiff::Timestamp::now()),
            kernel: format!("Linux {} {machine}, TCP {}", kernel.release().display(), network::congestion_control()),
            cpu: format!("{processors} × {}", processor_name().unwrap_or_else(|| machine.into_owned())),
            memory_gigabytes: memory("MemTotal:").unwrap_or_default() as f64 / 1e9,
            zcio: env!("CARGO_PKG_VERSION").to_string(),
            runtimes: runtimes(lanes),
            file_systems: Vec::new(),
        })
    }

    /// Adds the runtimes of lanes that came later.
    pub fn add_runtimes(&mut self, others: Vec<(String, String)>) {
        for other in others {
            if !self.runtimes.contains(&other) {
                self.runtimes.push(other);
            }
        }
    }
}

fn runtimes(lanes: &[Lane]) -> Vec<(String, String)> {
    let mut runtimes: Vec<(String, String)> = Vec::new();
    for lane in lanes {
        // A library's or a server's own version beside its runtime's.
        let name = if lane.method.is_server { lane.method.name.to_string() } else { lane.runtime.clone() };
        let entry = (name, lane.version.clone());
        if entry.0 != entry.1 && !runtimes.contains(&entry) {
            runtimes.push(entry);
        }
    }
    runtimes
}

/// Whether this process is root's: then /proc/self is, too.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// A line of /proc/meminfo, in bytes.
pub fn memory(name: &str) -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

/// `model name` of /proc/cpuinfo, which not every architecture has.
fn processor_name() -> Option<String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_string())
}

/// The type of the file system that holds `path`: `ext4`. `None` where mountinfo does not know its device (btrfs).
pub fn file_system(path: &Path) -> Option<String> {
    let device = fs::metadata(path).ok()?.dev();
    let id = format!("{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| file_system_of(line, &id))
}

/// `proc_pid_mountinfo(5)`: the third field is the device, the first after the dash the file system's type.
fn file_system_of(line: &str, device: &str) -> Option<String> {
    let (mount, file_system) = line.split_once(" - ")?;
    (mount.split(' ').nth(2)? == device).then(|| file_system.split(' ').next().unwrap_or_default().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_is_read_as_its_manual_says() {
        // The example of proc_pid_mountinfo(5).
        let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        assert_eq!(file_system_of(line, "98:0").as_deref(), Some("ext3"));
        assert_eq!(file_system_of(line, "98:1"), None);
    }
}
