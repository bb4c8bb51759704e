"""Many reads into buffers in one call, against the content of the file."""

import array
import asyncio
import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import zcio
import zcio.aio
from support import content

DATA = content(1_000_003)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    # Beside the tests, if one may write there, which lie on a disk.
    beside = Path(__file__).parent
    path = (beside if os.access(beside, os.W_OK) else tmp_path) / f".reads-{os.getpid()}"
    path.write_bytes(DATA)
    yield path
    path.unlink()


def places() -> list[tuple[int, int]]:
    chosen = random.Random(5)
    odd = [(chosen.randrange(len(DATA) + 5000), chosen.randrange(50_000)) for _ in range(200)]
    blocks = [(4096 * chosen.randrange(250), 4096 * chosen.randrange(1, 5)) for _ in range(200)]
    return [*odd, *blocks, (0, 0), (len(DATA), 5), (1 << 40, 5)]


def check(file: int, depth: int) -> zcio.ReadsReport:
    asked = [(offset, memoryview(zcio.AlignedBuffer(max(length, 1)))[:length]) for offset, length in places()]
    report = zcio.reads([(file, offset, into) for offset, into in asked], depth=depth)
    for (offset, into), count in zip(asked, report.reads, strict=True):
        expected = DATA[offset : offset + len(into)]
        assert count == len(expected)
        assert into[: len(expected)] == expected
    return report


@pytest.mark.parametrize("depth", [1, 2, 32])
def test_every_read_has_its_own_bytes(path: Path, depth: int) -> None:
    flags = [os.O_RDONLY, os.O_RDONLY | os.O_DIRECT]
    for flag in flags:
        try:
            file = os.open(path, flag)
        except OSError:
            continue
        report = check(file, depth)
        assert report.system_calls > 0
        assert os.lseek(file, 0, os.SEEK_CUR) == 0
        os.close(file)


def test_into_every_kind_of_memory(path: Path) -> None:
    array = numpy.zeros(1000, dtype=numpy.uint64)
    with path.open("rb") as file, zcio.Region.anonymous(8192) as region:
        file.seek(3)
        buffers: list[Any] = [bytearray(100), array, memoryview(region)[4096:4200], region, zcio.AlignedBuffer(5000)]
        report = zcio.reads((file, 7 * index, into) for index, into in enumerate(buffers))
        assert report.reads == (100, 8000, 104, 8192, 5000)
        assert file.tell() == 3
        assert bytes(buffers[0]) == DATA[:100]
        assert array.tobytes() == DATA[7:8007]
        assert region.read() == DATA[21 : 21 + 8192]
        del buffers


def test_one_reads_failure_is_its_own(path: Path) -> None:
    with path.open("rb") as good, path.open("ab") as bad:
        report = zcio.reads([(bad, 0, bytearray(5)), (good, 0, bytearray(5)), (good, (1 << 63) - 2, bytearray(5))])
    failed, count, beyond = report.reads
    assert isinstance(failed, OSError)
    assert isinstance(beyond, ValueError)
    assert count == 5


def test_what_is_refused(path: Path) -> None:
    with path.open("rb") as file:
        for depth in (0, 4097):
            with pytest.raises(ValueError, match="in flight"):
                zcio.reads([], depth=depth)
        with pytest.raises(ValueError, match="tuple"):
            zcio.reads([(file, 0)])  # type: ignore[list-item]
        with pytest.raises(TypeError, match="writable"):
            zcio.reads([(file, 0, bytes(5))])
        with pytest.raises(TypeError, match="open a path"):
            zcio.reads([(path, 0, bytearray(5))])  # type: ignore[list-item]
        with pytest.raises(ValueError, match="offset"):
            zcio.reads([(file, -1, bytearray(5))])
    assert zcio.reads([]).reads == ()


def test_a_buffer_cannot_be_resized_meanwhile_and_can_afterwards(path: Path) -> None:
    buffer = bytearray(4096)

    class Items:
        def __iter__(self) -> Iterator[tuple[int, int, bytearray]]:
            yield file, 0, buffer
            with pytest.raises(BufferError):
                buffer.append(1)

    file = os.open(path, os.O_RDONLY)
    assert zcio.reads(Items()).reads == (4096,)
    os.close(file)
    buffer.append(1)


class Turning:
    """Gives a number another meaning in the midst of the items: when it is asked for the offset that it is."""

    def __init__(self, number: int, other: int) -> None:
        self.number, self.other = number, other

    def __index__(self) -> int:
        os.dup2(self.other, self.number)
        return 0


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_number_is_what_it_means_when_its_item_is_looked_at(path: Path, tmp_path: Path, wrapped: bool) -> None:
    """Whatever the items are: they are looked at again and again only where code of the caller's may have run."""
    other = tmp_path / "other"
    other.write_bytes(b"\xff" * 100)
    buffers = [bytearray(100) for _ in range(6)]
    with path.open("rb", 0) as file, other.open("rb") as replacement:
        end = file if wrapped else file.fileno()

        def generated() -> Iterator[tuple[object, object, bytearray]]:
            yield end, 0, buffers[0]
            yield end, 0, buffers[1]
            os.dup2(replacement.fileno(), file.fileno())
            yield end, 0, buffers[2]

        turning = Turning(file.fileno(), replacement.fileno())
        first = os.dup(file.fileno())
        items: list[Any] = [
            (end, 0, buffers[0]),
            (end, 0, buffers[1]),
            (end, turning, buffers[2]),
            (end, 0, buffers[3]),
        ]
        assert zcio.reads(items, depth=1).reads == (100,) * 4
        assert buffers[:4] == [DATA[:100]] * 3 + [b"\xff" * 100]
        os.dup2(first, file.fileno())
        assert zcio.reads(generated(), depth=1).reads == (100,) * 3  # type: ignore[arg-type]
        assert buffers[:3] == [DATA[:100]] * 2 + [b"\xff" * 100]
        os.close(first)


def test_many_buffers_of_many_kinds_are_given_back(path: Path) -> None:
    memory = [bytearray(50) for _ in range(100)]
    with path.open("rb") as file:
        items: list[Any] = [
            (file, at, array.array("H", bytes(50)) if at % 3 else memoryview(memory[at])) for at in range(100)
        ]
        assert zcio.reads(items).reads == (50,) * 100
        for at, (_, _, buffer) in enumerate(items):
            assert bytes(buffer) == DATA[at : at + 50]
        # One of them is refused, and those before it are given back all the same.
        with pytest.raises(TypeError):
            zcio.reads([*((file, 0, buffer) for buffer in memory), (file, 0, b"read-only")])
        with pytest.raises(BufferError):
            zcio.reads([*((file, 0, buffer) for buffer in memory), (file, 0, memoryview(memory[0])[::2])])
    items.clear()
    for buffer in memory:
        buffer.append(1)


def test_a_signal_handler_that_raises_stops_them(path: Path) -> None:
    class StopError(Exception):
        pass

    def stop(*_: object) -> None:
        raise StopError

    before = signal.signal(signal.SIGUSR1, stop)
    file = os.open(path, os.O_RDONLY)
    memory = memoryview(bytearray(4096))
    items = [(file, 4096 * (number % 200), memory) for number in range(300_000)]
    timer = threading.Timer(0.0, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        with pytest.raises(StopError):  # noqa: PT012 - the signal comes wherever it comes.
            timer.start()
            zcio.reads(items)
            timer.join()
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
        os.close(file)


def test_in_an_event_loop(path: Path) -> None:
    async def main() -> None:
        buffers = [bytearray(1000) for _ in range(50)]
        with path.open("rb") as file:
            report = await zcio.aio.reads([(file, 1000 * index, into) for index, into in enumerate(buffers)], depth=4)
        assert report.reads == (1000,) * 50
        assert b"".join(buffers) == DATA[:50_000]

    asyncio.run(main())


def test_in_a_child(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    check(file, 8)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            check(file, 8)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    check(file, 8)
    os.close(file)
