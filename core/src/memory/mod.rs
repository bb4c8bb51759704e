//! Virtual memory made visible: what is in a process's address space, what is behind each page of it, and small
//! experiments that show how the kernel manages it.
//!
//! * [`address_space`]: text, data, BSS, heap, mappings, stack and vdso, from lowest to highest, with what each has in
//!   memory, and where user space ends (/proc/pid/smaps).
//! * [`pages`]: the page-table entries of a range: present, swapped, of a file or anonymous, exclusively mapped, soft-dirty,
//!   huge, and the frame number where the caller may see it (/proc/pid/pagemap, `PAGEMAP_SCAN`).
//! * [`experiments`]: demand paging, copy-on-write, shared mapping, reclaim, read-ahead, the cost of page tables, the end of
//!   user space; each returns what it measured. `zcio learn` draws them.
//!
//! What the kernel hides from the caller is never filled in with a guess: it is `None`, and the result says in `unseen` what
//! it was and why.

mod area;
pub mod experiments;
mod pages;
mod space;

use std::path::PathBuf;

use nix::errno::Errno;

use crate::error::{Error, ErrorKind, Result};
use crate::sys;

pub use area::{Area, AreaKind, Usage};
pub use pages::{PageEntry, PageTable, pages};
pub use space::{AddressSpace, address_space};

/// Whose memory.
///
/// ```
/// use zcio::memory::{AreaKind, Process, address_space};
///
/// let space = address_space(Process::Own)?;
/// assert!(space.areas.iter().any(|area| area.kind == AreaKind::Stack));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// This process's.
    Own,
    /// That of the process with this number; only with the rights to trace it (ptrace(2)).
    Id(i32),
}

impl Process {
    /// One of its files in /proc.
    fn file(self, name: &str) -> PathBuf {
        match self {
            Self::Own => format!("/proc/self/{name}").into(),
            Self::Id(id) => format!("/proc/{id}/{name}").into(),
        }
    }
}

/// Page faults of a thread: minor ones found the page in memory, major ones had to read it from a device.
///
/// ```
/// let before = zcio::memory::Faults::of_thread();
/// let touched = vec![1_u8; 1 << 20];
/// println!("{} bytes: {:?}", touched.len(), zcio::memory::Faults::of_thread().since(before));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Faults {
    /// Answered without a device.
    pub minor: u64,
    /// Answered by reading from a device.
    pub major: u64,
}

impl Faults {
    /// Those of the calling thread so far (getrusage(2)).
    pub fn of_thread() -> Self {
        let (minor, major) = sys::laboratory::usage::thread_faults();
        Self { minor, major }
    }

    /// What came since an earlier count.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self { minor: self.minor - before.minor, major: self.major - before.major }
    }
}

/// Bytes of the page tables of a process (`VmPTE`, `proc_pid_status(5)`).
///
/// ```
/// use zcio::memory::{Process, page_table_bytes};
///
/// assert!(page_table_bytes(Process::Own)? > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn page_table_bytes(process: Process) -> Result<u64> {
    let path = process.file("status");
    let text = std::fs::read(&path).map_err(|error| unreadable(&error, &path))?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find_map(|line| line.strip_prefix("VmPTE:")?.strip_suffix("kB"));
    let kilobytes = line.and_then(|count| count.trim().parse::<u64>().ok());
    let missing = || Error::new(ErrorKind::Os, "no VmPTE in /proc/pid/status").during("read");
    kilobytes.map(|count| count * 1024).ok_or_else(missing)
}

/// An error of reading a file of /proc.
fn unreadable(error: &std::io::Error, path: &std::path::Path) -> Error {
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    Error::os("read", errno).at(Some(path))
}
