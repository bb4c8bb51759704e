"""Files from an ASGI application, by the shortest way that its server knows.

::

    app = zcio.asgi.FileResponse("large.bin")            # an application of its own, or
    await zcio.asgi.send_file("large.bin", scope, receive, send)   # inside another one

The server says in ``scope["extensions"]`` what it can do. A whole file goes by ``http.response.pathsend`` (the server
opens the path), a whole file or a part by ``http.response.zerocopysend`` (the server is lent a descriptor), and
everything else in chunks, read in a worker thread. Conditions (``If-None-Match``, ``If-Modified-Since``, ``If-Match``,
``If-Range``), one ``Range``, ``HEAD`` and the headers that belong to them are taken care of; several ranges are
answered with the whole file.

Which file a request may have is the application's business: nothing here looks at ``scope["path"]``.
"""

import asyncio
import contextlib
import functools
import os
import stat as stats
import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, BinaryIO, TypeAlias, TypeVar

from zcio._ranges import Answer, answer
from zcio._types import Visibility

__all__ = ["FileResponse", "send_file"]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

_CHUNK = 256 << 10
_T = TypeVar("_T")


async def send_file(
    path: str | os.PathLike[str],
    scope: Mapping[str, Any],
    receive: Receive,
    send: Send,
    *,
    headers: Mapping[str, str] | None = None,
    visibility: Visibility = "aliased",
) -> None:
    """Answers an HTTP request with a file.

    With ``visibility="snapshot"`` it always goes in chunks: a server that is given the file would send the page cache
    itself, where later changes show in what is on its way.
    ``headers`` (lower-case names) are added to the response, or replace what it would have, as ``content-type`` or
    ``etag``. Raises what ``open()`` does, before anything is sent; ``IsADirectoryError`` for anything but a regular
    file.
    """
    del receive
    if visibility not in ("aliased", "snapshot"):
        raise ValueError(f'unknown visibility {visibility!r}; it is "aliased" or "snapshot"')
    if scope["type"] != "http":
        raise ValueError(f"a file is an answer to an HTTP request, not to {scope['type']!r}")
    file = await _in_thread(functools.partial(_open, path))
    with contextlib.closing(file):
        request = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        stat = os.fstat(file.fileno())
        response = answer(path, stat, scope["method"], request, headers or {})
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers],
            }
        )
        extensions = (scope.get("extensions") or {}) if visibility == "aliased" else {}
        await _send_body(path, file, stat, response, extensions, send)


class FileResponse:
    """An ASGI application that is one file."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        headers: Mapping[str, str] | None = None,
        visibility: Visibility = "aliased",
    ) -> None:
        self.path = path
        self.headers = headers
        self.visibility = visibility

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        await send_file(self.path, scope, receive, send, headers=self.headers, visibility=self.visibility)


async def _send_body(
    path: str | os.PathLike[str],
    file: BinaryIO,
    stat: os.stat_result,
    response: Answer,
    extensions: Mapping[str, Any],
    send: Send,
) -> None:
    if response.count == 0:
        await send({"type": "http.response.body", "body": b""})
    elif "http.response.zerocopysend" in extensions:
        message = {"file": file, "offset": response.offset, "count": response.count, "more_body": False}
        await send({"type": "http.response.zerocopysend", **message})
    elif "http.response.pathsend" in extensions and response.count == stat.st_size and _is_still(path, stat):
        await send({"type": "http.response.pathsend", "path": os.path.abspath(path)})  # noqa: PTH100
    else:
        await _send_chunks(file, response, send)


def _is_still(path: str | os.PathLike[str], stat: os.stat_result) -> bool:
    """Whether the path still leads to the file whose length has been announced."""
    try:
        now = os.stat(path)  # noqa: PTH116
    except OSError:
        return False
    return os.path.samestat(now, stat) and now.st_size == stat.st_size


async def _send_chunks(file: BinaryIO, response: Answer, send: Send) -> None:
    offset, end = response.offset, response.offset + response.count
    while offset < end:
        chunk = await _in_thread(functools.partial(os.pread, file.fileno(), min(_CHUNK, end - offset), offset))
        if not chunk:
            # The server closes the connection, and the client sees that something is missing.
            raise EOFError(f"the file has become shorter than the {end} bytes that were announced")
        offset += len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": offset < end})


def _open(path: str | os.PathLike[str]) -> BinaryIO:
    # Without O_NONBLOCK a FIFO would wait for a writer only to be refused.
    file = open(path, "rb", 0, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    if not stats.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise IsADirectoryError(f"not a regular file: {os.fspath(path)!r}")
    return file


async def _in_thread(work: Callable[[], _T]) -> _T:
    if "trio" in sys.modules:
        import trio

        if trio.lowlevel.in_trio_task():
            return await trio.to_thread.run_sync(work)
    return await asyncio.get_running_loop().run_in_executor(None, work)
