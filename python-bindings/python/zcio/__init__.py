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
from zcio._reports import BatchReport, CopyReport, DirectionReport, FanOutReport, RelayReport, SinkReport
from zcio._types import BatchItem, End, HasFileno, Mechanism, Path, Socket, Source, Visibility
from zcio._zcio import MECHANISMS, Attempt, ItemReport, Report, __version__, batch, copy, fan_out, relay, transfer

__all__ = [
    "MECHANISMS",
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
    "FileNotFoundTransferError",
    "HasFileno",
    "IsADirectoryTransferError",
    "ItemReport",
    "Mechanism",
    "NotADirectoryTransferError",
    "Path",
    "PermissionTransferError",
    "RelayReport",
    "Report",
    "SinkReport",
    "Socket",
    "Source",
    "TimeoutTransferError",
    "TransferError",
    "Visibility",
    "__version__",
    "batch",
    "copy",
    "fan_out",
    "relay",
    "transfer",
]
