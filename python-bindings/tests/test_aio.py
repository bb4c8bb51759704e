"""zcio.aio on asyncio, uvloop and trio: everything arrives, nothing is lost by a cancel, and the loop goes on
meanwhile."""

import asyncio
import contextlib
import functools
import os
import random
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zcio
import zcio._zcio
import zcio.aio
from loops import DATA, Asyncio, Library, nonblocking, receive_all, with_server
from support import Pair, content, tcp_pair, unix_pair

CONNECTIONS = 200


# Every byte accounted for


@pytest.mark.parametrize("pair", [tcp_pair, unix_pair])
def test_uploads_with_cancels(
    library: Library, pair: Callable[[], contextlib.AbstractContextManager[Pair]], source: Path
) -> None:
    dice = random.Random(6)
    cut = 0

    async def upload(offset: int, patience: float, part: int, pause: float) -> None:
        nonlocal cut
        with pair() as ends:
            near, far = nonblocking(ends)
            job = zcio.aio.Transfer(source, near, offset=offset)
            received = b""

            async def send() -> None:
                nonlocal cut
                if part:
                    complete = await library.until(lambda: job.bytes >= part, job)
                else:
                    complete = await library.for_at_most(patience, job)
                cut += not complete and job.bytes > 0
                assert not complete or job.bytes == len(DATA) - offset
                near.close()

            async def take() -> None:
                nonlocal received
                received = await receive_all(library, far, pause)

            await library.together([send, take])
            assert len(received) == job.bytes
            assert received == DATA[offset : offset + job.bytes]
            assert job.undelivered == b""

    async def main() -> None:
        jobs = []
        for index in range(CONNECTIONS):
            if index % 4 == 3:
                # In its midst, however slow the machine is.
                plan = (dice.randrange(1000), 0.0, dice.randrange(1, 500_000), 0.03)
            else:
                patience = dice.uniform(0, 0.25) if index % 2 else 60
                plan = (dice.randrange(len(DATA)), patience, 0, dice.choice([0, 0, 0.01, 0.03]))
            jobs.append(functools.partial(upload, *plan))
        await library.together(jobs)

    library.run(main)
    assert cut > 5


@pytest.mark.parametrize("pair", [tcp_pair, unix_pair])
def test_downloads_with_cancels(
    library: Library, pair: Callable[[], contextlib.AbstractContextManager[Pair]], tmp_path: Path
) -> None:
    dice = random.Random(7)
    cut = 0

    async def download(index: int, size: int, patience: float, part: int, pause: float) -> None:
        nonlocal cut
        with pair() as ends:
            near, far = nonblocking(ends)
            job = zcio.aio.Transfer(near, tmp_path / str(index))
            rest = b""

            async def send() -> None:
                for start in range(0, size, 200_000):
                    await library.send(far, DATA[start : min(start + 200_000, size)])
                    await library.sleep(pause)
                far.shutdown(socket.SHUT_WR)

            async def take() -> None:
                nonlocal cut, rest
                if part:
                    complete = await library.until(lambda: job.bytes >= part, job)
                else:
                    complete = await library.for_at_most(patience, job)
                cut += not complete and job.bytes > 0
                assert complete or job.bytes <= size
                rest = await receive_all(library, near)
                assert not complete or rest == b""

            await library.together([send, take])
            # It may have been cancelled before the file was made.
            written = (tmp_path / str(index)).read_bytes() if (tmp_path / str(index)).exists() else b""
            assert len(written) == job.bytes
            assert written + job.undelivered + rest == DATA[:size]

    async def main() -> None:
        jobs = []
        for index in range(CONNECTIONS):
            if index % 4 == 3:
                plan = (index, 1_000_000, 0.0, dice.randrange(1, 500_000), 0.03)
            else:
                patience = dice.uniform(0, 0.25) if index % 2 else 60
                plan = (index, dice.randrange(1, 1_000_000), patience, 0, dice.choice([0, 0, 0.01, 0.03]))
            jobs.append(functools.partial(download, *plan))
        await library.together(jobs)

    library.run(main)
    assert cut > 5


def test_no_descriptor_is_left_behind(library: Library, source: Path, tmp_path: Path) -> None:
    counts = []

    async def once(patience: float) -> None:
        with unix_pair() as ends, unix_pair() as others:
            near, far = nonblocking(ends)
            await library.for_at_most(patience, zcio.aio.transfer(source, near))
            await library.for_at_most(0.01, zcio.aio.transfer(far, tmp_path / "sink"))
            await library.for_at_most(0.01, zcio.aio.relay(near, others[0]))
            with pytest.raises(FileNotFoundError):
                await zcio.aio.transfer(tmp_path / "none", near)

    async def main() -> None:
        for turn in range(10):
            await once(0.01 * turn)
            counts.append(len(os.listdir("/proc/self/fd")))

    library.run(main)
    assert counts[3:] == [counts[3]] * 7


# What it does to the loop and to the ends


def test_others_have_their_turn(library: Library, source: Path, tmp_path: Path) -> None:
    """From file to file, which has nothing to wait for, the loop goes on."""
    with source.open("r+b") as file:
        for start in range(0, 100 << 20, len(DATA)):
            file.seek(start)
            file.write(DATA)
    ticks: list[float] = []
    done = False

    async def tick() -> None:
        while not done:
            ticks.append(time.monotonic())
            await library.sleep(0.001)

    async def move() -> None:
        nonlocal done
        report = await zcio.aio.transfer(source, tmp_path / "sink", mechanism="read_write")
        assert report.bytes == source.stat().st_size
        done = True

    library.run(lambda: library.together([tick, move]))
    assert len(ticks) > 10


def test_a_file_object_is_left_behind_what_was_moved(library: Library, source: Path) -> None:
    async def main() -> None:
        with unix_pair() as ends, source.open("rb") as file:
            near, _ = nonblocking(ends)
            file.read(7)
            job = zcio.aio.Transfer(file, near)
            assert not await library.until(lambda: job.bytes > 0, job)
            assert 0 < job.bytes == file.tell() - 7
            assert job.report is not None
            assert job.report.bytes == job.bytes
            with pytest.raises(RuntimeError, match="awaited once"):
                await job

    library.run(main)


def test_a_file_that_is_closed_meanwhile(library: Library, source: Path, tmp_path: Path) -> None:
    """Its number means another file then; the transfer goes on with the one it was given."""
    decoy = tmp_path / "decoy"
    decoy.write_bytes(content(len(DATA), 1))

    async def main() -> None:
        with unix_pair() as ends, source.open("rb") as file:
            near, far = nonblocking(ends)

            job = zcio.aio.Transfer(file, near)

            async def close() -> None:
                while not job.bytes:
                    await library.sleep(0.001)
                number = file.fileno()
                file.close()
                with decoy.open("rb") as other:
                    assert other.fileno() == number
                    assert await receive_all(library, far) == DATA

            async def send() -> None:
                assert (await job).bytes == len(DATA)
                near.close()

            await library.together([send, close])

    library.run(main)


def test_errors_and_progress(library: Library, source: Path, tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError) as missing:
            await zcio.aio.transfer(tmp_path / "none", tmp_path / "sink")
        assert missing.value.filename == str(tmp_path / "none")
        with pytest.raises(OSError, match="No space") as full:
            await zcio.aio.transfer(source, "/dev/full")
        assert isinstance(full.value, zcio.TransferError)
        with unix_pair() as (near, far):
            far.close()
            with pytest.raises(BrokenPipeError):
                await zcio.aio.transfer(memoryview(DATA), near)
        counts: list[int] = []
        report = await zcio.aio.transfer(memoryview(DATA), tmp_path / "sink", count=1_000_000, progress=counts.append)
        assert (report.bytes, counts[-1]) == (1_000_000, 1_000_000)
        assert (tmp_path / "sink").read_bytes() == DATA[:1_000_000]

        def stop(_: int) -> None:
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            await zcio.aio.transfer(source, tmp_path / "sink", progress=stop)

    library.run(main)


def test_relay(library: Library) -> None:
    up, down = DATA[:1_000_000], DATA[1_000_000:]
    got: dict[str, bytes] = {}

    async def main() -> None:
        with tcp_pair() as one, unix_pair() as two:
            (client, left), (right, server) = nonblocking(one), nonblocking(two)

            async def talk(end: socket.socket, name: str, data: bytes) -> None:
                async def send() -> None:
                    await library.send(end, data)
                    end.shutdown(socket.SHUT_WR)

                async def take() -> None:
                    got[name] = await receive_all(library, end)

                await library.together([send, take])

            async def join() -> None:
                report = await zcio.aio.relay(left, right)
                assert (report.forward.bytes, report.backward.bytes) == (len(up), len(down))
                assert report.forward.ended
                assert report.backward.ended

            await library.together([lambda: talk(client, "client", up), lambda: talk(server, "server", down), join])

    library.run(main)
    assert got == {"client": down, "server": up}


def test_a_relay_that_is_cancelled(library: Library) -> None:
    async def main() -> None:
        with unix_pair() as one, unix_pair() as two:
            (client, left), (right, server) = nonblocking(one), nonblocking(two)
            client.send(b"question")
            job = zcio.aio.Relay(left, right)
            assert not await library.for_at_most(0.1, job)
            assert job.bytes == (8, 0)
            assert job.report is not None
            assert (job.report.forward.bytes, job.report.forward.undelivered) == (8, b"")
            assert await library.receive(server, 100) == b"question"

    library.run(main)


# asyncio's streams


def test_streams_what_is_buffered_goes_first(loop: Asyncio, source: Path, tmp_path: Path) -> None:
    head = content(1_500_000, 3)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(10) == head[:10]
        await asyncio.sleep(0.1)  # So that the reader has a full buffer.
        report = await zcio.aio.transfer((reader, writer), tmp_path / "sink", count=len(head) + len(DATA) - 20)
        assert report.bytes == len(head) + len(DATA) - 20
        # The reader goes on where the transfer stopped, and sees the end.
        assert await reader.read() == DATA[-10:]
        writer.write(b"thanks")
        await writer.drain()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        report = await zcio.aio.transfer(source, writer)
        assert report.bytes == len(DATA)
        writer.write_eof()
        assert await reader.read() == b"thanks"

    loop.run(lambda: with_server(handler, client))
    assert (tmp_path / "sink").read_bytes() == head[10:] + DATA[:-10]


def test_streams_a_cancel_puts_back_what_was_taken(loop: Asyncio) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with unix_pair() as (near, far):
            near.setblocking(False)
            job = zcio.aio.Transfer((reader, writer), near)
            assert not await loop.until(lambda: job.bytes > 0, job)
            near.close()
            far.setblocking(False)
            first = await receive_all(loop, far)
        assert 0 < len(first) == job.bytes < len(DATA)
        assert job.undelivered == b""
        writer.write(b"go on")
        assert first + await reader.read() == DATA

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(DATA)
        writer.write_eof()
        assert await reader.read() == b"go on"

    loop.run(lambda: with_server(handler, client))


def test_streams_relay(loop: Asyncio) -> None:
    """A proxy that has read the first line."""
    head, answer = b"CONNECT somewhere\n", content(1_000_000, 5)

    async def backend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == DATA
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(backend, "127.0.0.1", 0)

        async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.readline() == head
            await asyncio.sleep(0.05)
            writer.write(b"connected\n")
            other = await asyncio.open_connection(*server.sockets[0].getsockname())
            report = await zcio.aio.relay((reader, writer), other)
            assert (report.forward.bytes, report.backward.bytes) == (len(DATA), len(answer))
            other[1].close()

        async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(head + DATA)
            writer.write_eof()
            assert await reader.read() == b"connected\n" + answer

        async with server:
            await with_server(proxy, client)

    loop.run(main)


def test_streams_that_are_refused(loop: Asyncio, source: Path) -> None:
    class Tls(asyncio.Transport):
        def get_extra_info(self, name: str, default: object = None) -> object:
            return ssl.create_default_context() if name == "sslcontext" else default

    async def main() -> None:
        with pytest.raises(TypeError, match="TLS"):
            await zcio.aio.transfer(source, Tls())
        wrong: Any = (1, 2)
        with pytest.raises(TypeError, match="pair of streams"):
            await zcio.aio.relay(wrong, wrong)
        wrong = Tls()
        with pytest.raises(TypeError, match="must be a StreamReader"):
            await zcio.aio.transfer(wrong, source)

    loop.run(main)


def test_without_a_loop(source: Path) -> None:
    coroutine = zcio.aio.transfer(source, "/dev/null")
    with pytest.raises(RuntimeError, match="no running event loop"):
        coroutine.send(None)
