//! The kernel's counters of what devices did: blocks, network bytes, interrupts. They are the whole machine's: whatever
//! else it did in the meantime is in them, too.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use nix::sys::stat::fstat;

/// Bytes that a block device has read and written so far.
///
/// ```
/// use zcio::Mechanism;
/// use zcio::proof::{Options, Route, Subject, examine};
///
/// let row = examine(Route::MemoryToPipe, &Subject::engine(Mechanism::ReadWrite), &Options::quick());
/// let cost = row.warm.value().unwrap();
/// println!("{:?}", cost.block.value());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BlockBytes {
    /// Read from it.
    pub read: u64,
    /// Written to it.
    pub written: u64,
}

/// Interrupts so far, on all processors.
///
/// ```
/// use zcio::Mechanism;
/// use zcio::proof::{Options, Route, Subject, examine};
///
/// let row = examine(Route::MemoryToPipe, &Subject::engine(Mechanism::ReadWrite), &Options::quick());
/// let cost = row.warm.value().unwrap();
/// println!("{:?}", cost.interrupts.value());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Interrupts {
    /// By devices: the numbered lines of /proc/interrupts.
    pub by_devices: u64,
    /// By timers and by other processors: the named lines.
    pub by_processors: u64,
}

/// The block device that a file is on, if it is on exactly one.
#[derive(Clone, Debug)]
pub(super) struct BlockDevice(String);

impl BlockDevice {
    pub fn of(file: &File) -> io::Result<Self> {
        let device = fstat(file.as_fd())?.st_dev;
        let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
        // Number 0 is given to file systems without a device, or with several.
        if major == 0 {
            return Err(io::Error::other("the file system is not on one block device"));
        }
        Ok(Self(format!("/sys/dev/block/{major}:{minor}/stat")))
    }

    pub fn bytes(&self) -> io::Result<BlockBytes> {
        parse_block(&std::fs::read_to_string(&self.0)?).ok_or_else(|| io::Error::other("its counters are not readable"))
    }
}

impl BlockBytes {
    pub(super) fn since(self, before: Self) -> Self {
        Self { read: self.read - before.read, written: self.written - before.written }
    }
}

/// The kernel's Documentation/block/stat.rst: sectors of 512 bytes, read in the third column, written in the seventh.
fn parse_block(text: &str) -> Option<BlockBytes> {
    let sectors = |column: usize| text.split_whitespace().nth(column)?.parse::<u64>().ok();
    Some(BlockBytes { read: sectors(2)? * 512, written: sectors(6)? * 512 })
}

/// Bytes that a device of /proc/net/dev has sent: the ninth number behind its name.
pub(super) fn sent(text: &str, device: &str) -> Option<u64> {
    let numbers = text.lines().find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'))?;
    numbers.split_whitespace().nth(8)?.parse().ok()
}

impl Interrupts {
    pub(super) fn now() -> io::Result<Self> {
        Ok(Self::parse(&std::fs::read_to_string("/proc/interrupts")?))
    }

    fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        // The heading has one word for each processor.
        let processors = lines.next().map_or(0, |heading| heading.split_whitespace().count());
        let mut total = Self::default();
        for line in lines {
            let Some((name, numbers)) = line.split_once(':') else { continue };
            let numbers = numbers.split_whitespace().take(processors);
            let count: u64 = numbers.map_while(|number| number.parse::<u64>().ok()).sum();
            let numbered = name.trim_start().bytes().all(|byte| byte.is_ascii_digit());
            *(if numbered { &mut total.by_devices } else { &mut total.by_processors }) += count;
        }
        total
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            by_devices: self.by_devices.saturating_sub(before.by_devices),
            by_processors: self.by_processors.saturating_sub(before.by_processors),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_from_their_columns() {
        let block = "  100 2 300 4 500 6 700 8 0 9 10 0 0 0 0 11 12\n";
        assert_eq!(parse_block(block), Some(BlockBytes { read: 300 * 512, written: 700 * 512 }));
        assert_eq!(parse_block("1 2 3"), None);

        let network =
            "Inter-| Receive | Transmit\n face |bytes\n    lo: 1 2 3 4 5 6 7 8 90 10\n  lo1:7 2 3 4 5 6 7 8 91 0\n";
        assert_eq!((sent(network, "lo"), sent(network, "lo1"), sent(network, "eth0")), (Some(90), Some(91), None));

        let interrupts = "      CPU0   CPU1\n  1:  5  6  IO-APIC 4-edge 77\nLOC: 10 20 Local timer\nERR: 3\n";
        assert_eq!(Interrupts::parse(interrupts), Interrupts { by_devices: 11, by_processors: 33 });
    }
}
