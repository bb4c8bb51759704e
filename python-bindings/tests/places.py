"""Every kind of end, and what can happen to it in the midst of an operation: the tables behind `test_ends.py`.

The kinds of ends are the binding's own (`_zcio.END_KINDS`). Each file carries its own tag on every page, so that a byte
says whose it is.
"""

import array
import contextlib
import io
import mmap
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import zcio
import zcio._zcio
import zcio.aio
from support import write_all

SIZE = 2 << 20
CROWD = 64


def tagged(tag: str, size: int = SIZE) -> bytes:
    return (tag * 16)[:15].encode().ljust(16, b"\n") * (size // 16)


DATA = tagged("mine")
OTHER = tagged("another's")


class Place:
    """One end, and what can happen to it."""

    def __init__(self, directory: Path, data: bytes) -> None:
        self.stack = contextlib.ExitStack()
        self.directory = directory
        self.path = directory / "mine"
        self.path.write_bytes(data)
        self.end: Any = None
        self.keep: Any = None
        """What must not be collected."""
        self.number: int | None = None
        self.decoy = directory / "decoy"
        self.decoy.write_bytes(OTHER)

    def of(self, end: Any) -> None:
        self.end = end
        self.number = end if isinstance(end, int) else end.fileno()

    def opened(self, path: Path, flags: int) -> int:
        fd = os.open(path, flags)
        self.stack.callback(quietly, os.close, fd)
        return fd

    def file(self, *arguments: Any, **options: Any) -> Any:
        file = open(*arguments, **options)  # noqa: SIM115 (it is closed by the stack, however)
        self.stack.callback(quietly, file.close)
        return file

    def close(self) -> None:
        """The end is closed, and its number is given to others."""
        if isinstance(self.end, int):
            os.close(self.end)
        elif hasattr(self.end, "close"):
            self.end.close()
        self.crowd()

    def crowd(self) -> None:
        for _ in range(CROWD):
            self.opened(self.decoy, os.O_RDWR)

    def dup2(self) -> None:
        """The number becomes another file's."""
        assert self.number is not None
        os.dup2(self.opened(self.decoy, os.O_RDWR), self.number)

    def replace(self) -> None:
        """The name becomes another file's."""
        (self.directory / "new").write_bytes(OTHER)
        (self.directory / "new").replace(self.path)

    def leave(self) -> None:
        """The region behind the end is closed under it."""
        self.keep.close(strict=False)

    def shrink(self) -> None:
        """The region behind the end becomes smaller."""
        self.keep.resize(4096)

    def double(self) -> None:
        self.end.extend(OTHER)

    @property
    def is_memory(self) -> bool:
        return not isinstance(self.end, (int, os.PathLike)) and self.number is None

    def content(self, file: int) -> bytes:
        """What has arrived in this end as a sink, which has no zeroes; of a closed region nothing is known."""
        if not self.is_memory:
            return os.pread(file, SIZE, 0)
        try:
            return bytes(self.end).rstrip(b"\0")
        except ValueError:
            return b""

    def has_any(self, file: int) -> bool:
        """Whether its first byte has arrived."""
        return memoryview(self.end).cast("B")[0] != 0 if self.is_memory else os.fstat(file).st_size > 0

    def check(self) -> None:
        assert self.decoy.read_bytes() == OTHER


def quietly(work: Callable[..., object], *arguments: Any) -> None:
    with contextlib.suppress(OSError, ValueError, BufferError):
        work(*arguments)


def wrapper(file: Any) -> Any:
    """An object that passes everything on to a file."""
    return tempfile._TemporaryFileWrapper(file, "file", delete=False)


class Sub(io.FileIO):
    """A subclass."""


def fed(place: Place, make: Callable[[], tuple[Any, int]]) -> None:
    """A stream that has the data."""
    end, writer = make()
    place.of(end)

    def feed() -> None:
        try:
            write_all(writer, DATA)
        except OSError:
            pass
        finally:
            os.close(writer)

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    # The other way round: nobody reads any more.
    place.stack.callback(thread.join, 60)
    place.stack.callback(quietly, end.close if hasattr(end, "close") else lambda: os.close(end))


def socket_ends(place: Place) -> tuple[socket.socket, int]:
    near, far = socket.socketpair()
    place.keep = near
    return near, far.detach()


Source = Callable[[Place], None]


def from_socket(place: Place) -> None:
    fed(place, lambda: socket_ends(place))


def from_makefile(place: Place) -> None:
    def make() -> tuple[Any, int]:
        near, far = socket_ends(place)
        file = near.makefile("rb")
        near.close()
        return file, far

    fed(place, make)


def from_process(place: Place) -> None:
    process = subprocess.Popen(["cat", place.path], stdout=subprocess.PIPE)
    place.stack.callback(process.wait, 60)
    place.stack.callback(process.kill)
    place.of(process.stdout)
    place.stack.callback(quietly, place.end.close)


def numpy_of(data: bytes) -> Any:
    return pytest.importorskip("numpy").frombuffer(bytearray(data), "u1")


def aligned_of(data: bytes) -> Any:
    buffer = zcio.AlignedBuffer(SIZE)
    memoryview(buffer)[:] = data
    return buffer


def from_number(flags: int) -> Source:
    return lambda place: place.of(place.opened(place.path, flags))


def from_file(mode: str, buffering: int = -1) -> Source:
    return lambda place: place.of(place.file(place.path, mode, buffering))


def from_wrapper(mode: str) -> Source:
    return lambda place: place.of(wrapper(place.file(place.path, mode)))


def from_subclass(place: Place) -> None:
    place.of(Sub(place.path))
    place.stack.callback(quietly, place.end.close)


def from_temporary(place: Place) -> None:
    place.of(tempfile.NamedTemporaryFile())  # noqa: SIM115 (closed by the test, or collected)
    place.end.write(DATA)
    place.end.seek(0)


def from_number_of_socket(place: Place) -> None:
    from_socket(place)
    place.of(place.end.fileno())


def from_pipe_object(place: Place) -> None:
    reader, writer = os.pipe()
    fed(place, lambda: (os.fdopen(reader, "rb"), writer))


def by_path(place: Place) -> None:
    place.end = place.path


def buffer(make: Callable[[Place], Any]) -> Source:
    def source(place: Place) -> None:
        place.end = make(place)

    return source


def with_content(make: Callable[[Place], zcio.Region]) -> Callable[[Place, bytes], zcio.Region]:
    def region(place: Place, data: bytes) -> zcio.Region:
        place.keep = make(place)
        place.stack.callback(place.keep.close, strict=False)
        place.keep.write(data)
        return place.keep  # type: ignore[no-any-return]

    return region


def mapped_file(place: Place, data: bytes) -> mmap.mmap:
    place.path.write_bytes(data)
    return mmap.mmap(place.opened(place.path, os.O_RDWR), 0)


shared = with_content(lambda _: zcio.SharedRegion.create(SIZE))
anonymous = with_content(lambda _: zcio.Region.anonymous(SIZE))
mapped = with_content(lambda place: zcio.Region.open(place.path, mode="w+", length=SIZE))


def array_of(region: zcio.Region) -> Any:
    return pytest.importorskip("numpy").frombuffer(region, "u1")


# Each row: the kind in the binding's list, what is done to it in the midst, and how it is made.
Table: TypeAlias = dict[str, tuple[str, tuple[str, ...], Source]]
TAKEN = ("close", "dup2")
REGION = ("leave", "shrink")
MEMORY = {"buffer", "region"}


def memory(data: bytes) -> Table:
    """Every kind of memory, with this in it."""
    return {
        "memoryview": ("buffer", ("release",), buffer(lambda _: memoryview(bytearray(data)))),
        "bytearray": ("buffer", ("clear", "double"), buffer(lambda _: bytearray(data))),
        "array": ("buffer", ("pop",), buffer(lambda _: array.array("B", data))),
        "mmap": ("buffer", ("close",), buffer(lambda place: mapped_file(place, data))),
        "numpy": ("buffer", (), buffer(lambda _: numpy_of(data))),
        "AlignedBuffer": ("buffer", (), buffer(lambda _: aligned_of(data))),
        "Region of a file": ("region", REGION, buffer(lambda place: mapped(place, data))),
        "Region": ("region", REGION, buffer(lambda place: anonymous(place, data))),
        "SharedRegion": ("region", REGION, buffer(lambda place: shared(place, data))),
        "memoryview of a region": ("buffer", REGION, buffer(lambda place: memoryview(mapped(place, data)))),
        "memoryview of a shared region": ("buffer", REGION, buffer(lambda place: memoryview(shared(place, data)))),
        "numpy of a region": ("buffer", REGION, buffer(lambda place: array_of(mapped(place, data)))),
        "numpy of a shared region": ("buffer", REGION, buffer(lambda place: array_of(shared(place, data)))),
    }


SOURCES: Table = {
    "path": ("path", ("replace",), by_path),
    "number of a file": ("number", TAKEN, from_number(os.O_RDONLY)),
    "number of a pipe": ("number", TAKEN, lambda place: fed(place, os.pipe)),
    "number of a socket": ("number", ("dup2",), from_number_of_socket),
    "FileIO": ("object", TAKEN, from_file("rb", 0)),
    "BufferedReader": ("object", TAKEN, from_file("rb")),
    "BufferedRandom": ("object", TAKEN, from_file("r+b")),
    "subclass": ("object", TAKEN, from_subclass),
    "wrapper": ("object", TAKEN, from_wrapper("rb")),
    "tempfile": ("object", TAKEN, from_temporary),
    "socket": ("object", TAKEN, from_socket),
    "makefile": ("object", TAKEN, from_makefile),
    "pipe object": ("object", TAKEN, from_pipe_object),
    "subprocess": ("object", TAKEN, from_process),
    **memory(DATA),
}
STREAMS = {"number of a pipe", "number of a socket", "socket", "makefile", "pipe object", "subprocess"}
SINKS: Table = {
    "path": ("path", ("replace",), by_path),
    "number of a file": ("number", TAKEN, from_number(os.O_WRONLY)),
    "FileIO": ("object", TAKEN, from_file("wb", 0)),
    "BufferedWriter": ("object", TAKEN, from_file("wb")),
    "BufferedRandom": ("object", TAKEN, from_file("r+b")),
    "wrapper": ("object", TAKEN, from_wrapper("wb")),
    **memory(bytes(SIZE)),
}
