"""How ``zcio.asgi`` opens a file, and gives its bytes to the server."""

import contextlib
import functools
import math
import os
import stat as stats
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, BinaryIO, TypeAlias

from zcio._answers import Answer, Headers, answer, missing
from zcio._loops import library
from zcio._ranges import Part

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
StrPath: TypeAlias = str | os.PathLike[str]

_CHUNK = 256 << 10


async def respond(
    open_it: Callable[[], BinaryIO],
    path: StrPath,
    scope: Mapping[str, Any],
    receive: Receive,
    send: Send,
    *,
    status: int,
    headers: Headers,
    aliased: bool,
    folder: Answer | None = None,
) -> None:
    """Answers a request with the file that is opened, or with what is to be said in the place of one that is not there;
    ``folder`` in the place of a folder."""
    method = scope["method"].upper()
    try:
        file = await library().in_thread(open_it)
    except (OSError, ValueError) as error:
        refusal = folder if folder and isinstance(error, IsADirectoryError) else missing(error, method)
        if refusal is None:
            raise
        await _begin(send, refusal)
        await _send_bytes(send, b"".join(part.head for part in refusal.parts), False)
        return
    with contextlib.closing(file):
        stat = os.fstat(file.fileno())
        response = answer(path, stat, method, _request(scope), headers, status)
        await _begin(send, response)
        extensions = (scope.get("extensions") or {}) if aliased else {}
        if "http.response.zerocopysend" in extensions:
            await _lend(file, response.parts, send)
        elif "http.response.pathsend" in extensions and _is_whole(response, stat) and _is_still(path, stat):
            await send({"type": "http.response.pathsend", "path": os.path.abspath(path)})  # noqa: PTH100
        elif sum(part.count for part in response.parts) <= _CHUNK:
            await _send_chunks(file, response.parts, send)
        else:
            await _while_connected(receive, functools.partial(_send_chunks, file, response.parts, send))


def open_file(path: StrPath, *, dir_fd: int | None = None, flags: int = 0) -> BinaryIO:
    """``IsADirectoryError`` for anything but a regular file."""
    # Without O_NONBLOCK a FIFO would wait for a writer only to be refused.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | flags, dir_fd=dir_fd)
    file = open(fd, "rb", 0) if stats.S_ISREG(os.fstat(fd).st_mode) else None  # noqa: SIM115
    if file is None:
        os.close(fd)
        raise IsADirectoryError(f"not a regular file: {os.fspath(path)!r}")
    return file


def open_below(directory: str, names: Sequence[str]) -> BinaryIO:
    """The file with these names below a folder. Nothing leads out of it: no name is ``..``, and none a link."""
    if any(name == "" or name.startswith(".") or "/" in name for name in names):
        raise FileNotFoundError
    here = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in names[:-1]:
            below = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = below
        return open_file(names[-1], dir_fd=here, flags=os.O_NOFOLLOW)
    finally:
        os.close(here)


def _request(scope: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


async def _begin(send: Send, response: Answer) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})


async def _send_bytes(send: Send, body: bytes, more: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


def _is_whole(response: Answer, stat: os.stat_result) -> bool:
    return response.parts == (Part(b"", 0, stat.st_size),) and stat.st_size > 0


def _is_still(path: StrPath, stat: os.stat_result) -> bool:
    """Whether the path still leads to the file whose length has been announced."""
    try:
        now = os.stat(path)  # noqa: PTH116
    except OSError:
        return False
    return os.path.samestat(now, stat) and now.st_size == stat.st_size


async def _lend(file: BinaryIO, parts: Sequence[Part], send: Send) -> None:
    last = parts[-1] if parts else Part(b"", 0, 0)
    for part in parts:
        if part.head or not part.count:
            await _send_bytes(send, part.head, part is not last or part.count > 0)
        if part.count:
            message = {"file": file, "offset": part.offset, "count": part.count, "more_body": part is not last}
            await send({"type": "http.response.zerocopysend", **message})
    if not parts:
        await _send_bytes(send, b"", False)


async def _send_chunks(file: BinaryIO, parts: Sequence[Part], send: Send) -> None:
    left = sum(len(part.head) + part.count for part in parts)
    if left == 0:
        await _send_bytes(send, b"", False)
    for part in parts:
        head, offset, end = part.head, part.offset, part.offset + part.count
        while head or offset < end:
            size = min(_CHUNK, end - offset)
            chunk = await library().in_thread(functools.partial(os.pread, file.fileno(), size, offset)) if size else b""
            if size and not chunk:
                # The server closes the connection, and the client sees that something is missing.
                raise EOFError("the file has become shorter than was announced")
            offset += len(chunk)
            left -= len(head) + len(chunk)
            await _send_bytes(send, head + chunk, left > 0)
            head = b""


async def _while_connected(receive: Receive, work: Callable[[], Awaitable[None]]) -> None:
    """Does the work, and gives it up when the client has left."""

    async def left() -> None:
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        except Exception:
            # What the server does not tell is not known.
            await library().sleep(math.inf)

    await library().until(left, work)
