"""The exceptions of a transfer that had begun, or that the operating system would not let begin.

Each is a ``TransferError`` and, where Python has a class of its own for the errno, that class too, so that both
``except zcio.TransferError`` and ``except BrokenPipeError`` find it. Which class an errno has is ``OSError``'s to say.
What can be wrong with the two files of a copy has no errno of its own, but classes in ``shutil``.
"""

import shutil


class TransferError(OSError):
    """The operating system ended a transfer.

    ``errno``, ``strerror`` and ``filename`` are as in every OSError.
    """

    moved: int = 0
    """Bytes delivered to dst before the error."""

    undelivered: bytes = b""
    """Bytes that were taken out of a socket or pipe and could not be delivered; they exist only here now."""

    operation: str = "transfer"
    """The system call that failed."""

    def __str__(self) -> str:
        return f"{super().__str__()} ({self.operation}, {self.moved} bytes moved)"


class BrokenPipeTransferError(TransferError, BrokenPipeError):
    """The reader of dst is gone (EPIPE)."""


class ConnectionAbortedTransferError(TransferError, ConnectionAbortedError):
    """The connection was given up on this side (ECONNABORTED)."""


class ConnectionRefusedTransferError(TransferError, ConnectionRefusedError):
    """The connection was never made (ECONNREFUSED)."""


class ConnectionResetTransferError(TransferError, ConnectionResetError):
    """The peer ended the connection with bytes on their way (ECONNRESET)."""


class FileExistsTransferError(TransferError, FileExistsError):
    """A path that must not exist yet does (EEXIST)."""


class FileNotFoundTransferError(TransferError, FileNotFoundError):
    """A path that does not exist (ENOENT)."""


class IsADirectoryTransferError(TransferError, IsADirectoryError):
    """A directory where bytes were expected (EISDIR)."""


class NotADirectoryTransferError(TransferError, NotADirectoryError):
    """A path that leads through something other than a directory (ENOTDIR)."""


class PermissionTransferError(TransferError, PermissionError):
    """Access denied (EACCES, EPERM)."""


class SameFileTransferError(TransferError, shutil.SameFileError):
    """The source and the destination of a copy are one file, by whatever names."""


class SpecialFileTransferError(TransferError, shutil.SpecialFileError):
    """A FIFO, a socket or a device where only a regular file will do."""


class TimeoutTransferError(TransferError, TimeoutError):
    """Nothing moved for as long as the socket's timeout, or the peer stopped answering (ETIMEDOUT)."""


_BY_BASE: dict[type[OSError], type[TransferError]] = {kind.__mro__[2]: kind for kind in TransferError.__subclasses__()}

for _class in (TransferError, *_BY_BASE.values()):
    _class.__module__ = "zcio"


def transfer_error(
    errno: int | None,
    message: str,
    filename: str | bytes | None,
    operation: str,
    moved: int,
    undelivered: bytes,
    base: str | None = None,
) -> TransferError:
    """The exception for an error of the core. Called by the native half, with a base where it is one of shutil's."""
    if errno is None:
        error = TransferError(message)
    else:
        base_class = getattr(shutil, base) if base else type(OSError(errno, message))
        kind = _BY_BASE.get(base_class, TransferError)
        error = kind(errno, message) if filename is None else kind(errno, message, filename)
    error.operation, error.moved, error.undelivered = operation, moved, undelivered
    return error


class FaultedError(OSError):
    """There is no memory behind a page of a Region any more: its file was cut short, or its disk failed (EFAULT)."""

    moved: int = 0
    """Bytes copied before."""


FaultedError.__module__ = "zcio"
