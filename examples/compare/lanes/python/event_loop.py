"""asyncio, on its own loop or on uvloop's, by its documented streams; and zcio.aio in their place."""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Callable, Coroutine
from typing import BinaryIO

from job import BLOCK, Job, Moved


def version(method: str) -> str:
    """The library and its version, if it is not Python's own. Fails where it is missing."""
    if method != "uvloop":
        return ""
    return f"uvloop {importlib.metadata.version('uvloop')}"


def serve(method: str) -> Callable[[Job], None]:
    """Serves jobs on one loop that lives as long as the lane."""
    loop: asyncio.AbstractEventLoop
    if method == "uvloop":
        import uvloop  # type: ignore[import-not-found, unused-ignore]

        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    routes = {
        "file_to_tcp": file_to_tcp,
        "file_to_tcp_connections": file_to_tcp,
        "tcp_to_file": tcp_to_file,
        "relay": relay,
    }
    if method == "zcio_aio":
        from zero_copy_aio import ROUTES

        routes = ROUTES

    def one(job: Job) -> None:
        work = loop.run_until_complete(routes[job.route](job))
        job.timed(lambda: loop.run_until_complete(work()))

    return one


Work = Callable[[], Coroutine[object, object, Moved]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(address: str) -> Streams:
    """A connection to `host:port`."""
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def finish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ends the sending side and waits until the receiver has everything."""
    writer.write_eof()
    if await reader.read(1):
        raise OSError("the receiver sent something")
    writer.close()
    await writer.wait_closed()


async def file_to_tcp(job: Job) -> Work:
    """Sends a file over each connection, all in one thread."""
    times = job.number("times")
    connections = [await connect(job.sink) for _ in range(job.number("connections"))]

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        moved = 0
        for _ in range(times):
            with open(job.source, "rb") as file:
                moved += await send_one(file, writer)
        await finish(reader, writer)
        return moved

    async def work() -> Moved:
        return Moved(sum(await asyncio.gather(*(send(*connection) for connection in connections))))

    return work


async def send_one(file: BinaryIO, writer: asyncio.StreamWriter) -> int:
    """By the loop's own sendfile; uvloop has none and says so."""
    try:
        return await asyncio.get_running_loop().sendfile(writer.transport, file)
    except (NotImplementedError, RuntimeError):
        moved = 0
        while block := file.read(BLOCK):
            writer.write(block)
            await writer.drain()
            moved += len(block)
        return moved


async def tcp_to_file(job: Job) -> Work:
    """Receives by a stream and writes; a write to the page cache does not block for long."""
    times, size = job.number("times"), job.number("bytes")
    reader, writer = await connect(job.source)

    async def work() -> Moved:
        moved = 0
        for _ in range(times):
            with open(job.sink, "wb") as file:
                left = size
                while left and (block := await reader.read(min(BLOCK, left))):
                    file.write(block)
                    left -= len(block)
                moved += size - left
        writer.close()
        return Moved(moved)

    return work


async def relay(job: Job) -> Work:
    """Hands on everything in one direction."""
    (source, source_writer), (sink_reader, sink) = await connect(job.source), await connect(job.sink)

    async def work() -> Moved:
        moved = 0
        while block := await source.read(BLOCK):
            sink.write(block)
            await sink.drain()
            moved += len(block)
        await finish(sink_reader, sink)
        source_writer.close()
        return Moved(moved)

    return work
