"""The table of `test_ends.py` for a relay, and for files that become shorter or longer in the midst."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import zcio
import zcio.aio
from loops import Library
from places import DATA, OTHER, SIZE, SOURCES, STREAMS, TAKEN, Place, Source
from support import background, read_all, write_all
from test_ends import AIO, SYNC, do, run_sync

# A relay joins sockets.
SHAPES: dict[str, Callable[[socket.socket], Any]] = {
    "socket": lambda near: near,
    "number": socket.socket.detach,
    "makefile": lambda near: near.makefile("rwb", 0),
}
RELAYS = [
    pytest.param(shape, side, deed, id=f"{name}-{side}-{deed}")
    for name, shape in SHAPES.items()
    for side in (0, 1)
    for deed in (*TAKEN, "nothing")
]


def do_close(end: Any) -> None:
    with contextlib.suppress(OSError):
        os.close(end) if isinstance(end, int) else end.close()


def say(far: socket.socket, data: bytes) -> None:
    far.sendall(data)
    far.shutdown(socket.SHUT_WR)


class Joined:
    """Two sockets to be joined, one of which is the place, and what talks through them."""

    def __init__(self, place: Place, shape: Callable[[socket.socket], Any], side: int, deed: str) -> None:
        pairs = [socket.socketpair() for _ in range(2)]
        for near, far in pairs:
            place.stack.callback(near.close)
            place.stack.callback(far.close)
        self.ends: list[Any] = [near for near, _ in pairs]
        self.ends[side] = shape(pairs[side][0])
        place.of(self.ends[side])
        if shape is SHAPES["makefile"]:
            # The file alone keeps it open.
            pairs[side][0].close()
        place.stack.callback(do_close, self.ends[side])
        self.first, self.second = (far.fileno() for _, far in pairs)
        self.far = [far for _, far in pairs]
        self.place, self.deed = place, deed
        self.got: list[bytes] = []

    def talk(self) -> None:
        """Half of it goes through, then the end is taken away, then the rest, and the answer."""
        with background(lambda: write_all(self.first, DATA[: SIZE // 2])):
            received = bytearray()
            while len(received) < SIZE // 2:
                received += os.read(self.second, SIZE)
        do(self.place, self.deed)
        with background(lambda: say(self.far[0], DATA[SIZE // 2 :])):
            self.got.append(bytes(received) + read_all(self.second))
        with background(lambda: say(self.far[1], OTHER)):
            self.got.append(read_all(self.first))

    def judge(self, report: zcio.RelayReport) -> None:
        assert self.got == [DATA, OTHER]
        assert (report.forward.bytes, report.backward.bytes) == (SIZE, SIZE)
        self.place.check()


@pytest.mark.parametrize(("shape", "side", "deed"), RELAYS)
def test_relay(shape: Callable[[socket.socket], Any], side: int, deed: str, tmp_path: Path) -> None:
    place = Place(tmp_path, b"")
    with place.stack:
        joined = Joined(place, shape, side, deed)
        with background(joined.talk):
            report = zcio.relay(*joined.ends)
        joined.judge(report)


@pytest.mark.parametrize(("shape", "side", "deed"), RELAYS)
def test_relay_in_a_loop(
    library: Library, shape: Callable[[socket.socket], Any], side: int, deed: str, tmp_path: Path
) -> None:
    place = Place(tmp_path, b"")

    async def main() -> None:
        joined = Joined(place, shape, side, deed)
        with background(joined.talk):
            report = await zcio.aio.relay(*joined.ends)
        joined.judge(report)

    with place.stack:
        library.run(main)


def truncated(place: Place) -> None:
    os.truncate(place.path, SIZE // 2)


def grown(place: Place) -> None:
    with place.path.open("ab") as file:
        file.write(OTHER)


def changing(operations: Iterable[str]) -> list[Any]:
    return [
        pytest.param(operation, make, change, id=f"{operation}-{name}-{change.__name__}")
        for operation in operations
        for name, (kind, _, make) in SOURCES.items()
        if kind in {"path", "number", "object"} and name not in STREAMS and name != "tempfile"
        for change in (truncated, grown)
    ]


class Watched:
    """What is received of a file that changes when the first of it has come."""

    def __init__(self, place: Place, change: Callable[[Place], None]) -> None:
        self.place, self.change = place, change
        self.received = b""

    def drain(self, far: socket.socket) -> None:
        first = far.recv(4096)
        self.change(self.place)
        self.received = first + read_all(far.fileno())

    def judge(self, moved: int) -> None:
        right = (DATA + OTHER)[: len(self.received)]
        if self.change is truncated:
            # What is under way is the file's own pages: behind its end they may be empty.
            kept, lost = self.received[: SIZE // 2], self.received[SIZE // 2 :]
            assert kept == right[: SIZE // 2]
            assert lost.replace(b"\0", b"") == right[SIZE // 2 :][: len(lost) - lost.count(0)]
        else:
            assert self.received == right
        assert len(self.received) == moved
        assert moved >= (SIZE // 2 if self.change is truncated else SIZE)
        self.place.check()


@pytest.mark.parametrize(("operation", "make", "change"), changing(SYNC))
def test_a_file_that_changes(operation: str, make: Source, change: Callable[[Place], None], tmp_path: Path) -> None:
    place = Place(tmp_path, DATA)
    near, far = socket.socketpair()
    with place.stack, near, far:
        make(place)
        watched = Watched(place, change)
        with background(lambda: watched.drain(far)):
            moved, failed = run_sync(operation, place.end, near)
            near.shutdown(socket.SHUT_WR)
        watched.judge(moved)
        assert not failed


@pytest.mark.parametrize(("operation", "make", "change"), changing(AIO))
def test_a_file_that_changes_in_a_loop(
    library: Library, operation: str, make: Source, change: Callable[[Place], None], tmp_path: Path
) -> None:
    place = Place(tmp_path, DATA)
    near, far = socket.socketpair()

    async def main() -> None:
        make(place)
        watched = Watched(place, change)
        with background(lambda: watched.drain(far)):
            report = await AIO[operation](place.end, near)
            near.shutdown(socket.SHUT_WR)
        watched.judge(report.bytes)

    with place.stack, near, far:
        library.run(main)
