"""`zerocopy_receive`: pages of a TCP socket's queue in a region that was made for it."""

import asyncio
import io
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import zcio
import zcio.aio
from support import Pair, background, content, read_all, tcp_pair

DATA = content(100_000)


@pytest.fixture
def tcp() -> Iterator[Pair]:
    with tcp_pair() as pair:
        yield pair


@pytest.mark.parametrize("way", ["transfer", "aio"])
@pytest.mark.parametrize("room", [4096, len(DATA), 1 << 20])
def test_pages_are_received_into_a_region_made_for_it(way: str, room: int, tcp: Pair) -> None:
    near, far = tcp
    expected = DATA[:room]
    with zcio.Region.receiving(room) as region:

        def feed() -> None:
            far.sendall(DATA)
            far.shutdown(socket.SHUT_WR)

        with background(feed):
            if way == "aio":
                report = asyncio.run(zcio.aio.transfer(near, region, mechanism="zerocopy_receive"))
            else:
                report = zcio.transfer(near, region, mechanism="zerocopy_receive")
        assert (report.bytes, report.mechanism, report.short) == (len(expected), "zerocopy_receive", room > len(DATA))
        assert 0 <= report.mapped <= report.bytes
        assert region.read(0, len(expected)) == expected
        assert region.mode == "r"
        assert read_all(near.fileno()) == DATA[len(expected) :]
        view = memoryview(region)
        assert view.readonly
        assert view[: len(expected)] == expected
        view.release()


def test_what_receiving_asks_for_is_said(tcp: Pair, tmp_path: Path) -> None:
    near, far = tcp
    path = tmp_path / "source"
    path.write_bytes(DATA)
    far.sendall(b"some")
    with zcio.Region.receiving(10) as region:
        with pytest.raises(OSError, match="zerocopy_receive, which must be named"):
            zcio.transfer(near, region)
        with pytest.raises(io.UnsupportedOperation, match="TCP"):
            zcio.transfer(path, region, mechanism="zerocopy_receive")
        with pytest.raises(io.UnsupportedOperation, match="Region"):
            zcio.transfer(near, bytearray(10), mechanism="zerocopy_receive")
        with pytest.raises(TypeError, match="read-only"):
            region.write(b"some")
        assert zcio.transfer(near, region, count=4, mechanism="zerocopy_receive").bytes == 4
        assert region.read() == b"some" + bytes(6)
    for wrong in (-1, 1 << 63):
        with pytest.raises((ValueError, OSError)):
            zcio.Region.receiving(wrong)


def test_a_region_that_is_closed_while_it_receives(tcp: Pair) -> None:
    near, far = tcp
    region = zcio.Region.receiving(1 << 20)
    view = memoryview(region)

    def leave() -> None:
        far.sendall(b"some")
        while view[0] == 0:
            pass
        region.close(strict=False)
        far.sendall(b"more")
        far.shutdown(socket.SHUT_WR)

    with background(leave), pytest.raises(zcio.TransferError, match="closed") as raised:
        zcio.transfer(near, region, mechanism="zerocopy_receive")
    assert raised.value.moved == 4
    assert view[:8] == bytes(8)
