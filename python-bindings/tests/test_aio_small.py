"""The short way of `zcio.aio.transfer`: what goes without a wait goes by one call, and the rest by the long way."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zcio
import zcio.aio
from loops import Library, nonblocking, receive_all
from support import content, tcp_pair, unix_pair

DATA = content(200_000)
PAIRS: dict[str, Callable[[], Any]] = {"tcp": tcp_pair, "unix": unix_pair}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    path.read_bytes()
    return path


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("buffering", [-1, 0])
def test_a_few_pages_go_by_one_call(library: Library, pair: str, buffering: int, source: Path) -> None:
    async def main() -> None:
        with PAIRS[pair]() as ends, open(source, "rb", buffering) as file:
            near, far = nonblocking(ends)
            file.read(3)
            job = zcio.aio.Transfer(file, near, offset=100, count=4096)
            report = await job
            assert (report, job.bytes, file.tell()) == (job.report, 4096, 3)
            # One that asks whether a file is in memory is the reader's affair.
            assert (report.mechanism, report.system_calls, report.requested) == ("sendfile", 1, 4096)
            assert (await zcio.aio.transfer(file, near, count=5000)).bytes == 5000
            assert file.tell() == 5003
            memory = await zcio.aio.transfer(memoryview(DATA)[:1000], near)
            assert (memory.mechanism, memory.system_calls, memory.bytes) == ("read_write", 1, 1000)
            near.close()
            assert await receive_all(library, far) == DATA[100:4196] + DATA[3:5003] + DATA[:1000]

    library.run(main)


@pytest.mark.parametrize("buffering", [-1, 0])
def test_what_does_not_fit_goes_the_long_way(library: Library, buffering: int, source: Path) -> None:
    async def main() -> None:
        with tcp_pair() as ends, open(source, "rb", buffering) as file:
            near, far = nonblocking(ends)
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            received: list[bytes] = []

            async def send() -> None:
                for way in (file, memoryview(DATA)):
                    job = zcio.aio.Transfer(way, near)
                    report = await job
                    assert (report.bytes, job.bytes, report.short) == (len(DATA), len(DATA), False)
                    assert report.system_calls > 2
                assert file.tell() == len(DATA)
                near.close()

            async def take() -> None:
                received.append(await receive_all(library, far))

            await library.together([send, take])
            assert received == [DATA * 2]

    library.run(main)


def test_a_region_that_is_closed_is_told(library: Library, source: Path) -> None:
    async def main() -> None:
        with unix_pair() as ends:
            near, far = nonblocking(ends)
            with zcio.Region.open(source) as region:
                assert (await zcio.aio.transfer(region, near, count=4096)).bytes == 4096
            with pytest.raises(ValueError, match="closed"):
                await zcio.aio.transfer(region, near, count=4096)
            near.close()
            assert await receive_all(library, far) == DATA[:4096]

    library.run(main)


def test_a_connection_that_is_gone_is_told(library: Library, source: Path) -> None:
    async def main() -> None:
        with unix_pair() as ends, source.open("rb") as file:
            near, far = nonblocking(ends)
            far.close()
            for end in (file, memoryview(DATA)):
                with pytest.raises(zcio.TransferError) as raised:
                    await zcio.aio.transfer(end, near, count=10)
                assert (raised.value.moved, isinstance(raised.value, BrokenPipeError)) == (0, True)

    library.run(main)
