"""Transfers between marks: Python's part of `tests/cost`, with asyncio's. What the peer is told: `peer.rs`."""

import asyncio
import io
import mmap
import os
import select
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zcio
import zcio.aio

SIZES = [4 << 10, 64 << 10, 256 << 10, 1 << 20, 16 << 20]
BUFFER = 64 << 10


def mark(row: str, size: int, who: str) -> None:
    """Where strace begins to count: a path that does not exist."""
    os.access(f"/zcio-mark/{row}/{size}/{who}", os.F_OK)


def end() -> None:
    os.access("/zcio-mark/end", os.F_OK)


class Peer:
    def __init__(self, port: int, directory: str) -> None:
        self.address = ("127.0.0.1", port)
        self.directory = Path(directory)
        self.commands = socket.create_connection(self.address)

    def ask(self, what: str, number: int = 0) -> None:
        self.commands.sendall(what.encode() + number.to_bytes(8, "big"))

    def send(self, size: int) -> None:
        self.ask("m", size)
        assert self.commands.recv(1)

    def content(self) -> io.BufferedReader:
        return open(self.directory / "content", "rb")

    def file(self) -> io.FileIO:
        return open(self.directory / "copy", "wb", 0)

    def tcp(self, what: str = "d") -> socket.socket:
        self.ask(what)
        return socket.create_connection(self.address)

    def unix(self) -> socket.socket:
        self.ask("u")
        near = socket.socket(socket.AF_UNIX)
        near.connect(str(self.directory / "socket"))
        return near

    def pipe_in(self) -> io.FileIO:
        self.ask("p")
        return open(self.directory / "in", "rb", 0)

    def pipe_out(self) -> io.FileIO:
        self.ask("q")
        return open(self.directory / "out", "wb", 0)


def by_sendfile(file: Any, sink: Any, size: int) -> None:
    sent = 0
    while sent < size:
        sent += os.sendfile(sink.fileno(), file.fileno(), sent, size - sent)


def by_socket(file: Any, sink: socket.socket, size: int) -> None:
    sink.sendfile(file, 0, size)


def by_copy(file: Any, sink: Any, _size: int) -> None:
    shutil.copyfileobj(file, sink, BUFFER)


def by_buffer(source: Any, sink: Any, size: int) -> None:
    buffer = memoryview(bytearray(BUFFER))
    read = source.recv_into if isinstance(source, socket.socket) else source.readinto
    while size > 0:
        count = read(buffer[:size])
        sink.write(buffer[:count])
        size -= count


def joined(a: socket.socket, b: socket.socket) -> None:
    """What one writes without zcio: both directions by poll(2), and a buffer."""
    buffer = memoryview(bytearray(BUFFER))
    poll = select.poll()
    others = {a.fileno(): (a, b), b.fileno(): (b, a)}
    for number in others:
        poll.register(number, select.POLLIN)
    while others:
        for number, _ in poll.poll():
            source, sink = others[number]
            if count := source.recv_into(buffer):
                sink.sendall(buffer[:count])
            else:
                sink.shutdown(socket.SHUT_WR)
                poll.unregister(number)
                del others[number]


Ends = Callable[[], tuple[Any, Any]]


def route(peer: Peer, row: str, size: int, ends: Ends, own: Callable[[Any, Any, int], None]) -> None:
    stream = row.startswith(("tcp", "pipe"))

    def send() -> None:
        if stream:
            peer.send(size)

    offset = None if stream else 0
    for who in "warm", "own", "own", "own":
        source, sink = ends()
        send()
        mark(row, size, who)
        own(source, sink, size)
        end()
        source.close()
        sink.close()
    for who in "warm", "new", "new", "new":
        source, sink = ends()
        send()
        mark(row, size, who)
        report = zcio.transfer(source, sink, offset=offset, count=size)
        end()
        assert report.bytes == size
        send()
        zcio.transfer(source, sink, offset=offset, count=size)
        send()
        mark(row, size, who.replace("new", "kept"))
        report = zcio.transfer(source, sink, offset=offset, count=size)
        end()
        assert report.bytes == size
        source.close()
        sink.close()


def memory(peer: Peer, row: str, size: int, own: Any, ours: Any) -> None:
    with peer.tcp() as sink:
        mark(row, size, "own")
        sink.sendall(own)
        end()
    for who in "warm", "new", "new", "new":
        with peer.tcp() as sink:
            mark(row, size, who)
            zcio.transfer(ours, sink)
            end()
            mark(row, size, who.replace("new", "kept"))
            zcio.transfer(ours, sink)
            end()


def relay(peer: Peer, size: int) -> None:
    for who in "warm", "own", "own", "new", "new", "new":
        with peer.tcp("s") as source, peer.tcp("d") as sink:
            peer.send(size)
            peer.ask("e")
            mark("tcp-tcp", size, who)
            if who == "own":
                joined(source, sink)
            else:
                assert zcio.relay(source, sink).forward.bytes == size
            end()


async def in_loop(peer: Peer, size: int) -> None:
    loop = asyncio.get_running_loop()

    async def sock_sendfile(source: Any, sink: socket.socket) -> None:
        await loop.sock_sendfile(sink, source, 0, size, fallback=False)

    async def transfer(source: Any, sink: socket.socket) -> None:
        await zcio.aio.transfer(source, sink, offset=0, count=size)

    async def sock_sendall(source: Any, sink: socket.socket) -> None:
        await loop.sock_sendall(sink, source)

    async def ours(source: Any, sink: socket.socket) -> None:
        await zcio.aio.transfer(source, sink)

    data = memoryview(bytes(size))
    rows: list[tuple[str, Callable[[], Any], Callable[[], socket.socket], Any, Any]] = [
        ("aio-file-tcp", peer.content, peer.tcp, sock_sendfile, transfer),
        ("aio-file-unix", peer.content, peer.unix, sock_sendfile, transfer),
        ("aio-memory-tcp", lambda: data, peer.tcp, sock_sendall, ours),
    ]
    for row, source, sink, theirs, way in rows:
        for who in "warm", "own", "own", "new", "new", "new":
            here = source()
            with sink() as there:
                there.setblocking(False)
                mark(row, size, who)
                await (theirs if who == "own" else way)(here, there)
                end()
                if who == "new":
                    mark(row, size, "kept")
                    await way(here, there)
                    end()
            if here is not data:
                here.close()


def main() -> None:
    peer = Peer(int(sys.argv[1]), sys.argv[2])
    for size in SIZES:
        (peer.directory / "content").write_bytes(bytes(size))
        route(peer, "file-tcp", size, lambda: (peer.content(), peer.tcp()), by_socket)
        route(peer, "file-unix", size, lambda: (peer.content(), peer.unix()), by_socket)
        route(peer, "file-pipe", size, lambda: (peer.content(), peer.pipe_out()), by_sendfile)
        route(peer, "file-file", size, lambda: (peer.content(), peer.file()), by_copy)
        route(peer, "tcp-file", size, lambda: (peer.tcp("s"), peer.file()), by_buffer)
        route(peer, "pipe-file", size, lambda: (peer.pipe_in(), peer.file()), by_buffer)
        relay(peer, size)
        memory(peer, "memory-tcp", size, bytes(size), memoryview(bytes(size)))
        with (
            peer.content() as file,
            mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as mapped,
            zcio.Region.open(file) as region,
        ):
            memory(peer, "region-tcp", size, mapped, region)
        asyncio.run(in_loop(peer, size))


main()
