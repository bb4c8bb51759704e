"""Zero-copy I/O for Linux.

``zcio.transfer(src, dst)`` moves bytes between files, sockets and pipes without taking them through the process where
the kernel can, and returns a ``Report`` that says how it was done.

A ``Region`` is a mapped file, or memory, that numpy and others use without a copy and that can be closed under them; a
``SharedRegion`` is one that goes to other processes. ``zcio.compat.mmap`` is the standard library's ``mmap`` made of
regions.
"""

from zcio._errors import (
    BrokenPipeTransferError,
    ConnectionAbortedTransferError,
    ConnectionRefusedTransferError,
    ConnectionResetTransferError,
    FaultedError,
    FileNotFoundTransferError,
    IsADirectoryTransferError,
    NotADirectoryTransferError,
    PermissionTransferError,
    TimeoutTransferError,
    TransferError,
)
from zcio._types import Advice, End, HasFileno, Mechanism, Protection, RegionMode, Seal, Visibility
from zcio._zcio import (
    ADVICE,
    MECHANISMS,
    AlignedBuffer,
    Attempt,
    Region,
    Report,
    Residency,
    SharedRegion,
    __version__,
    read_direct,
    transfer,
)

__all__ = [
    "ADVICE",
    "MECHANISMS",
    "Advice",
    "AlignedBuffer",
    "Attempt",
    "BrokenPipeTransferError",
    "ConnectionAbortedTransferError",
    "ConnectionRefusedTransferError",
    "ConnectionResetTransferError",
    "End",
    "FaultedError",
    "FileNotFoundTransferError",
    "HasFileno",
    "IsADirectoryTransferError",
    "Mechanism",
    "NotADirectoryTransferError",
    "PermissionTransferError",
    "Protection",
    "Region",
    "RegionMode",
    "Report",
    "Residency",
    "Seal",
    "SharedRegion",
    "TimeoutTransferError",
    "TransferError",
    "Visibility",
    "__version__",
    "read_direct",
    "transfer",
]
