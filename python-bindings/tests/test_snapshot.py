"""A snapshot is one whatever the source: what a socket or a pipe holds may be the page cache of somebody's file."""

import asyncio
import io
import os
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import zcio
import zcio.aio
import zcio.asgi
import zcio.wsgi

SIZE = 32 << 10
BEFORE, AFTER = b"A" * SIZE, b"B" * SIZE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "file"
    found.write_bytes(BEFORE)
    return found


def held(path: Path, kind: str) -> Any:
    """Something to read from that holds pages of the file."""
    if kind == "file":
        return path.open("rb")
    out, into = socket.socketpair() if kind == "unix" else pipe()
    with closing(into), path.open("rb") as file:
        assert os.sendfile(into.fileno(), file.fileno(), 0, SIZE) == SIZE
    return out


def pipe() -> tuple[io.FileIO, io.FileIO]:
    out, into = os.pipe()
    return io.FileIO(out, "r"), io.FileIO(into, "w")


def by_transfer(source: Any, sink: socket.socket) -> None:
    zcio.transfer(source, sink, visibility="snapshot")


def by_fan_out(source: Any, sink: socket.socket) -> None:
    with open(os.devnull, "wb") as other:
        zcio.fan_out(source, [sink, other], visibility="snapshot")


def by_aio_fan_out(source: Any, sink: socket.socket) -> None:
    async def run() -> None:
        await zcio.aio.fan_out(source, [sink], visibility="snapshot")

    asyncio.run(run())


def by_aio_transfer(source: Any, sink: socket.socket) -> None:
    async def run() -> None:
        await zcio.aio.transfer(source, sink, visibility="snapshot")

    asyncio.run(run())


WAYS = [by_transfer, by_fan_out, by_aio_transfer, by_aio_fan_out]


def received(path: Path, far: socket.socket) -> bytes:
    """What comes out after the file was changed."""
    with path.open("r+b") as file:
        file.write(AFTER)
    got = b""
    while len(got) < SIZE:
        got += far.recv(SIZE)
    return got


@pytest.mark.parametrize("kind", ["file", "unix", "pipe"])
@pytest.mark.parametrize("way", WAYS)
def test_what_is_written_later_does_not_show(path: Path, kind: str, way: Callable[[Any, socket.socket], None]) -> None:
    near, far = socket.socketpair()
    with closing(near), closing(far):
        with closing(held(path, kind)) as source:
            if kind == "unix":
                source.setblocking("aio" not in way.__name__)
            near.setblocking("aio" not in way.__name__)
            way(source, near)
        assert received(path, far) == BEFORE


def test_a_batch_and_a_wsgi_body(path: Path) -> None:
    near, far = socket.socketpair()
    with closing(near), closing(far):
        report = zcio.batch([(path, near)], visibility="snapshot")
        assert [item.bytes for item in report.items if isinstance(item, zcio.ItemReport)] == [SIZE]
        assert received(path, far) == BEFORE
        path.write_bytes(BEFORE)
        with path.open("rb") as file:
            assert zcio.wsgi.file_wrapper(file, visibility="snapshot").send(near) == SIZE
        assert received(path, far) == BEFORE


@pytest.mark.parametrize("extension", ["zerocopysend", "pathsend"])
def test_an_asgi_server_is_not_lent_the_file(path: Path, extension: str) -> None:
    ways = []

    async def send(message: Any) -> None:
        ways.append(message["type"])

    async def receive() -> Any: ...

    scope = {"type": "http", "method": "GET", "headers": [], "extensions": {f"http.response.{extension}": {}}}
    asyncio.run(zcio.asgi.FileResponse(path, visibility="snapshot")(scope, receive, send))
    assert ways == ["http.response.start", "http.response.body"]


def test_an_unknown_visibility_is_refused_before_anything_is_sent(path: Path) -> None:
    async def nothing(*_: Any) -> Any:
        pytest.fail("it was asked to send")

    wrong: Any = "opaque"
    near, far = socket.socketpair()
    with closing(near), closing(far):
        calls: list[Callable[[], object]] = [
            lambda: zcio.fan_out(path, [near], visibility=wrong),
            lambda: zcio.batch([(path, near)], visibility=wrong),
            lambda: asyncio.run(zcio.asgi.send_file(path, {"type": "http"}, nothing, nothing, visibility=wrong)),
        ]
        for call in calls:
            with pytest.raises(ValueError, match="unknown visibility"):
                call()
