//! The routes that the table has a section for. Each mechanism's own file says on which of them it is tried.

/// From what to what, over which device.
///
/// ```
/// use zcio::Mechanism;
/// use zcio::proof::Route;
///
/// assert_eq!(Route::MemoryToPipe.mechanisms(), [Mechanism::ReadWrite, Mechanism::Vmsplice]);
/// ```
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
    /// A file to TCP over loopback, encrypted by the kernel (TLS).
    FileToTls,
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
    /// A file to memory.
    FileToMemory,
    /// TCP over loopback to memory.
    TcpToMemory,
    /// TCP over loopback to a region that receives pages of the socket's queue.
    TcpToRegion,
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
        Self::FileToTls,
        Self::FileToPipe,
        Self::FileToUnix,
        Self::FileToFile,
        Self::FileToFileMemory,
        Self::FileToFileSharing,
        Self::TcpToFile,
        Self::TcpToTcp,
        Self::FileToMemory,
        Self::TcpToMemory,
        Self::TcpToRegion,
        Self::MemoryToPipe,
        Self::MemoryToTcp,
    ];

    /// The words at the head of its section.
    pub const fn title(self) -> &'static str {
        match self {
            Self::FileToTcp => "file → TCP, loopback",
            Self::FileToTcpGather => "file → TCP, veth with scatter-gather on",
            Self::FileToTcpNoGather => "file → TCP, veth with scatter-gather off",
            Self::FileToTls => "file → TCP with TLS in the kernel, loopback",
            Self::FileToPipe => "file → pipe",
            Self::FileToUnix => "file → UNIX stream socket",
            Self::FileToFile => "file → file",
            Self::FileToFileMemory => "file → file in memory (tmpfs)",
            Self::FileToFileSharing => "file → file, where blocks can be shared",
            Self::TcpToFile => "TCP → file, loopback",
            Self::TcpToTcp => "TCP → TCP, loopback",
            Self::FileToMemory => "file → memory",
            Self::TcpToMemory => "TCP → memory, loopback",
            Self::TcpToRegion => "TCP → a region that receives, loopback",
            Self::MemoryToPipe => "memory → pipe",
            Self::MemoryToTcp => "memory → TCP, loopback",
        }
    }

    /// Whether its source is a file on the file system of the sink or of the options.
    pub(super) const fn starts_at_file(self) -> bool {
        !self.starts_at_stream() && !matches!(self, Self::MemoryToPipe | Self::MemoryToTcp)
    }

    /// Whether its source is a connection over loopback.
    pub(super) const fn starts_at_stream(self) -> bool {
        matches!(self, Self::TcpToFile | Self::TcpToTcp | Self::TcpToMemory | Self::TcpToRegion)
    }
}
