//! The routes that the table has a section for, the mechanisms that are tried on each, and what the article says of them.

use crate::mechanism::Mechanism;
use Mechanism::{
    CopyFileRange, DirectIo, MmapWrite, ReadWrite, Reflink, Sendfile, Splice, Uring, Vmsplice, ZerocopySend,
};

/// From what to what, over which device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "cli", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Route {
    /// A file to TCP over loopback, which has scatter-gather.
    FileToTcp,
    /// A file to TCP over a pair of virtual Ethernet devices with scatter-gather on.
    FileToTcpGather,
    /// The same with scatter-gather off.
    FileToTcpNoGather,
    /// A file to a pipe.
    FileToPipe,
    /// A file to an `AF_UNIX` stream socket.
    FileToUnix,
    /// A file to a file, both in the directory of the options.
    FileToFile,
    /// A file to a file in memory (tmpfs).
    FileToFileMemory,
    /// A file to a file on a file system that shares blocks between files.
    FileToFileSharing,
    /// TCP over loopback to a file.
    TcpToFile,
    /// TCP to TCP, both over loopback.
    TcpToTcp,
    /// Memory to a pipe.
    MemoryToPipe,
    /// Memory to TCP over loopback.
    MemoryToTcp,
}

impl Route {
    /// Every route, in the order of the table.
    pub const ALL: &[Self] = &[
        Self::FileToTcp,
        Self::FileToTcpGather,
        Self::FileToTcpNoGather,
        Self::FileToPipe,
        Self::FileToUnix,
        Self::FileToFile,
        Self::FileToFileMemory,
        Self::FileToFileSharing,
        Self::TcpToFile,
        Self::TcpToTcp,
        Self::MemoryToPipe,
        Self::MemoryToTcp,
    ];

    /// The words at the head of its section.
    pub const fn title(self) -> &'static str {
        match self {
            Self::FileToTcp => "file → TCP, loopback",
            Self::FileToTcpGather => "file → TCP, veth with scatter-gather on",
            Self::FileToTcpNoGather => "file → TCP, veth with scatter-gather off",
            Self::FileToPipe => "file → pipe",
            Self::FileToUnix => "file → UNIX stream socket",
            Self::FileToFile => "file → file",
            Self::FileToFileMemory => "file → file in memory (tmpfs)",
            Self::FileToFileSharing => "file → file, where blocks can be shared",
            Self::TcpToFile => "TCP → file, loopback",
            Self::TcpToTcp => "TCP → TCP, loopback",
            Self::MemoryToPipe => "memory → pipe",
            Self::MemoryToTcp => "memory → TCP, loopback",
        }
    }

    /// The mechanisms that are tried on it.
    pub const fn mechanisms(self) -> &'static [Mechanism] {
        match self {
            Self::FileToTcp => &[ReadWrite, MmapWrite, Sendfile, Splice, ZerocopySend, DirectIo, Uring],
            Self::FileToTcpGather | Self::FileToTcpNoGather => {
                &[ReadWrite, MmapWrite, Sendfile, Splice, ZerocopySend, Uring]
            }
            Self::FileToPipe | Self::FileToUnix => &[ReadWrite, MmapWrite, Sendfile, Splice],
            Self::FileToFile => &[ReadWrite, MmapWrite, Sendfile, Splice, CopyFileRange, Reflink, DirectIo, Uring],
            Self::FileToFileMemory => &[ReadWrite, MmapWrite, Sendfile, Splice, CopyFileRange],
            Self::FileToFileSharing => &[ReadWrite, CopyFileRange, Reflink],
            Self::TcpToFile => &[ReadWrite, Splice, DirectIo, Uring],
            Self::TcpToTcp => &[ReadWrite, Splice, Uring],
            Self::MemoryToPipe => &[ReadWrite, Vmsplice],
            Self::MemoryToTcp => &[ReadWrite, Vmsplice, ZerocopySend, Uring],
        }
    }

    /// Whether its source is a file on the file system of the sink or of the options.
    pub(super) const fn starts_at_file(self) -> bool {
        !matches!(self, Self::TcpToFile | Self::TcpToTcp | Self::MemoryToPipe | Self::MemoryToTcp)
    }

    /// What the article says about a mechanism here, if it says anything: it is about files sent to a network device.
    pub fn article(self, mechanism: Mechanism) -> Option<Article> {
        let gather = match self {
            Self::FileToTcp | Self::FileToTcpGather => true,
            Self::FileToTcpNoGather => false,
            _ => return None,
        };
        ARTICLE.into_iter().find(|article| {
            article.mechanism == mechanism && article.gather.is_none_or(|of_article| of_article == gather)
        })
    }
}

/// A line of the article's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
pub struct Article {
    /// What it calls the way.
    pub way: &'static str,
    /// Copies by the CPU.
    pub cpu_copies: u8,
    /// Copies by a device.
    pub dma_copies: u8,
    /// System calls.
    pub system_calls: u8,
    /// Switches between user and kernel mode.
    pub switches: u8,
    #[cfg_attr(feature = "cli", serde(skip))]
    mechanism: Mechanism,
    /// Whether the line is about a device with scatter-gather; `None`: it makes no difference to it.
    #[cfg_attr(feature = "cli", serde(skip))]
    gather: Option<bool>,
}

const ARTICLE: [Article; 5] = [
    line("read + write", 2, 2, ReadWrite, None),
    line("mmap + write", 1, 2, MmapWrite, None),
    line("sendfile", 1, 1, Sendfile, Some(false)),
    line("sendfile + DMA gather copy", 0, 1, Sendfile, Some(true)),
    line("splice", 0, 1, Splice, None),
];

const fn line(way: &'static str, cpu_copies: u8, calls: u8, mechanism: Mechanism, gather: Option<bool>) -> Article {
    Article { way, cpu_copies, dma_copies: 2, system_calls: calls, switches: 2 * calls, mechanism, gather }
}
