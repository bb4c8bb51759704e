"""Every way to see a region's memory, with everything that can be done to the region meanwhile, each pair in a process
of its own: a program for test_region_views, which says what came of each pair.

Usage: region_views.py EXPORTER DIRECTORY. Prints a line for each pair: viewer, action, how it ended, its answer.
"""

import contextlib
import ctypes
import gc
import json
import mmap
import os
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pyarrow
import zcio
from support import content
from zcio._zcio import BufferExporter
from zcio.compat.mmap import mmap as compat_mmap

SIZE = 4 * mmap.PAGESIZE
DATA = content(SIZE).replace(b"\xee", b"\xef").replace(b"\0", b"\1")
PLACES = range(0, SIZE, 512)
FOREIGN = b"\xee"


def file(directory: Path) -> Path:
    path = directory / f"file{os.getpid()}"
    path.write_bytes(DATA)
    return path


def filled(exporter: Any) -> Any:
    memoryview(exporter)[:] = DATA
    return exporter


def of_file(directory: Path, length: int) -> compat_mmap:
    with file(directory).open("r+b") as opened:
        return compat_mmap(opened.fileno(), length)


# By the name of the class; what is behind a blank tells objects of one class apart.
EXPORTERS: dict[str, Callable[[Path], Any]] = {
    "Region": lambda directory: zcio.Region.open(file(directory), "r+"),
    "Region guarded": lambda directory: zcio.Region.open(file(directory), "r+", guard=True),
    "Region read-only": lambda directory: zcio.Region.open(file(directory)),
    "Region private": lambda directory: zcio.Region.open(file(directory), "c"),
    "Region anonymous": lambda _: filled(zcio.Region.anonymous(SIZE)),
    "SharedRegion": lambda _: filled(zcio.SharedRegion.create(SIZE)),
    "BufferExporter": lambda directory: BufferExporter(zcio.Region.open(file(directory), "r+")),
    "mmap": lambda directory: of_file(directory, 0),
    "mmap anonymous": lambda _: filled(compat_mmap(-1, SIZE)),
    "AlignedBuffer": lambda _: filled(zcio.AlignedBuffer(SIZE)),
}


class Address:
    """As torch.frombuffer: takes a buffer, remembers where it is, gives it back, and keeps the object."""

    def __init__(self, exporter: Any) -> None:
        self.exporter = exporter
        self.address = numpy.frombuffer(exporter, "u1").ctypes.data

    def __getitem__(self, place: int) -> int:
        return ctypes.c_ubyte.from_address(self.address + place).value

    def __setitem__(self, place: int, value: int) -> None:
        ctypes.c_ubyte.from_address(self.address + place).value = value


# What is seen, and whether an export is kept; None: look at what numpy keeps.
VIEWERS: dict[str, tuple[Callable[[Any], Any], bool | None]] = {
    "memoryview": (memoryview, True),
    "slice of a memoryview": (lambda exporter: memoryview(exporter)[:], True),
    "cast memoryview": (lambda exporter: memoryview(exporter).cast("c").cast("B"), True),
    "iterator": (lambda exporter: (iter(memoryview(exporter)), memoryview(exporter))[1], True),
    "frombuffer": (lambda exporter: numpy.frombuffer(exporter, "u1"), True),
    "asarray": (lambda exporter: numpy.asarray(memoryview(exporter)), True),
    "slice of an array": (lambda exporter: numpy.frombuffer(exporter, "u1")[1:].base, True),
    "ndarray": (lambda exporter: numpy.ndarray((SIZE,), "u1", buffer=exporter), False),
    "ndarray of a memoryview": (lambda exporter: numpy.ndarray((SIZE,), "u1", buffer=memoryview(exporter)), None),
    "ctypes": (lambda exporter: (ctypes.c_ubyte * SIZE).from_buffer(exporter), True),
    "pyarrow": (lambda exporter: numpy.frombuffer(pyarrow.py_buffer(exporter), "u1"), True),
    "unpack_from": (lambda exporter: struct.unpack_from(f"{SIZE}B", exporter), False),
    "bytes": (lambda exporter: bytes(memoryview(exporter)), False),
    "address": (Address, False),
}


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """What must come out of the block is what was raised in it."""
    try:
        yield
    except KeyError as error:
        if getattr(error, "__notes__", []) or isinstance(error.__context__, BufferError):
            raise BufferError("in a note") from error


def end_of_with(exporter: Any, *, raises: bool) -> None:
    with raising(), exporter:
        if raises:
            raise KeyError("mine")


def resize(exporter: Any, length: int) -> None:
    """With its file, where it is its file's to be changed."""
    follows = isinstance(exporter, zcio.Region) and exporter.name and exporter.mode == "r+"
    exporter.resize(length, **{"truncate": True} if follows else {})


REGIONS = [name for name in EXPORTERS if name.split()[0] in {"Region", "SharedRegion"}]
MMAPS = [name for name in EXPORTERS if name.split()[0] == "mmap"]
GROWING = ["Region", "Region guarded", "Region anonymous", "mmap"]
# What is done, to which exporters, and whether views stand in the way.
ACTIONS: dict[str, tuple[Callable[[Any], object], list[str], bool]] = {
    "close": (lambda exporter: exporter.close(), REGIONS + MMAPS, True),
    "close(strict=False)": (lambda exporter: exporter.close(strict=False), REGIONS, False),
    "end of with": (lambda exporter: end_of_with(exporter, raises=False), REGIONS + MMAPS, True),
    "exception in with": (lambda exporter: end_of_with(exporter, raises=True), REGIONS + MMAPS, True),
    "resize longer": (lambda exporter: resize(exporter, 64 * SIZE), GROWING, True),
    "resize shorter": (lambda exporter: resize(exporter, 100), REGIONS[:-1] + MMAPS, True),
    "grow": (lambda exporter: exporter.grow(64 * SIZE), ["SharedRegion"], True),
    "seal": (lambda exporter: exporter.seal("write"), ["SharedRegion"], True),
    "protect": (lambda exporter: exporter.protect("none"), REGIONS, True),
    "truncate": (lambda exporter: os.truncate(exporter.name, 100), ["Region guarded"], False),
    "nothing": (lambda _: None, list(EXPORTERS), False),
}


def keeps(view: Any, expected: bool | None) -> bool:
    if expected is not None:
        return expected
    while isinstance(view, numpy.ndarray):
        view = view.base
    return isinstance(view, memoryview)


def look(view: Any, what: str) -> None:
    seen = [view[place] for place in PLACES]
    allowed = [(DATA[place], 0) for place in PLACES]
    wrong = [place for place, byte, right in zip(PLACES, seen, allowed, strict=True) if byte not in right]
    assert not wrong, f"{what}: {wrong}"


def store(view: Any) -> None:
    """A store, where the view allows one, is no crash."""
    if not isinstance(view, bytes | tuple):
        with contextlib.suppress(TypeError, ValueError):
            view[PLACES[-1]] = DATA[PLACES[-1]]


def pair(exporter: Any, viewer: str, action: str) -> str:
    """Makes the view, does the thing, looks; whatever else is mapped meanwhile must not be seen."""
    make, expected = VIEWERS[viewer]
    work, _, minds = ACTIONS[action]
    writable = not memoryview(exporter).readonly
    if viewer == "ctypes" and not writable:
        return "as it should be"
    view = make(exporter)
    exported = keeps(view, expected)
    gc.collect()
    refused = False
    try:
        work(exporter)
    except BufferError:
        refused = True
    assert refused == (minds and exported), f"refused: {refused}, an export is kept: {exported}"
    others = [mmap.mmap(-1, SIZE) for _ in range(50)]
    for other in others:
        other[:] = FOREIGN * SIZE
    look(view, action)
    if refused or action == "nothing":
        assert [view[place] for place in PLACES] == [DATA[place] for place in PLACES], "content"
    if writable or viewer != "address":
        store(view)
    del exporter
    gc.collect()
    look(view, "without the exporter's name")
    return "as it should be"


def main() -> None:
    name, directory = sys.argv[1], Path(sys.argv[2])
    for viewer in VIEWERS:
        for action in ACTIONS:
            if name not in ACTIONS[action][1]:
                continue
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    answer = pair(EXPORTERS[name](directory), viewer, action)
                except BaseException as error:
                    answer = f"{type(error).__name__}: {error}"
                os.write(writer, answer.encode())
                os._exit(0)
            os.close(writer)
            with os.fdopen(reader) as answers:
                answer = answers.read()
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            print(json.dumps([viewer, action, code, answer]), flush=True)


if __name__ == "__main__":
    main()
