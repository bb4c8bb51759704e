//! One area of an address space: where it is, what it is for, what may be done with it and what it has in memory.

use std::ops::Range;

/// What an area of the address space is for.
///
/// ```
/// assert_eq!(zcio::memory::AreaKind::SharedMemory.name(), "shared_memory");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AreaKind {
    /// The program's code.
    Text,
    /// The program's constants and headers.
    ReadOnlyData,
    /// The program's initialised variables; its last page may hold the beginning of the BSS.
    Data,
    /// The program's variables that begin as zero.
    Bss,
    /// What brk(2) moved the end of.
    Heap,
    /// Any other file: libraries and what was mapped.
    File,
    /// Memory shared between processes: memfd, /dev/shm, System V, shared anonymous.
    SharedMemory,
    /// Private memory of no file.
    Anonymous,
    /// The first thread's stack; other threads' stacks are anonymous.
    Stack,
    /// Code of the kernel's that runs in user space (vdso(7)).
    Vdso,
    /// The data of that code.
    Vvar,
    /// Its ancestor at a fixed address, above the end of user space.
    Vsyscall,
    /// Anything else that the kernel has a name for.
    Special,
}

impl AreaKind {
    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::ReadOnlyData => "read_only_data",
            Self::Data => "data",
            Self::Bss => "bss",
            Self::Heap => "heap",
            Self::File => "file",
            Self::SharedMemory => "shared_memory",
            Self::Anonymous => "anonymous",
            Self::Stack => "stack",
            Self::Vdso => "vdso",
            Self::Vvar => "vvar",
            Self::Vsyscall => "vsyscall",
            Self::Special => "special",
        }
    }
}

/// What an area has in memory, in bytes (`proc_pid_smaps(5)`).
///
/// ```
/// use zcio::memory::{Process, address_space};
///
/// let space = address_space(Process::Own)?;
/// let resident: u64 = space.areas.iter().filter_map(|area| area.usage).map(|usage| usage.resident).sum();
/// println!("{resident} bytes in memory");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// In memory and mapped.
    pub resident: u64,
    /// The same, each page divided by how many processes map it.
    pub proportional: u64,
    /// Mapped by others, too, and unchanged.
    pub shared_clean: u64,
    /// Mapped by others, too, and changed.
    pub shared_dirty: u64,
    /// Mapped only here, and unchanged.
    pub private_clean: u64,
    /// Mapped only here, and changed.
    pub private_dirty: u64,
    /// Of no file, or no longer of one (copied on write).
    pub anonymous: u64,
    /// In transparent huge pages.
    pub huge: u64,
    /// In swap.
    pub swapped: u64,
    /// Locked.
    pub locked: u64,
    /// The size of its pages.
    pub page_size: u64,
}

/// One area of the address space: pages next to each other, of one purpose and with the same rights.
///
/// ```
/// use zcio::memory::{Process, address_space};
///
/// let local = 0_u8;
/// let space = address_space(Process::Own)?;
/// let area = space.area_at(&raw const local as u64).unwrap();
/// assert!(area.readable && area.writable && !area.executable);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // The four rights of a mapping, as the kernel writes them.
#[non_exhaustive]
pub struct Area {
    /// First address, and the first behind the last.
    pub addresses: Range<u64>,
    /// Loads are allowed.
    pub readable: bool,
    /// Stores are allowed.
    pub writable: bool,
    /// Instructions are fetched.
    pub executable: bool,
    /// Stores are seen by others; otherwise they go to a copy.
    pub shared: bool,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// The file's number; 0 for none.
    pub inode: u64,
    /// The file, or the kernel's name in brackets; empty for neither.
    pub name: String,
    /// What it is for.
    pub kind: AreaKind,
    /// What it has in memory, where the kernel tells.
    pub usage: Option<Usage>,
}

impl Area {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.addresses.end - self.addresses.start
    }

    /// Never true: an area has at least one page.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }
}
