"""Zero-copy I/O for Linux.

``zcio.transfer(src, dst)`` moves bytes between files, sockets and pipes without taking them through the process where
the kernel can, and returns a ``Report`` that says how it was done.
"""

from zcio._errors import (
    BrokenPipeTransferError,
    ConnectionAbortedTransferError,
    ConnectionRefusedTransferError,
    ConnectionResetTransferError,
    FileNotFoundTransferError,
    IsADirectoryTransferError,
    NotADirectoryTransferError,
    PermissionTransferError,
    TimeoutTransferError,
    TransferError,
)
from zcio._types import End, HasFileno, Mechanism, Visibility
from zcio._zcio import MECHANISMS, Attempt, Report, __version__, transfer

__all__ = [
    "MECHANISMS",
    "Attempt",
    "BrokenPipeTransferError",
    "ConnectionAbortedTransferError",
    "ConnectionRefusedTransferError",
    "ConnectionResetTransferError",
    "End",
    "FileNotFoundTransferError",
    "HasFileno",
    "IsADirectoryTransferError",
    "Mechanism",
    "NotADirectoryTransferError",
    "PermissionTransferError",
    "Report",
    "TimeoutTransferError",
    "TransferError",
    "Visibility",
    "__version__",
    "transfer",
]
