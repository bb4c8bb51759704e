"""zcio.aio and a StreamReader: what was taken and not delivered is what the reader gives next, and is nowhere else."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import zcio
import zcio.aio
from loops import Asyncio, Uvloop
from support import unix_pair

HEAD, TAIL = b"abcdef", b"ghi"


@pytest.fixture(params=[Asyncio, Uvloop], ids=lambda loop: loop.__name__)
def streams(request: pytest.FixtureRequest) -> Asyncio:
    if request.param is Uvloop:
        pytest.importorskip("uvloop")
    loop: Asyncio = request.param()
    return loop


@contextlib.asynccontextmanager
async def reader_with(data: bytes, *, ended: bool) -> AsyncIterator[tuple[asyncio.StreamReader, socket.socket]]:
    """A reader that has these bytes, and the end if that is asked for, and the socket that writes to it."""
    near, far = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=near)
    with far:
        far.sendall(data)
        if ended:
            far.shutdown(socket.SHUT_WR)
        buffer: Any = reader
        async with asyncio.timeout(60):
            while bytes(buffer._buffer) != data or buffer._eof != ended:
                await asyncio.sleep(0.001)
        yield reader, far
        writer.close()


def fill(sink: socket.socket) -> None:
    """Until it takes nothing more."""
    sink.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while sink.send(bytes(65536)):
            pass


def transfer(reader: asyncio.StreamReader, sink: socket.socket, count: int | None) -> zcio.aio.Transfer:
    return zcio.aio.Transfer(reader, sink, count=count)


def fan_out(reader: asyncio.StreamReader, sink: socket.socket, count: int | None) -> zcio.aio.FanOut:
    return zcio.aio.FanOut(reader, [sink], count=count)


@pytest.mark.parametrize("operation", [transfer, fan_out])
@pytest.mark.parametrize("count", [1, 3, len(HEAD), len(HEAD) + 2, None])
@pytest.mark.parametrize("ended", [False, True])
def test_a_cancel_puts_the_bytes_in_front_of_what_follows(
    streams: Asyncio,
    operation: Callable[[asyncio.StreamReader, socket.socket, int | None], Any],
    count: int | None,
    ended: bool,
) -> None:
    async def main() -> None:
        with unix_pair() as (sink, _):
            fill(sink)
            async with reader_with(HEAD, ended=ended) as (reader, far):
                job = operation(reader, sink, count)

                async def run() -> None:
                    await job

                task = asyncio.create_task(run())
                while job._steps is None:
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                assert task.cancelled()
                assert job.bytes == 0
                if isinstance(job, zcio.aio.Transfer):
                    assert job.undelivered == b""
                else:
                    assert job.report is None or [sink.undelivered for sink in job.report.sinks] == [b""]
                if not ended:
                    far.sendall(TAIL)
                    far.shutdown(socket.SHUT_WR)
                assert await reader.read() == HEAD + (b"" if ended else TAIL)

    streams.run(main)


@pytest.mark.parametrize("ended", [False, True])
def test_a_refusal_leaves_the_reader_as_it_was(streams: Asyncio, ended: bool) -> None:
    async def main() -> None:
        async with reader_with(HEAD, ended=ended) as (reader, far):
            wrong: Any = {"mechanism": "nonsense"}
            with pytest.raises(ValueError, match="nonsense"):
                await zcio.aio.transfer(reader, "/dev/null", count=3, **wrong)
            with pytest.raises(FileNotFoundError):
                await zcio.aio.transfer(reader, "/nonexistent/file", count=3)
            with pytest.raises(FileNotFoundError):
                await zcio.aio.fan_out(reader, ["/nonexistent/file"], count=3)
            far.close()
            assert await reader.read() == HEAD

    streams.run(main)


def test_what_is_put_back_wakes_who_waits_for_it(streams: Asyncio) -> None:
    async def main() -> None:
        with unix_pair() as (sink, _):
            fill(sink)
            async with reader_with(HEAD, ended=False) as (reader, _):
                task = asyncio.ensure_future(zcio.aio.fan_out(reader, [sink], count=len(HEAD)))
                await asyncio.sleep(0)
                reading = asyncio.create_task(reader.readexactly(len(HEAD)))
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                async with asyncio.timeout(60):
                    assert await reading == HEAD

    streams.run(main)


def test_a_reader_that_somebody_waits_in_keeps_its_bytes(streams: Asyncio) -> None:
    async def main() -> None:
        async with reader_with(HEAD, ended=False) as (reader, far):
            reading = asyncio.create_task(reader.readexactly(len(HEAD + TAIL)))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="already waiting"):
                await zcio.aio.transfer(reader, "/dev/null")
            far.sendall(TAIL)
            assert await reading == HEAD + TAIL

    streams.run(main)


def test_what_a_failed_reader_cannot_give_is_undelivered(streams: Asyncio) -> None:
    async def main() -> None:
        with unix_pair() as (sink, _):
            fill(sink)
            async with reader_with(HEAD, ended=False) as (reader, _):
                job = zcio.aio.Transfer(reader, sink, count=3)

                async def run() -> None:
                    await job

                task = asyncio.create_task(run())
                while job._steps is None:
                    await asyncio.sleep(0)
                reader.set_exception(ConnectionResetError())
                task.cancel()
                await asyncio.wait([task])
                assert task.cancelled()
                assert job.undelivered == HEAD[:3]

    streams.run(main)


def test_what_a_failed_sink_lacks_is_not_given_twice(streams: Asyncio) -> None:
    """The others have it all, so the reader goes on behind it."""

    async def main() -> None:
        with unix_pair() as (lost, peer), unix_pair() as (sink, end):
            lost.setblocking(False)
            sink.setblocking(False)
            peer.close()
            async with reader_with(HEAD, ended=False) as (reader, far):
                report = await zcio.aio.fan_out(reader, [lost, sink], count=4)
                assert [part.error is None for part in report.sinks] == [False, True]
                assert end.recv(10) == HEAD[:4]
                far.close()
                assert await reader.read() == HEAD[4:]

    streams.run(main)
