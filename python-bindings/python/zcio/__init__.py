"""Zero-copy I/O for Linux.

``zcio.transfer(src, dst)`` moves bytes between files, sockets and pipes without taking them through the process where
the kernel can, and returns a ``Report`` that says how it was done.

A ``Region`` is a mapped file, or memory, that numpy and others use without a copy; a ``SharedRegion`` is one that goes
to other processes. ``zcio.compat.mmap`` is the standard library's ``mmap`` made of regions.
"""

# Now, though the first transfer is who needs it: a child of fork(2) would wait for ever for an import that a thread of
# its parent had begun.
from zcio import _ends as _ends
from zcio._errors import (
    BrokenPipeTransferError,
    ConnectionAbortedTransferError,
    ConnectionRefusedTransferError,
    ConnectionResetTransferError,
    FaultedError,
    FileExistsTransferError,
    FileNotFoundTransferError,
    IsADirectoryTransferError,
    NotADirectoryTransferError,
    PermissionTransferError,
    SameFileTransferError,
    SpecialFileTransferError,
    TimeoutTransferError,
    TransferError,
)
from zcio._install import install, uninstall
from zcio._reports import BatchReport, CopyReport, DirectionReport, FanOutReport, RelayReport, SinkReport
from zcio._types import (
    Advice,
    BatchItem,
    End,
    HasFileno,
    Mechanism,
    Path,
    Protection,
    RegionMode,
    Seal,
    Socket,
    Source,
    Visibility,
)
from zcio._zcio import (
    ADVICE,
    MECHANISMS,
    AlignedBuffer,
    Attempt,
    ItemReport,
    Region,
    Report,
    Residency,
    SharedRegion,
    __version__,
    batch,
    copy,
    fan_out,
    read_direct,
    relay,
    transfer,
)

__all__ = [
    "ADVICE",
    "MECHANISMS",
    "Advice",
    "AlignedBuffer",
    "Attempt",
    "BatchItem",
    "BatchReport",
    "BrokenPipeTransferError",
    "ConnectionAbortedTransferError",
    "ConnectionRefusedTransferError",
    "ConnectionResetTransferError",
    "CopyReport",
    "DirectionReport",
    "End",
    "FanOutReport",
    "FaultedError",
    "FileExistsTransferError",
    "FileNotFoundTransferError",
    "HasFileno",
    "IsADirectoryTransferError",
    "ItemReport",
    "Mechanism",
    "NotADirectoryTransferError",
    "Path",
    "PermissionTransferError",
    "Protection",
    "Region",
    "RegionMode",
    "RelayReport",
    "Report",
    "Residency",
    "SameFileTransferError",
    "Seal",
    "SharedRegion",
    "SinkReport",
    "Socket",
    "Source",
    "SpecialFileTransferError",
    "TimeoutTransferError",
    "TransferError",
    "Visibility",
    "__version__",
    "batch",
    "copy",
    "fan_out",
    "install",
    "read_direct",
    "relay",
    "transfer",
    "uninstall",
]
