"""Memory as the sink of a transfer: what bounds it, what is refused, how much has arrived, and that it is let go of.

(What happens to it meanwhile is in `test_ends.py`.)
"""

import array
import asyncio
import contextlib
import gc
import io
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import zcio
import zcio._zcio
import zcio.aio
from loops import Library
from support import background, content, read_all, tcp_pair, unix_pair, write_all

DATA = content(100_000)
SOURCES = ["path", "file", "pipe", "tcp", "unix", "buffer"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


class From:
    """A source that has the data, and what it has left afterwards."""

    def __init__(self, kind: str, path: Path) -> None:
        self.kind = kind
        self.stack = contextlib.ExitStack()
        if kind == "path":
            self.end: Any = path
        elif kind == "file":
            self.end = self.stack.enter_context(path.open("rb"))
        elif kind == "buffer":
            self.end = bytearray(DATA)
        elif kind == "pipe":
            reader, writer = os.pipe()
            self.end = self.stack.enter_context(os.fdopen(reader, "rb", 0))
            self.feed(writer)
        else:
            self.end, far = self.stack.enter_context(tcp_pair() if kind == "tcp" else unix_pair())
            self.feed(far.detach())

    def feed(self, writer: int) -> None:
        def work() -> None:
            write_all(writer, DATA)
            os.close(writer)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self.stack.callback(thread.join, 60)

    def rest(self) -> bytes | None:
        return None if self.kind in {"path", "buffer"} else read_all(self.end.fileno())

    def __enter__(self) -> "From":
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize(
    ("room", "options", "expected"),
    [
        (len(DATA) - 1, {}, len(DATA) - 1),
        (len(DATA), {}, len(DATA)),
        (len(DATA) + 1, {}, len(DATA)),
        (5000, {"dst_offset": 4000}, 1000),
        (5000, {"dst_offset": 4000, "count": 7}, 7),
        (5000, {"count": 6000}, 5000),
        (5000, {"count": 0}, 0),
        (0, {}, 0),
    ],
)
def test_its_length_bounds_the_count_and_the_rest_stays_in_the_source(
    kind: str, room: int, options: dict[str, int], expected: int, path: Path
) -> None:
    buffer = bytearray(b"-" * room)
    with From(kind, path) as source:
        report = zcio.transfer(source.end, buffer, **options)  # type: ignore[arg-type]
        start = options.get("dst_offset", 0)
        assert report.bytes == expected
        assert report.short == (room > len(DATA))
        assert buffer == b"-" * start + DATA[:expected] + b"-" * (room - start - expected)
        assert source.rest() in {None, DATA[expected:]}
    buffer.append(0)


@pytest.mark.parametrize("mechanism", zcio.MECHANISMS)
@pytest.mark.parametrize("kind", SOURCES)
def test_every_mechanism_works_or_says_no(kind: str, mechanism: zcio.Mechanism, path: Path) -> None:
    buffer = bytearray(5000)
    with From(kind, path) as source:
        try:
            report = zcio.transfer(source.end, buffer, mechanism=mechanism)
        except OSError as error:
            assert mechanism in str(error)  # noqa: PT017 (it need not fail)
            assert getattr(error, "moved", 0) == 0  # noqa: PT017
            assert not any(buffer)
        else:
            assert (report.bytes, report.mechanism, report.automatic) == (5000, mechanism, False)
            assert buffer == DATA[:5000]
        source.rest()
    assert is_free(buffer)


@pytest.mark.parametrize("kind", SOURCES)
def test_in_a_loop(kind: str, library: Library, path: Path) -> None:
    buffer = bytearray(70_000)

    async def main() -> None:
        report = await zcio.aio.transfer(source.end, buffer)
        assert (report.bytes, report.requested, report.mapped) == (70_000, 70_000, 0)

    with From(kind, path) as source:
        library.run(main)
        assert source.rest() in {None, DATA[70_000:]}
    assert buffer == DATA[:70_000]
    buffer.append(0)


def test_into_every_kind_of_memory(path: Path) -> None:
    with zcio.Region.anonymous(8192) as region, zcio.SharedRegion.create(8192) as shared:
        buffers: list[Any] = [
            array.array("d", bytes(800)),
            numpy.zeros((10, 10), dtype=numpy.uint64),
            memoryview(bytearray(100))[3:50],
            io.BytesIO(bytes(100)).getbuffer(),
            zcio.AlignedBuffer(5000),
            region,
            memoryview(region)[4096:4200],
            shared,
        ]
        for buffer in buffers:
            size = memoryview(buffer).nbytes
            assert zcio.transfer(path, buffer).bytes == size
            assert memoryview(buffer).tobytes() == DATA[:size]
        del buffer, buffers


def test_memory_that_only_the_transfer_has_lives_as_long(path: Path) -> None:
    for _ in range(20):
        assert zcio.transfer(path, memoryview(bytearray(1 << 16))[5:]).bytes == (1 << 16) - 5
        assert asyncio.run(zcio.aio.transfer(path, memoryview(bytearray(1 << 16))[5:])).bytes == (1 << 16) - 5
    gc.collect()


def sealed() -> zcio.SharedRegion:
    region = zcio.SharedRegion.create(10)
    region.seal("write")
    return region


def protected() -> zcio.Region:
    region = zcio.Region.anonymous(10)
    region.protect("r")
    return region


READ_ONLY: dict[str, Callable[[Path], Any]] = {
    "memoryview of bytes": lambda _: memoryview(b"0123456789"),
    "numpy": lambda _: numpy.frombuffer(b"0123456789", "u1"),
    "region": lambda path: zcio.Region.open(path),
    "memoryview of a region": lambda path: memoryview(zcio.Region.open(path)),
    "protected region": lambda _: protected(),
    "sealed region": lambda _: sealed(),
    "buffer over a region that receives": lambda _: memoryview(zcio.Region.receiving(10)),
}


@pytest.mark.parametrize("make", READ_ONLY.values(), ids=READ_ONLY)
def test_what_may_only_be_read_is_refused_before_the_first_byte(make: Callable[[Path], Any], path: Path) -> None:
    with path.open("rb") as file:
        with pytest.raises(
            TypeError, match=r"^dst is a (buffer that may only be read|region that is mapped read-only)"
        ):
            zcio.transfer(file, make(path))
        with pytest.raises(TypeError, match=r"^dst is a "):
            asyncio.run(zcio.aio.transfer(file, make(path)))
        assert file.tell() == 0


def test_what_else_is_refused(path: Path) -> None:
    other: Any = bytearray(10)
    with pytest.raises(BufferError, match=r"^dst is a buffer whose bytes are not contiguous"):
        zcio.transfer(path, memoryview(bytearray(10))[::2])
    with pytest.raises(TypeError, match=r"^dst must be"):
        zcio.transfer(path, 5.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^dst must be"):
        zcio.transfer(path, numpy.uint8(5))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="behind the end"):
        zcio.transfer(path, other, dst_offset=11)
    with pytest.raises(ValueError, match="overlaps"):
        zcio.transfer(memoryview(other)[1:], other)
    closed = zcio.Region.anonymous(10)
    closed.close()
    with pytest.raises(ValueError, match="closed"):
        zcio.transfer(path, closed)
    with pytest.raises(OSError, match="memory is filled by a transfer"):
        zcio.fan_out(path, [other])
    with pytest.raises(ValueError, match="fills a buffer"):
        zcio.batch([(path, other)])
    with pytest.raises(TypeError, match="two paths"):
        zcio.copy(path, other)
    other.append(0)


def test_a_count_that_an_error_leaves_is_what_has_arrived() -> None:
    buffer = bytearray(100)
    with tcp_pair() as (near, far):
        far.sendall(DATA[:60])
        near.settimeout(0.1)
        with pytest.raises(TimeoutError) as raised:
            zcio.transfer(near, buffer)
    assert raised.value.moved == 60  # type: ignore[attr-defined]
    assert buffer == DATA[:60] + bytes(40)
    buffer.append(0)


def test_what_a_signal_handler_raises_has_the_count() -> None:
    buffer = bytearray(100)

    def stop(*_: object) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with unix_pair() as (near, far):
            far.sendall(DATA[:60])

            def interrupt() -> None:
                while buffer[59] != DATA[59]:
                    pass
                os.kill(os.getpid(), signal.SIGUSR1)

            with background(interrupt), pytest.raises(InterruptedError) as raised:
                zcio.transfer(near, buffer)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert raised.value.moved == 60  # type: ignore[attr-defined]
    assert buffer == DATA[:60] + bytes(40)
    buffer.append(0)


def is_free(buffer: bytearray) -> bool:
    try:
        buffer.append(0)
    except BufferError:
        return False
    return True


def test_it_is_exported_from_the_first_look_to_the_end_however_that_comes(library: Library) -> None:
    buffer = bytearray(100)

    async def main() -> None:
        with unix_pair() as (near, far):
            far.sendall(b"some")
            job = zcio.aio.Transfer(near, buffer)
            assert not await library.until(lambda: job.bytes == 4, job)
            assert job.bytes == 4
            assert is_free(buffer), "cancelled"
            forgotten = zcio.aio.Transfer(near, buffer)
            del forgotten
            assert is_free(buffer), "never awaited"

    library.run(main)
    assert buffer == b"some" + bytes(98)
    with unix_pair() as (near, _):
        steps = zcio._zcio.TransferSteps(near, buffer, None, None, "auto", "aliased", None, None, False, b"")
        assert not is_free(buffer)
        steps.open(True)
        assert steps.step(False) == ((near.fileno(), 1),) or steps.step(False)
        assert not is_free(buffer)
        del steps
        assert is_free(buffer), "dropped"


def test_what_a_reader_has_buffered_goes_first_and_what_is_too_much_stays_in_it() -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        with far:
            reader, writer = await asyncio.open_connection(sock=near)
            far.sendall(DATA[:1000])
            assert await reader.readexactly(1) == DATA[:1]
            buffer = bytearray(100)
            assert (await zcio.aio.transfer(reader, buffer)).bytes == 100
            assert buffer == DATA[1:101]
            assert await reader.readexactly(899) == DATA[101:1000]
            far.sendall(DATA[:50])
            job = zcio.aio.Transfer(reader, buffer)
            far.shutdown(socket.SHUT_WR)
            assert (await job).bytes == 50
            assert buffer == DATA[:50] + DATA[51:101]
            writer.close()

    asyncio.run(main())
