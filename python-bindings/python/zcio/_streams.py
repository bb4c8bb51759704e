"""asyncio's streams and transports, and those of anyio and trio, as ends: the socket behind them, and what they have
buffered.

Public methods where there are any, so that it works on every loop: a reader gives what it has to ``read()``, which does
not wait as long as there is something, and a coroutine can be asked once and closed. Only putting bytes back in front
of those that a reader still has takes its own buffer.
"""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from zcio._ends import transparent_stream, transparent_transport

StreamPair: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class AnyioStream(Protocol):
    """anyio's SocketStream."""

    async def receive(self, max_bytes: int = ..., /) -> bytes: ...

    async def send(self, item: bytes, /) -> None: ...


class TrioStream(Protocol):
    """trio's SocketStream or FdStream."""

    async def receive_some(self, max_bytes: int | None = ..., /) -> bytes | bytearray: ...

    async def send_all(self, data: bytes, /) -> None: ...


SocketStream: TypeAlias = AnyioStream | TrioStream

_CHUNK = 1 << 20
# What a transport takes by default before it asks for a pause.
_SHORT = 64 << 10


def plain(end: Any) -> Any:
    """What a stream of trio's or anyio's reads and writes without a buffer; anything else as it is."""
    match type(end).__module__, type(end).__qualname__:
        case "trio", "SocketStream":
            return end.socket
        case "trio.lowlevel", "FdStream":
            return end.fileno()
        case ("anyio._backends._trio", "SocketStream" | "UNIXSocketStream") | (
            "anyio._backends._asyncio",
            "UNIXSocketStream",
        ):
            return end._raw_socket
    return end


def is_stream(end: object) -> bool:
    """Whether it is one of asyncio's, the pair of them, or anyio's on top of them."""
    if isinstance(end, tuple | asyncio.StreamReader | asyncio.StreamWriter) or _is_anyio(end):
        return True
    # A transport of another loop (uvloop's) need not be of asyncio's class.
    return hasattr(end, "get_write_buffer_size")


def _is_anyio(end: object) -> bool:
    return (type(end).__module__, type(end).__qualname__) == ("anyio._backends._asyncio", "SocketStream")


def transport_of(end: object) -> Any:
    """The transport, which has a plain socket or pipe."""
    if isinstance(end, tuple):
        if len(end) != 2 or not isinstance(end[1], asyncio.StreamWriter):
            raise TypeError("a pair of streams is (StreamReader, StreamWriter)")
        end = end[1]
    transport: Any = end
    if isinstance(end, asyncio.StreamWriter):
        transparent_stream(end, asyncio.StreamWriter)
        transport = end.transport
    elif isinstance(end, asyncio.StreamReader) or _is_anyio(end):
        # Neither has a public way to its transport; the pair has.
        transport = getattr(end, "_transport", None)
        if transport is None:
            raise TypeError("this StreamReader has no transport; pass the pair (reader, writer)")
    transparent_transport(transport)
    return transport


def socket_of(end: object) -> int:
    """The number of the socket or pipe behind it, for now."""
    transport = transport_of(end)
    found = transport.get_extra_info("socket") or transport.get_extra_info("pipe")
    if found is None:
        raise TypeError(f"{type(transport).__name__} has neither a socket nor a pipe")
    number: int = -1 if transport.is_closing() else found.fileno()
    if number < 0:
        raise ConnectionResetError("the transport is closing")
    return number


async def flushed(
    end: object,
    fd: int | None,
    wait: Callable[[tuple[tuple[int, int], ...]], Awaitable[None]],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Waits until the transport has handed what it has buffered to the kernel.

    There is nothing to await for that; but whenever the socket is writable the transport writes, in the same round of
    the loop. ``fd`` is another descriptor of the socket: the transport's own is not for others to wait for.
    """
    transport = transport_of(end)
    rounds = 0
    while transport.get_write_buffer_size():
        if transport.is_closing():
            raise ConnectionResetError("the transport was closed before its buffer was written")
        if fd is None or rounds > 2:
            await sleep(0.001)
        else:
            await wait(((fd, 2),))
            await sleep(0)
        rounds += 1


def write_short(transport: Any, file: int, offset: int, count: int) -> bool:
    """Writes some bytes of a file to a transport as any others, if they are in the page cache and it has room for them.
    To look at its socket would take longer than to copy them."""
    if count > _SHORT or transport.get_write_buffer_size() + count > _SHORT:
        return False
    data = bytearray(count)
    try:
        if os.preadv(file, [data], offset, os.RWF_NOWAIT) < count:
            return False
    except OSError:
        # Not in the page cache (EAGAIN), or not on this file system.
        return False
    transport.write(data)
    return True


class Reading:
    """A stream that is read behind its reader's back: takes out what the reader has, and stops its transport."""

    def __init__(self, end: object, count: int | None) -> None:
        reader: Any = end[0] if isinstance(end, tuple) else end
        if isinstance(reader, asyncio.StreamReader):
            transparent_stream(reader, asyncio.StreamReader)
        elif not _is_anyio(reader):
            raise TypeError("src must be a StreamReader, or the pair (reader, writer), to be read from")
        self.reader = reader
        self.transport = transport_of(end)
        self.socket = socket_of(end)
        self.taken = _taken_queue(self.reader, count) if _is_anyio(reader) else _taken(self.reader, count)
        # A reader that is full stops its transport itself, and reading from it has started it again.
        self.paused = self.transport.is_reading()
        if self.paused:
            self.transport.pause_reading()

    def restore(self, undelivered: bytes) -> bytes:
        """Lets the transport read again, and puts back what was not delivered. What cannot be put back is given
        back."""
        # In this order: a reader that has too much now stops its transport itself.
        if self.paused and not self.transport.is_closing():
            with contextlib.suppress(RuntimeError):
                self.transport.resume_reading()
        put_back = _put_back_queue if _is_anyio(self.reader) else _put_back
        return b"" if put_back(self.reader, undelivered) else undelivered


def _taken(reader: asyncio.StreamReader, count: int | None) -> bytes:
    """What the reader holds, as far as it was asked for."""
    chunks: list[bytes] = []
    rest = count
    while rest is None or rest > 0:
        asked = reader.read(_CHUNK if rest is None else min(rest, _CHUNK))
        try:
            asked.send(None)
        except StopIteration as answer:
            chunk: bytes = answer.value
        except BaseException:
            # Somebody else is waiting in the reader, for more than there was.
            _put_back(reader, b"".join(chunks))
            raise
        else:
            asked.close()
            break
        if not chunk:
            break
        chunks.append(chunk)
        if rest is not None:
            rest -= len(chunk)
    return b"".join(chunks)


def _put_back(reader: asyncio.StreamReader, data: bytes) -> bool:
    """Makes it what the reader gives next, also if the end has been seen. False, and nothing done, for a reader that
    cannot give it any more, or that keeps its bytes in a way of its own."""
    if not data:
        return True
    buffer = getattr(reader, "_buffer", None)
    if reader.exception() is not None or not isinstance(buffer, bytearray):
        return False
    data += buffer
    buffer.clear()
    if reader.at_eof():
        # The end wakes everybody, and nothing may be fed after it.
        buffer += data
    else:
        reader.feed_data(data)
    return True


def _taken_queue(stream: Any, count: int | None) -> bytes:
    """What anyio's stream holds, as far as it was asked for."""
    queue = stream._protocol.read_queue
    held = b"".join(queue)
    queue.clear()
    taken = held if count is None else held[:count]
    _put_back_queue(stream, held[len(taken) :])
    if not queue and not stream._protocol.is_at_eof:
        stream._protocol.read_event.clear()
    return taken


def _put_back_queue(stream: Any, data: bytes) -> bool:
    if data:
        stream._protocol.read_queue.appendleft(data)
        stream._protocol.read_event.set()
    return True
