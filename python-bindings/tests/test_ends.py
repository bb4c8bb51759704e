"""An end is held: whatever is done to it in the midst, no byte of another file is read or written.

The kinds of ends are the binding's own (`_zcio.END_KINDS`): one without a row fails. Each file carries its own tag on
every page, so that a byte says whose it is.
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
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import zcio
import zcio._zcio
import zcio.aio
from loops import Library
from support import background, read_all, write_all

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


def numpy_of(place: Place) -> None:
    numpy = pytest.importorskip("numpy")
    place.end = numpy.frombuffer(bytearray(DATA), numpy.uint8)


def aligned_of(place: Place) -> None:
    place.end = zcio.AlignedBuffer(SIZE)
    memoryview(place.end)[:] = DATA


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


def filled(make: Callable[[Place], zcio.Region]) -> Callable[[Place], zcio.Region]:
    def region(place: Place) -> zcio.Region:
        place.keep = make(place)
        place.stack.callback(place.keep.close, strict=False)
        place.keep.write(DATA)
        return place.keep  # type: ignore[no-any-return]

    return region


shared = filled(lambda _: zcio.SharedRegion.create(SIZE))
anonymous = filled(lambda _: zcio.Region.anonymous(SIZE))
mapped = filled(lambda place: zcio.Region.open(place.path, mode="r+"))


def array_of(region: zcio.Region) -> Any:
    return pytest.importorskip("numpy").frombuffer(region, "u1")


# Each row: the kind in the binding's list, what is done to it in the midst, and how it is made.
Table: TypeAlias = dict[str, tuple[str, tuple[str, ...], Source]]
TAKEN = ("close", "dup2")
REGION = ("leave", "shrink")
MEMORY = {"buffer", "region"}
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
    "memoryview": ("buffer", ("release",), buffer(lambda _: memoryview(bytearray(DATA)))),
    "bytearray": ("buffer", ("clear", "double"), buffer(lambda _: bytearray(DATA))),
    "array": ("buffer", ("pop",), buffer(lambda _: array.array("B", DATA))),
    "mmap": ("buffer", ("close",), buffer(lambda place: mmap.mmap(place.opened(place.path, os.O_RDWR), 0))),
    "numpy": ("buffer", (), numpy_of),
    "AlignedBuffer": ("buffer", (), aligned_of),
    "Region of a file": ("region", REGION, buffer(mapped)),
    "Region": ("region", REGION, buffer(anonymous)),
    "SharedRegion": ("region", REGION, buffer(shared)),
    "memoryview of a region": ("buffer", REGION, buffer(lambda place: memoryview(mapped(place)))),
    "memoryview of a shared region": ("buffer", REGION, buffer(lambda place: memoryview(shared(place)))),
    "numpy of a region": ("buffer", REGION, buffer(lambda place: array_of(mapped(place)))),
    "numpy of a shared region": ("buffer", REGION, buffer(lambda place: array_of(shared(place)))),
}
STREAMS = {"number of a pipe", "number of a socket", "socket", "makefile", "pipe object", "subprocess"}
SINKS: Table = {
    "path": ("path", ("replace",), by_path),
    "number of a file": ("number", TAKEN, from_number(os.O_WRONLY)),
    "FileIO": ("object", TAKEN, from_file("wb", 0)),
    "BufferedWriter": ("object", TAKEN, from_file("wb")),
    "BufferedRandom": ("object", TAKEN, from_file("r+b")),
    "wrapper": ("object", TAKEN, from_wrapper("wb")),
}


def test_every_kind_of_end_has_a_row() -> None:
    kinds = {kind for kind, _, _ in SOURCES.values()}
    assert kinds == set(zcio._zcio.END_KINDS)
    assert {kind for kind, _, _ in SINKS.values()} == kinds - MEMORY


def rows(table: Table, operations: Iterable[str]) -> list[Any]:
    return [
        pytest.param(operation, make, deed, id=f"{operation}-{name}-{deed}")
        for operation in operations
        for name, (kind, deeds, make) in table.items()
        # Memory is for transfer(), and a batch sends files.
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
            while os.fstat(mine).st_size == 0:
                pass
            do(place, deed)
            write_all(far.fileno(), DATA[SIZE // 2 :])
            far.shutdown(socket.SHUT_WR)

        with background(feed):
            moved, failed = run_sync(operation, near, place.end)
        written = os.pread(mine, SIZE, 0)
        judge([written], moved, failed)
        assert not failed
        place.check()


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
            while os.fstat(mine).st_size == 0:
                pass
            do(place, deed)
            write_all(far.fileno(), DATA[SIZE // 2 :])
            far.shutdown(socket.SHUT_WR)

        with background(feed):
            report = await AIO[operation](near, place.end)
        judge([os.pread(mine, SIZE, 0)], report.bytes, False)
        place.check()

    with place.stack, near, far:
        library.run(main)
