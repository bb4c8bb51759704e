"""What ``zcio.install()`` puts into the standard library.

The inner functions that make the system calls are replaced, not those that programs call and may have imported
already: checks, fallbacks, metadata and audit events stay the standard library's. A call that zcio cannot serve (no
regular file, an end that is not transparent, a refusal before the first byte) is the standard library's from its
beginning, and so is every call while somebody has put a function of his own in the place of ``os.sendfile``. Nothing
begins again after a byte has moved.

A loop without a ``sendfile`` of its own, as uvloop's, gets one where it inherits the lack of it. Imported by the first
``install()``: it needs much of the standard library.
"""

import asyncio
import contextlib
import functools
import inspect
import io
import os
import posix
import shutil
import socket
import stat
import threading
from asyncio import unix_events
from collections.abc import Callable
from typing import Any, TypeAlias

from zcio import aio
from zcio._ends import transparent_transport
from zcio._errors import TransferError
from zcio._streams import write_short
from zcio._zcio import transfer

_Function: TypeAlias = Callable[..., Any]
_FILES = io.FileIO | io.BufferedReader | io.BufferedRandom
# To look at two files closely takes as long as to copy what is shorter.
_LARGE = 1 << 20
# shutil's; Python 3.14 tries the first before the second.
FAST_COPIES = ("_fastcopy_copy_file_range", "_fastcopy_sendfile")
# Of an error of this very class nothing has been sent: a signal's handler has its own, or Python's with a count.
_REFUSALS = (TypeError, ValueError, io.UnsupportedOperation)


def copy(standard: _Function, source: Any, sink: Any) -> Any:
    """In the place of ``shutil._fastcopy_sendfile(fsrc, fdst)``."""
    if not (_is_untouched() and _size(source) >= _LARGE and isinstance(sink, io.BufferedWriter)):
        return standard(source, sink)
    try:
        transfer(source, sink, offset=0)
    except Exception as error:
        if _has_begun(error):
            if isinstance(error, OSError):
                error.filename, error.filename2 = source.name, sink.name
            raise
        return standard(source, sink)
    return None


def send(standard: _Function, sock: Any, file: Any, offset: int = 0, count: int | None = None) -> Any:
    """In the place of ``socket.socket._sendfile_use_sendfile(file, offset, count)``."""
    sock._check_sendfile_params(file, offset, count)
    if not (_is_untouched() and _length(file, offset, count) and sock.gettimeout() != 0):
        return standard(sock, file, offset, count)
    moved = 0
    try:
        moved = transfer(file, sock, offset=offset, count=count).bytes
    except BaseException as error:
        moved = getattr(error, "moved", 0)
        if _has_begun(error):
            raise
    else:
        return moved
    finally:
        _leave_behind(file, offset, moved)
    return standard(sock, file, offset, count)


async def send_later(
    standard: _Function, loop: Any, sink: Any, file: Any, offset: int = 0, count: int | None = None, **options: Any
) -> Any:
    """In the place of a loop's ``sock_sendfile(sock, file, …)`` or ``sendfile(transport, file, …)``, or of what they
    are made of."""
    length = _length(file, offset, count) if _is_untouched(vars(unix_events)["os"]) and _is_open(sink) else 0
    if not length:
        return await standard(loop, sink, file, offset, count, **options)
    if _is_written(sink, file, offset, length):
        _leave_behind(file, offset, length)
        return length
    job = aio.Transfer(file, sink, offset=offset, count=count)
    try:
        return (await job).bytes
    except (TypeError, ValueError, OSError):
        if job.bytes:
            raise
    finally:
        _leave_behind(file, offset, job.bytes)
    return await standard(loop, sink, file, offset, count, **options)


def _is_untouched(module: Any = os) -> bool:
    """Whether nobody looks at, or decides about, the calls that would be made else."""
    return getattr(module, "sendfile", None) is posix.sendfile and module.fstat is posix.fstat


def _size(file: Any) -> int:
    """Of a regular file; 0 for anything else, and for files of /proc."""
    if not isinstance(file, _FILES) or file.closed:
        return 0
    found = posix.fstat(file.fileno())
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _length(file: Any, offset: Any, count: Any) -> int:
    """How much of a regular file is asked for; 0 if the standard library must say what is wrong with that."""
    if type(offset) is not int or offset < 0 or not (count is None or (type(count) is int and count > 0)):
        return 0
    rest = max(_size(file) - offset, 0)
    return rest if count is None else min(count, rest)


def _is_open(sink: Any) -> bool:
    return not (hasattr(sink, "is_closing") and sink.is_closing())


def _is_written(sink: Any, file: Any, offset: int, length: int) -> bool:
    """Whether it was short, and for a transport."""
    if not hasattr(sink, "get_write_buffer_size") or isinstance(file, io.BufferedRandom):
        return False
    with contextlib.suppress(TypeError):
        transparent_transport(sink)
        return write_short(sink, file.fileno(), offset, length)
    return False


def _has_begun(error: BaseException) -> bool:
    """Whether it is not a refusal, after which the standard library may still begin."""
    if isinstance(error, TransferError):
        return error.moved > 0 or isinstance(error, TimeoutError)
    return type(error) not in _REFUSALS or hasattr(error, "moved")


def _leave_behind(file: Any, offset: int, moved: int) -> None:
    if moved and not file.closed:
        file.seek(offset + moved)


class _Hook:
    """One function of the standard library, and what is called in its place."""

    def __init__(self, owner: Any, name: str, ours: _Function) -> None:
        self.owner, self.name, self.ours = owner, name, ours
        self.here: _Function | None = None
        self.standard: _Function | None = None

    def put(self) -> None:
        now = vars(self.owner).get(self.name)
        # It is there already, and somebody's patch on top of it leads to it, unless both have been taken away.
        if now is None or (self.here is not None and now is not self.standard):
            return
        self.standard = now
        self.here = (_waiting if inspect.iscoroutinefunction(now) else _calling)(now, self.ours)
        setattr(self.owner, self.name, self.here)

    def take(self) -> None:
        """Not from under somebody's patch, where it only passes on what it is given."""
        if self.here is not None and vars(self.owner)[self.name] is self.here:
            setattr(self.owner, self.name, self.standard)
            self.here = None


def _calling(standard: _Function, ours: _Function) -> _Function:
    @functools.wraps(standard)
    def either(*arguments: Any, **options: Any) -> Any:
        return ours(standard, *arguments, **options) if _state.installed else standard(*arguments, **options)

    return either


def _waiting(standard: _Function, ours: _Function) -> _Function:
    @functools.wraps(standard)
    async def either(*arguments: Any, **options: Any) -> Any:
        call = ours(standard, *arguments, **options) if _state.installed else standard(*arguments, **options)
        return await call

    return either


class _State:
    installed = False
    lock = threading.Lock()


_state = _State()
_HOOKS = (
    *(_Hook(shutil, name, copy) for name in FAST_COPIES),
    _Hook(socket.socket, "_sendfile_use_sendfile", send),
    _Hook(unix_events._UnixSelectorEventLoop, "_sock_sendfile_native", send_later),
    _Hook(asyncio.AbstractEventLoop, "sendfile", send_later),
    _Hook(asyncio.AbstractEventLoop, "sock_sendfile", send_later),
)


def install() -> None:
    with _state.lock:
        for hook in _HOOKS:
            hook.put()
        _state.installed = True


def uninstall() -> None:
    with _state.lock:
        _state.installed = False
        for hook in _HOOKS:
            hook.take()
