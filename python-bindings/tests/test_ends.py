"""An end is held: whatever is done to it in the midst, no byte of another file is read or written.

The kinds of ends are the binding's own (`_zcio.END_KINDS`): one without a row (`places.py`) fails.
"""

import contextlib
import os
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zcio
import zcio._zcio
import zcio.aio
from loops import Library
from places import DATA, MEMORY, REGION, SINKS, SIZE, SOURCES, STREAMS, Place, Source, Table
from support import background, read_all, write_all


def test_every_kind_of_end_has_a_row() -> None:
    kinds = {kind for kind, _, _ in SOURCES.values()}
    assert kinds == set(zcio._zcio.END_KINDS)
    assert kinds == {kind for kind, _, _ in SINKS.values()}


def rows(table: Table, operations: Iterable[str]) -> list[Any]:
    return [
        pytest.param(operation, make, deed, id=f"{operation}-{name}-{deed}")
        for operation in operations
        for name, (kind, deeds, make) in table.items()
        # Memory is for transfer() and, as a sink, for reads(); and a batch sends files.
        if operation == "transfer" or (kind not in MEMORY and not (operation == "batch" and name in STREAMS))
        for deed in (*deeds, "nothing")
    ]


def do(place: Place, deed: str) -> None:
    if deed == "nothing":
        return
    work = getattr(place, deed, None) or getattr(place.end, deed)
    # An exported buffer refuses.
    with contextlib.suppress(BufferError):
        work()


@pytest.fixture
def descriptors() -> Iterator[None]:
    """No descriptor is left behind."""
    # The first operation makes the table that the others use.
    with tempfile.TemporaryFile() as file, open(os.devnull, "wb", 0) as null:
        zcio.transfer(file, null)
    before = len(os.listdir("/proc/self/fd"))
    yield
    after = len(os.listdir("/proc/self/fd"))
    assert after <= before + 4, "idle pipes, at most"


def drained(place: Place, far: socket.socket, deed: str, got: list[bytes]) -> None:
    """Reads a little, does the deed, and reads the rest: the operation is in its midst then."""
    got.append(far.recv(4096))
    do(place, deed)
    got.append(read_all(far.fileno()))


def judge(got: list[bytes], moved: int, failed: bool) -> None:
    received = b"".join(got)
    assert received == DATA[: len(received)], "each byte is one of the source's own"
    assert len(received) == moved
    assert failed or moved == SIZE, "never success for less"


def judge_sink(place: Place, file: int, deed: str, moved: int, failed: bool) -> None:
    assert failed == (deed == "leave")
    if not (failed and place.is_memory):
        judge([place.content(file)], moved, failed)
    assert 0 < moved <= SIZE
    place.check()


def sent(item: zcio.ItemReport | Exception) -> int:
    if isinstance(item, Exception):
        raise item
    return item.bytes


SYNC: dict[str, Callable[[Any, Any], int]] = {
    "transfer": lambda src, dst: zcio.transfer(src, dst).bytes,
    "fan_out": lambda src, dst: zcio.fan_out(src, [dst]).bytes,
    "batch": lambda src, dst: sent(zcio.batch([(src, dst)]).items[0]),
}


def run_sync(operation: str, src: Any, dst: Any) -> tuple[int, bool]:
    try:
        return SYNC[operation](src, dst), False
    except (OSError, ValueError) as error:
        return getattr(error, "moved", 0), True


@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize(("operation", "make", "deed"), rows(SOURCES, SYNC))
def test_a_source_is_what_it_was(operation: str, make: Source, deed: str, tmp_path: Path) -> None:
    place = Place(tmp_path, DATA)
    near, far = socket.socketpair()
    got: list[bytes] = []
    with place.stack, near, far:
        make(place)
        with background(lambda: drained(place, far, deed, got)):
            moved, failed = run_sync(operation, place.end, near)
            near.shutdown(socket.SHUT_WR)
        judge(got, moved, failed)
        assert not failed or deed in REGION
        place.check()


@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize(("operation", "make", "deed"), rows(SINKS, ["transfer", "fan_out"]))
def test_a_sink_is_what_it_was(operation: str, make: Source, deed: str, tmp_path: Path) -> None:
    place = Place(tmp_path, b"")
    near, far = socket.socketpair()
    with place.stack, near, far:
        mine = place.opened(place.path, os.O_RDONLY)
        make(place)

        def feed() -> None:
            write_all(far.fileno(), DATA[: SIZE // 2])
            while not place.has_any(mine):
                time.sleep(0)
            do(place, deed)
            # It may have given up by now.
            with contextlib.suppress(OSError):
                write_all(far.fileno(), DATA[SIZE // 2 :])
                far.shutdown(socket.SHUT_WR)

        with background(feed):
            moved, failed = run_sync(operation, near, place.end)
            near.close()
        judge_sink(place, mine, deed, moved, failed)


AIO: dict[str, Callable[[Any, Any], Awaitable[Any]]] = {
    "transfer": zcio.aio.transfer,
    "fan_out": lambda src, dst: zcio.aio.fan_out(src, [dst]),
}


@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize(("operation", "make", "deed"), rows(SOURCES, AIO))
def test_a_source_is_what_it_was_in_a_loop(
    library: Library, operation: str, make: Source, deed: str, tmp_path: Path
) -> None:
    place = Place(tmp_path, DATA)
    near, far = socket.socketpair()
    got: list[bytes] = []

    async def main() -> None:
        make(place)
        with background(lambda: drained(place, far, deed, got)):
            try:
                moved, failed = (await AIO[operation](place.end, near)).bytes, False
            except zcio.TransferError as error:
                moved, failed = error.moved, True
            near.shutdown(socket.SHUT_WR)
        judge(got, moved, failed)
        assert not failed or deed in REGION
        place.check()

    with place.stack, near, far:
        library.run(main)


@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize(("operation", "make", "deed"), rows(SINKS, AIO))
def test_a_sink_is_what_it_was_in_a_loop(
    library: Library, operation: str, make: Source, deed: str, tmp_path: Path
) -> None:
    place = Place(tmp_path, b"")
    near, far = socket.socketpair()

    async def main() -> None:
        mine = place.opened(place.path, os.O_RDONLY)
        make(place)

        def feed() -> None:
            write_all(far.fileno(), DATA[: SIZE // 2])
            while not place.has_any(mine):
                time.sleep(0)
            do(place, deed)
            # It may have given up by now.
            with contextlib.suppress(OSError):
                write_all(far.fileno(), DATA[SIZE // 2 :])
                far.shutdown(socket.SHUT_WR)

        with background(feed):
            try:
                moved, failed = (await AIO[operation](near, place.end)).bytes, False
            except zcio.TransferError as error:
                moved, failed = error.moved, True
            near.close()
        judge_sink(place, mine, deed, moved, failed)

    with place.stack, near, far:
        library.run(main)
