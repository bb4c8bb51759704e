"""Protocol classes for uvicorn that send files by zcio.

::

    uvicorn --http zcio.uvicorn:AutoProtocol app:app
    uvicorn.run(app, http=zcio.uvicorn.AutoProtocol)

``AutoProtocol`` is made of uvicorn's httptools protocol where httptools is installed, and of its h11 protocol
elsewhere; ``HttpToolsProtocol`` and ``H11Protocol`` are one or the other. They offer the ASGI extensions
``http.response.pathsend``, which Starlette's ``FileResponse`` uses by itself, and ``http.response.zerocopysend``, by
which ``zcio.asgi`` sends ranges too. Everything else is uvicorn's. A TLS connection is offered neither, so that the
application sends bytes there.
"""

import asyncio
import contextlib
import functools
import os
import stat
from collections.abc import Mapping
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol as _H11Protocol

from zcio import aio
from zcio._ends import transparent_transport
from zcio._loops import library
from zcio._serving import open_file
from zcio._streams import write_short

__all__ = ["AutoProtocol", "H11Protocol", "HttpToolsProtocol"]

_EXTENSIONS = ("http.response.pathsend", "http.response.zerocopysend")


class _Sending:
    """What is mixed into uvicorn's protocol. Its cycle, one for each request, has the methods that the application
    gets, and knows how the body is framed."""

    app: Any
    _is_plain = False
    _sending: "asyncio.Task[None] | None" = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._application, self.app = self.app, self._answer

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)  # type: ignore[misc]
        with contextlib.suppress(TypeError):
            transparent_transport(transport)
            self._is_plain = True

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)  # type: ignore[misc]
        # It has a descriptor of its own, and would wait for a client that nobody waits for any more.
        if self._sending is not None:
            self._sending.cancel()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> Any:
        if self._is_plain:
            scope["extensions"] = {**(scope.get("extensions") or {}), **{name: {} for name in _EXTENSIONS}}
            send = functools.partial(self._send, send.__self__)
        return await self._application(scope, receive, send)

    async def _send(self, cycle: Any, message: Mapping[str, Any]) -> None:
        kind = message["type"]
        if kind not in _EXTENSIONS or not cycle.response_started or cycle.response_complete:
            # It knows what to say to those that come at a wrong time.
            await cycle.send(message)
        elif kind == "http.response.pathsend":
            with contextlib.closing(await library().in_thread(functools.partial(open_file, message["path"]))) as file:
                await self._send_part(cycle, file.fileno(), {})
        else:
            file = message["file"]
            await self._send_part(cycle, file if isinstance(file, int) else file.fileno(), message)

    async def _send_part(self, cycle: Any, file: int, message: Mapping[str, Any]) -> None:
        offset, count = message.get("offset"), message.get("count")
        if offset is None:
            offset = os.lseek(file, 0, os.SEEK_CUR)
        if count is None:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise ValueError("the length of what is no regular file is not known: say the count")
            count = max(found.st_size - offset, 0)
        if count and cycle.scope["method"] != "HEAD" and not cycle.disconnected:
            before, after = _frame(cycle, count)
            if before:
                cycle.transport.write(before)
            if not await self._move(cycle, file, offset, count):
                return
            if after:
                cycle.transport.write(after)
        await cycle.send({"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)})

    async def _move(self, cycle: Any, file: int, offset: int, count: int) -> bool:
        """Whether the client is still there."""
        if write_short(cycle.transport, file, offset, count):
            return True
        job = aio.Transfer(file, cycle.transport, offset=offset, count=count)
        this = asyncio.current_task()
        self._sending = asyncio.ensure_future(_awaited(job))
        try:
            await self._sending
        except asyncio.CancelledError:
            if this is not None and this.cancelling():
                raise
            return False
        except (ConnectionError, TimeoutError):
            # uvicorn too tells the application by receive() alone.
            cycle.transport.abort()
            return False
        finally:
            self._sending = None
        if job.bytes < count:
            # The connection is closed, and the client sees that something is missing.
            raise EOFError("the file has become shorter than was announced")
        return True


async def _awaited(job: aio.Transfer) -> None:
    await job


class _Length:
    """For h11, which asks how long it is."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length


def _frame(cycle: Any, count: int) -> tuple[bytes, bytes]:
    """What goes before and behind so many bytes of a body, which is counted as sent."""
    if hasattr(cycle, "conn"):
        body = _Length(count)
        pieces = cycle.conn.send_with_data_passthrough(h11.Data(data=body))  # type: ignore[arg-type]
        at = pieces.index(body)
        return b"".join(pieces[:at]), b"".join(pieces[at + 1 :])
    if cycle.chunked_encoding:
        return b"%x\r\n" % count, b"\r\n"
    if count > cycle.expected_content_length:
        raise RuntimeError("Response content longer than Content-Length")
    cycle.expected_content_length -= count
    return b"", b""


class H11Protocol(_Sending, _H11Protocol):
    """uvicorn's for h11."""


AutoProtocol: type[asyncio.Protocol] = H11Protocol
"""The faster one of those that can be had."""

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as _HttpToolsProtocol
except ImportError:
    __all__.remove("HttpToolsProtocol")
else:

    class HttpToolsProtocol(_Sending, _HttpToolsProtocol):
        """uvicorn's for httptools."""

    AutoProtocol = HttpToolsProtocol
