"""Streams and transports as ends of zcio.aio: those of asyncio, trio and anyio that are plain, and no others."""

import asyncio
import contextlib
import io
import os
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import zcio
import zcio.aio
from loops import Library
from support import content, tcp_pair, unix_pair

DATA = content(20_000)


async def awaited(operation: Any, *ends: Any) -> None:
    await operation(*ends)


def test_transports(library: Library) -> None:
    """The transport is an end where it is plain; its socket shows nothing of that, and never is."""

    async def main() -> None:
        with contextlib.suppress(RuntimeError):
            loop = asyncio.get_running_loop()
            with unix_pair() as (near, far):
                transport, _ = await loop.create_connection(asyncio.Protocol, sock=near)
                for operation in (zcio.transfer, zcio.aio.transfer):
                    with pytest.raises(TypeError, match="transport, which may encrypt"):
                        await awaited(operation, memoryview(DATA), transport.get_extra_info("socket"))
                await zcio.aio.transfer(memoryview(DATA), transport)
                assert far.recv(len(DATA), socket.MSG_WAITALL) == DATA
                transport.close()

    library.run(main)


def test_tls_that_was_started_later() -> None:
    async def main() -> None:
        with unix_pair() as (near, far):
            reader, writer = await asyncio.open_unix_connection(sock=near)
            plain: Any = writer.transport
            context = ssl.create_default_context()
            starting = asyncio.create_task(writer.start_tls(context, server_hostname="x"))
            while type(plain.get_protocol()).__name__ != "SSLProtocol":
                await asyncio.sleep(0.001)
            hello = await asyncio.to_thread(far.recv, 1 << 16)
            assert hello
            for end in (plain, writer):
                with pytest.raises(TypeError, match="TLS"):
                    await zcio.aio.transfer(memoryview(DATA), end)
            with pytest.raises(TypeError, match="TLS"):
                await zcio.aio.transfer(reader, os.devnull)
            starting.cancel()
            await asyncio.wait([starting])
            plain.abort()

    asyncio.run(main())


def test_streams_of_trio() -> None:
    trio = pytest.importorskip("trio")

    async def main() -> None:
        with unix_pair() as (near, far), unix_pair() as (left, right):
            ends = [
                trio.SocketStream(trio.socket.from_stdlib_socket(near)),
                trio.lowlevel.FdStream(os.dup(left.fileno())),
            ]
            for end, peer in zip(ends, (far, right), strict=True):
                await zcio.aio.transfer(memoryview(DATA), end)
                assert peer.recv(len(DATA), socket.MSG_WAITALL) == DATA
                peer.sendall(DATA)
                sink = io.FileIO(os.memfd_create("sink"), "r+")
                with sink:
                    await zcio.aio.transfer(end, sink, count=len(DATA))
                    assert os.pread(sink.fileno(), len(DATA) + 1, 0) == DATA
                await end.aclose()

    trio.run(main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_streams_of_anyio(backend: str, family: str, tmp_path: Path) -> None:
    anyio = pytest.importorskip("anyio")
    sink = tmp_path / "sink"

    async def main() -> None:
        kind = anyio.abc.SocketStream if family == "tcp" else anyio.abc.UNIXSocketStream
        with (tcp_pair if family == "tcp" else unix_pair)() as (near, far):
            async with await kind.from_socket(near.detach()) as stream:
                await zcio.aio.transfer(memoryview(DATA), stream)
                assert far.recv(len(DATA), socket.MSG_WAITALL) == DATA
                far.sendall(DATA)
                # The stream has read ahead what it was not asked for.
                head = await stream.receive(10)
                await zcio.aio.transfer(stream, sink, count=1000)
                assert DATA.startswith(head + sink.read_bytes())
                # What is not delivered is what the stream gives next.
                with pytest.raises(FileNotFoundError):
                    await zcio.aio.transfer(stream, tmp_path / "none" / "sink")
                far.shutdown(socket.SHUT_WR)
                before, after = len(head) + 1000, await stream.receive(500)
                assert after == DATA[before:][: len(after)]
                await zcio.aio.transfer(stream, sink)
                assert sink.read_bytes() == DATA[before + len(after) :]
                with pytest.raises(anyio.EndOfStream):
                    await stream.receive()

    anyio.run(main, backend=backend)


class Forwarding(asyncio.Transport):
    """As a channel of asyncssh: a socket, which is that of the connection below."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__({"socket": sock})

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False


def test_what_is_no_plain_stream() -> None:
    async def main() -> None:
        with unix_pair() as (near, far):
            with pytest.raises(TypeError, match="'Forwarding', whose bytes"):
                await zcio.aio.transfer(memoryview(DATA), Forwarding(near))
            reader, writer = await asyncio.open_unix_connection(sock=near)

            class Counting(asyncio.StreamWriter):
                def write(self, data: Any) -> None:
                    super().write(bytes(data).upper())

            counting = Counting(writer.transport, writer.transport.get_protocol(), reader, asyncio.get_running_loop())
            with pytest.raises(TypeError, match=r"write\(\) of its own"):
                await zcio.aio.transfer(memoryview(DATA), counting)
            vars(writer)["write"] = print
            with pytest.raises(TypeError, match=r"write\(\) of its own"):
                await zcio.aio.transfer(memoryview(DATA), writer)
            far.setblocking(False)
            with pytest.raises(BlockingIOError):
                far.recv(1)
            writer.close()

    asyncio.run(main())
