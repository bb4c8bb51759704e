"""What is let through as an end, and what is refused, of the standard library and of what is installed beside it.

Whatever has a fileno() and other bytes than its descriptor's is refused in words, by everything that takes an end,
before a byte has moved.
"""

import asyncio
import bz2
import contextlib
import fileinput
import gzip
import http.client
import io
import lzma
import multiprocessing
import os
import select
import selectors
import socket
import socketserver
import ssl
import subprocess
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zcio
import zcio.aio
from support import content, read_all, tcp_pair, unix_pair

DATA = content(20_000)
transfer: Any = zcio.transfer


class Place:
    """Where a row of the table finds a file with the data, and puts what is to be closed."""

    def __init__(self, directory: Path, stack: contextlib.ExitStack) -> None:
        self.directory, self.stack = directory, stack
        self.path = directory / "file"
        self.path.write_bytes(DATA)

    def kept(self, end: Any) -> Any:
        return self.stack.enter_context(contextlib.closing(end))

    def file(self, mode: str = "r+b", buffering: int = -1) -> Any:
        return self.kept(self.path.open(mode, buffering))

    def pair(self) -> tuple[socket.socket, socket.socket]:
        return self.stack.enter_context(unix_pair())


class ReadsOtherwise(io.FileIO):
    def readinto(self, buffer: Any) -> int:
        return super().readinto(buffer)


class WritesOtherwise(io.BufferedRandom):
    def write(self, data: Any) -> int:
        return super().write(bytes(data).upper())


class SendsOtherwise(socket.socket):
    def sendall(self, data: Any, flags: int = 0) -> None:
        super().sendall(bytes(data).upper(), flags)


class ClosesOtherwise(io.FileIO):
    def close(self) -> None:
        super().close()


class Mixin:
    def read(self, size: int = -1) -> bytes:
        return b"" if size else b"mine"


class Mixed(tempfile._TemporaryFileWrapper, Mixin):  # type: ignore[type-arg]
    """The wrapper has no read() of its own to go before the other one."""


class Numbered:
    def __init__(self, file: Any) -> None:
        self.file = file

    def fileno(self) -> int:
        number: int = self.file.fileno()
        return number


class Delegating(Numbered):
    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


class Lying:
    """What asks isinstance() is told so."""

    def __init__(self, file: Any) -> None:
        self.file = file

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return io.FileIO

    def fileno(self) -> int:
        number: int = self.file.fileno()
        return number


def wrapper(file: Any) -> Any:
    return tempfile._TemporaryFileWrapper(file, file.name, delete=False)


def with_own_read(place: Place, buffering: int) -> Any:
    file = place.file("r+b", buffering)
    file.read = lambda _=-1: b"other"
    return file


def with_raw_of_its_own(place: Place) -> Any:
    file = place.file()
    file.raw.readinto = lambda _: 0
    return file


def packed(place: Place, module: Any) -> Any:
    module.open(place.path, "wb").close()
    return place.kept(module.open(place.path, "rb"))


def response(place: Place) -> Any:
    near, far = place.pair()
    far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
    found = http.client.HTTPResponse(near)
    found.begin()
    return place.kept(found)


def below_tls(place: Place) -> Any:
    near, _ = place.pair()
    return place.kept(
        ssl.create_default_context().wrap_socket(near, server_hostname="x", do_handshake_on_connect=False)
    )


def input_of(place: Place) -> Any:
    found = fileinput.FileInput([str(place.path)], mode="rb")  # noqa: SIM115
    found.readline()
    return place.kept(found)


def connection(place: Place) -> Any:
    near, far = multiprocessing.Pipe()
    place.kept(far)
    return place.kept(near)


def member(place: Place) -> Any:
    with tarfile.open(place.directory / "tar", "w") as archive:
        archive.add(place.path, "file")
    return place.kept(place.kept(tarfile.open(place.directory / "tar")).extractfile("file"))


def popened(place: Place, text: bool) -> Any:
    process = place.stack.enter_context(subprocess.Popen(["cat", place.path], stdout=subprocess.PIPE, text=text))
    return process.stdout


def spooled(place: Place) -> Any:
    file = place.kept(tempfile.SpooledTemporaryFile())  # noqa: SIM115
    file.write(DATA)
    file.seek(0)
    return file


def temporary(place: Place, make: Callable[[], Any]) -> Any:
    file = place.kept(make())
    file.write(DATA)
    file.seek(0)
    return file


def fed(place: Place) -> socket.socket:
    near, far = place.pair()
    far.sendall(DATA)
    far.shutdown(socket.SHUT_WR)
    return near


def library(name: str, make: Callable[[Any, Place], Any]) -> Callable[[Place], Any]:
    return lambda place: make(pytest.importorskip(name), place)


def uploaded(datastructures: Any, place: Place) -> Any:
    return datastructures.FileStorage(place.file("rb"))


def local(fsspec: Any, place: Place, **options: Any) -> Any:
    if options:
        (place.directory / "file.gz").write_bytes(gzip.compress(DATA))
        return place.kept(fsspec.filesystem("file").open(place.directory / "file.gz", "rb", compression="gzip"))
    return place.kept(fsspec.filesystem("file").open(place.path, "rb"))


def of_urllib3(urllib3: Any, place: Place) -> Any:
    return place.kept(urllib3.HTTPResponse(place.file("rb"), preload_content=False))


def of_zstandard(zstandard: Any, place: Place) -> Any:
    return zstandard.ZstdCompressor().stream_writer(place.file())


def of_gevent(gevent: Any, place: Place) -> Any:
    return place.kept(gevent.socket(fileno=os.dup(place.pair()[0].fileno())))


SOURCES: dict[str, Callable[[Place], Any]] = {
    "file": lambda place: place.file(),
    "raw file": lambda place: place.file("rb", 0),
    "subclass": lambda place: place.kept(ClosesOtherwise(place.path)),
    "socket": fed,
    "makefile": lambda place: place.kept(fed(place).makefile("rb")),
    "raw makefile": lambda place: place.kept(fed(place).makefile("rwb", 0)),
    "process": lambda place: popened(place, False),
    "TemporaryFile": lambda place: temporary(place, tempfile.TemporaryFile),
    "NamedTemporaryFile": lambda place: temporary(place, tempfile.NamedTemporaryFile),
    "SpooledTemporaryFile": spooled,
    "wrapper of a wrapper": lambda place: wrapper(wrapper(place.file())),
    "urlopen of a file": lambda place: place.kept(urllib.request.urlopen(place.path.as_uri())),
    "fsspec": library("fsspec", local),
    "werkzeug": library("werkzeug.datastructures", uploaded),
}

REFUSED: dict[str, tuple[str, Callable[[Place], Any]]] = {
    "text": ("text mode", lambda place: place.file("r")),
    "text of a socket": ("text mode", lambda place: place.kept(place.pair()[0].makefile("w"))),
    "text of a process": ("text mode", lambda place: popened(place, True)),
    "temporary text": ("text mode", lambda place: place.kept(tempfile.NamedTemporaryFile("w+"))),  # noqa: SIM115
    "spooled text": ("text mode", lambda place: place.kept(tempfile.SpooledTemporaryFile(mode="w+"))),  # noqa: SIM115
    "gzip": ("not those", lambda place: packed(place, gzip)),
    "bz2": ("not those", lambda place: packed(place, bz2)),
    "lzma": ("not those", lambda place: packed(place, lzma)),
    "buffered gzip": ("not those", lambda place: io.BufferedReader(packed(place, gzip))),
    "gzip in a wrapper": ("not those", lambda place: wrapper(packed(place, gzip))),
    "a buffer around a buffer": ("not those", lambda place: io.BufferedReader(place.file())),
    "response": ("not those", response),
    "TLS": ("TLS", below_tls),
    "makefile of TLS": ("TLS", lambda place: place.kept(below_tls(place).makefile("rwb", 0))),
    "fileinput": ("not those", input_of),
    "connection": ("header", connection),
    "server": ("not those", lambda place: place.kept(SocketServer())),
    "epoll": ("not those", lambda place: place.kept(select.epoll())),
    "selector": ("not those", lambda place: place.kept(selectors.EpollSelector())),
    "readinto of a subclass": (r"readinto\(\) of its own", lambda place: place.kept(ReadsOtherwise(place.path, "r+"))),
    "write of a subclass": (r"write\(\) of its own", lambda place: WritesOtherwise(place.file("r+b", 0))),
    "sendall of a subclass": (r"sendall\(\) of its own", lambda place: sends_otherwise(place)),
    "makefile of a subclass": ("of its own", lambda place: place.kept(sends_otherwise(place).makefile("rwb", 0))),
    "read of a mixin": (r"read\(\) of its own", lambda place: Mixed(place.file(), "name", delete=False)),
    "read of an object": (r"read\(\) of its own", lambda place: with_own_read(place, -1)),
    "read of a raw object": (r"read\(\) of its own", lambda place: with_own_read(place, 0)),
    "readinto of what is raw": (r"readinto\(\) of its own", with_raw_of_its_own),
    "a number and no more": ("not those", lambda place: Numbered(place.file())),
    "one that delegates": ("not those", lambda place: Delegating(place.file())),
    "one that lies": ("not those", lambda place: Lying(place.file())),
    "urllib3": ("not those", library("urllib3", of_urllib3)),
    "zstandard": ("not those", library("zstandard", of_zstandard)),
    "fsspec's gzip": ("not those", library("fsspec", lambda fsspec, place: local(fsspec, place, compression="gzip"))),
    "gevent": ("hub", library("gevent.socket", of_gevent)),
}


class SocketServer(socketserver.TCPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)

    def close(self) -> None:
        self.server_close()


def sends_otherwise(place: Place) -> Any:
    near, _ = place.pair()
    return place.kept(SendsOtherwise(fileno=os.dup(near.fileno())))


@pytest.fixture
def place(tmp_path: Path) -> Any:
    with contextlib.ExitStack() as stack:
        yield Place(tmp_path, stack)


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_that_is_transparent(name: str, place: Place) -> None:
    sink = place.directory / "sink"
    assert transfer(SOURCES[name](place), sink).bytes == len(DATA)
    assert sink.read_bytes() == DATA


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str, place: Place) -> None:
    words, make = REFUSED[name]
    end = make(place)
    number = end.fileno()
    seekable = os.fstat(number).st_size
    sink, region = place.directory / "sink", zcio.SharedRegion.create(1)
    region.seal("shrink")
    taken: list[Callable[[], object]] = [
        lambda: transfer(end, sink),
        lambda: transfer(place.path, end),
        lambda: transfer(place.path, end, offset=0, count=10),
        lambda: transfer(end, place.pair()[0], offset=0, count=10),
        lambda: zcio.fan_out(end, [sink]),
        lambda: zcio.fan_out(place.path, [end]),
        lambda: zcio.relay(end, place.pair()[0]),
        lambda: zcio.relay(place.pair()[0], end),
        lambda: zcio.batch([(end, sink)]),
        lambda: zcio.batch([(place.path, end)]),
        lambda: zcio.Region.open(end),
        lambda: zcio.read_direct(end, zcio.AlignedBuffer(4096)),
        lambda: region.send(end),
        lambda: zcio.SharedRegion.receive(end),
        lambda: asyncio.run(aio(zcio.aio.transfer, end, sink)),
        lambda: asyncio.run(aio(zcio.aio.transfer, place.path, end)),
        lambda: asyncio.run(aio(zcio.aio.fan_out, end, [sink])),
        lambda: asyncio.run(aio(zcio.aio.fan_out, place.path, [end])),
        lambda: asyncio.run(aio(zcio.aio.relay, end, place.pair()[0])),
    ]
    for operation in taken:
        with pytest.raises(TypeError, match=words):
            operation()
    assert not sink.exists()
    assert os.fstat(number).st_size == seekable
    with pytest.raises(TypeError):
        zcio.copy(end, sink)


async def aio(operation: Any, *ends: Any) -> None:
    await operation(*ends)


def test_sinks_that_are_transparent(place: Place) -> None:
    """One after the other, each behind what was written to it before."""
    with tempfile.SpooledTemporaryFile() as spooled, tempfile.NamedTemporaryFile() as named:
        for file in (place.file("w+b"), place.file("w+b", 0), spooled, named):
            file.write(b"head")
            assert transfer(memoryview(DATA), file).bytes == len(DATA)
            file.write(b"tail")
            file.seek(0)
            assert file.read() == b"head" + DATA + b"tail"
    with unix_pair() as (near, far):
        out: Any = socketserver._SocketWriter(near)  # type: ignore[attr-defined]
        for end in (out, near, near.makefile("wb"), near.makefile("rwb", 0)):
            end.flush() if hasattr(end, "flush") else None
            assert transfer(memoryview(DATA)[:1000], end).bytes == 1000
        for end in (out, near.makefile("wb")):
            with pytest.raises(io.UnsupportedOperation, match="src is not open for reading"):
                transfer(end, os.devnull)
        with pytest.raises(io.UnsupportedOperation, match="dst is not open for writing"):
            transfer(memoryview(DATA), near.makefile("rb"))
        near.close()
        # A makefile() keeps it open until it is collected.
        del end
        assert read_all(far.fileno()) == DATA[:1000] * 4


def test_the_timeout_of_a_servers_socket_counts() -> None:
    with tcp_pair() as (near, _):
        near.settimeout(0.05)
        with pytest.raises(TimeoutError):
            transfer(memoryview(bytes(64 << 20)), socketserver._SocketWriter(near))  # type: ignore[attr-defined]
