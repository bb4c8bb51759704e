"""Each method of zcio.compat.mmap with every kind of argument, beside the original, which says what is right: the same
value, content and position, or an exception of the same class with the same errno.

Memory of every kind is tried: shared, private and read-only, of a file, of a part of it, and of none.
"""

import contextlib
import copy
import functools
import mmap as original
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import content
from zcio.compat import mmap

SIZE = 3 * original.PAGESIZE
DATA = content(SIZE)
LARGEST = sys.maxsize

Make = Callable[[Any, int], Any]
Use = Callable[[Any], Any]

KINDS: dict[str, Make] = {
    "shared": lambda m, fd: m.mmap(fd, 0),
    "written": lambda m, fd: m.mmap(fd, 0, access=m.ACCESS_WRITE),
    "read": lambda m, fd: m.mmap(fd, 0, access=m.ACCESS_READ),
    "copied": lambda m, fd: m.mmap(fd, 0, access=m.ACCESS_COPY),
    "private": lambda m, fd: m.mmap(fd, SIZE, flags=m.MAP_PRIVATE),
    "read by right": lambda m, fd: m.mmap(fd, SIZE, prot=m.PROT_READ),
    "a part": lambda m, fd: m.mmap(fd, m.PAGESIZE + 100, offset=m.ALLOCATIONGRANULARITY),
    "no file": lambda m, _: m.mmap(-1, SIZE),
    "no file, private": lambda m, _: m.mmap(-1, SIZE, flags=m.MAP_PRIVATE | m.MAP_ANONYMOUS),
}
if sys.version_info >= (3, 13):
    KINDS["not tracked"] = lambda m, fd: m.mmap(fd, 0, trackfd=False)

# Makers that are refused, or not.
OPENED: dict[str, Make] = {
    f"mmap({length}, {options})": lambda m, fd, length=length, options=options: len(m.mmap(fd, length, **options))
    for length in (-1, 0, 1, SIZE, SIZE + 1, LARGEST + 1)
    for options in ({}, {"access": 1}, {"access": 3}, {"access": 9}, {"access": 1, "prot": 1}, {"flags": 2, "prot": 1})
} | {
    f"offset {offset}": lambda m, fd, offset=offset: m.mmap(fd, 0, offset=offset)[:]  # type: ignore[misc]
    for offset in (-original.PAGESIZE, original.PAGESIZE, SIZE, 2 * SIZE, LARGEST + 1)
}

NUMBERS = (0, 1, -1, 4096, SIZE - 1, SIZE, SIZE + 1, -SIZE, -SIZE - 1, LARGEST, -LARGEST - 1, LARGEST + 1, 1.0, "1")
METHODS: dict[str, Use] = {}


def use(name: str, of: Use) -> None:
    METHODS[name] = of


for number in NUMBERS:
    use(f"read({number!r})", lambda m, n=number: m.read(n))  # type: ignore[misc]
    use(f"[{number!r}]", lambda m, n=number: m[n])  # type: ignore[misc]
    # Of 0 the original empties the file before it is refused, and of what is too large it makes a file of that size.
    if number not in {0, SIZE + 1, LARGEST}:
        use(f"resize({number!r})", lambda m, n=number: m.resize(n))  # type: ignore[misc]
    for whence in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END, 9):
        # It gives the position back from Python 3.13 on, and nothing before.
        use(f"seek({number!r}, {whence})", lambda m, n=number, w=whence: (m.seek(n, w), None)[1])  # type: ignore[misc]
    use(f"find at {number!r}", lambda m, n=number: m.find(DATA[100:103], n))  # type: ignore[misc]
    use(f"rfind to {number!r}", lambda m, n=number: m.rfind(DATA[100:103], 0, n))  # type: ignore[misc]
    for other in (0, 1, -1, 4096, SIZE, LARGEST + 1):
        use(f"flush({number!r}, {other})", lambda m, n=number, o=other: m.flush(n, o))  # type: ignore[misc]
        use(f"madvise({number!r}, {other})", lambda m, n=number, o=other: m.madvise(original.MADV_NORMAL, n, o))  # type: ignore[misc]
        use(f"move(4096, {number!r}, {other})", lambda m, n=number, o=other: m.move(4096, n, o))  # type: ignore[misc]
        use(f"move({number!r}, 1, {other})", lambda m, n=number, o=other: m.move(n, 1, o))  # type: ignore[misc]
for value in (b"", b"abc", bytearray(b"abc"), memoryview(b"abc"), DATA, DATA + b"x", "abc", None, 7):
    label = repr(value)[:12]
    use(f"write({label})", lambda m, v=value: m.write(v))  # type: ignore[misc]
    use(f"find({label})", lambda m, v=value: (m.find(v), m.rfind(v)))  # type: ignore[misc]
    use(f"[1:4] = {label}", lambda m, v=value: m.__setitem__(slice(1, 4), v))  # type: ignore[misc]
    use(f"[1:7:2] = {label}", lambda m, v=value: m.__setitem__(slice(1, 7, 2), v))  # type: ignore[misc]
    use(f"{label} in it", lambda m, v=value: v in m)  # type: ignore[misc]
for byte in (0, 255, 256, -1, "a", b"a", 1.0):
    use(f"write_byte({byte!r})", lambda m, b=byte: m.write_byte(b))  # type: ignore[misc]
    use(f"[5] = {byte!r}", lambda m, b=byte: m.__setitem__(5, b))  # type: ignore[misc]
for cut in (slice(None), slice(5, 2), slice(-10, None), slice(None, None, -1), slice(1, 9000, 4096), slice(0, 5, 0)):
    use(f"[{cut}]", lambda m, c=cut: m[c])  # type: ignore[misc]

METHODS |= {
    "size": lambda m: m.size(),
    "longer": lambda m: (m.resize(SIZE + 100), len(m), m[SIZE - 1]),
    "shorter": lambda m: (m.resize(100), len(m), m[:]),
    "flush": lambda m: m.flush(),
    "madvise from": lambda m: m.madvise(original.MADV_WILLNEED, original.PAGESIZE),
    "madvise what": lambda m: m.madvise(4711),
    "readline": lambda m: [m.readline() for _ in range(3)],
    "read_byte": lambda m: [m.read_byte() for _ in range(3)],
    "read_byte at the end": lambda m: (m.seek(0, os.SEEK_END), m.read_byte()),
    "read at the end": lambda m: (m.seek(0, os.SEEK_END), m.read(1), m.readline())[1:],
    "write at the end": lambda m: (m.seek(-2, os.SEEK_END), m.write(b"abc")),
    "write_byte at the end": lambda m: (m.seek(0, os.SEEK_END), m.write_byte(1)),
    "find from the position": lambda m: (m.seek(200), m.find(DATA[100:103]), m.rfind(DATA[300:303]))[1:],
    "iteration": lambda m: b"".join(m),
    "bytes": lambda m: bytes(m),
    "view": lambda m: (memoryview(m).readonly, memoryview(m).format, memoryview(m).nbytes, memoryview(m).shape),
    "repr": lambda m: repr(m),
    "repr in the midst": lambda m: (m.seek(7), repr(m))[1],
    "repr of what is closed": lambda m: (m.close(), repr(m)),
    "with": lambda m: (m.__enter__() is m, m.__exit__(None, None, None), m.closed),
    "with what is closed": lambda m: (m.close(), m.__enter__()),
    "closed twice": lambda m: (m.close(), m.close(), m.closed),
    "pickle": lambda m: pickle.dumps(m),
    "copy": lambda m: copy.copy(m),
    "equal": lambda m: (m == m, m == 5),
    "true": lambda m: bool(m),
    "hash": lambda m: hash(m) == hash(m),
    "added": lambda m: m + b"x",
}
for after in ("read", "read_byte", "readline", "tell", "size", "flush", "__len__"):
    use(f"closed, {after}", lambda m, after=after: (m.close(), getattr(m, after)()))  # type: ignore[misc]
if sys.version_info >= (3, 13):
    METHODS["seekable"] = lambda m: m.seekable()

# What goes beyond the original, which refuses it, or lets the process die of it.
BEYOND = {
    ("longer", "no file"): "the original's new pages cannot be touched",
}


def outcome(of: Callable[[], Any]) -> object:
    try:
        return "value", of()
    except Exception as error:
        known = (OSError, ValueError, TypeError, BufferError, IndexError, OverflowError)
        kinds = [kind.__name__ for kind in known if isinstance(error, kind)]
        return kinds or repr(error), getattr(error, "errno", None)


@contextlib.contextmanager
def file(directory: Path, name: str) -> Iterator[int]:
    path = directory / name
    path.write_bytes(DATA)
    fd = os.open(path, os.O_RDWR)
    try:
        yield fd
    finally:
        os.close(fd)


def told(module: Any, make: Make, of: Use, fd: int) -> object:
    mapped = make(module, fd)
    if not mapped.closed and mapped[:1] == b"\0":
        with contextlib.suppress(TypeError):
            mapped[:] = DATA
    answer = outcome(lambda: of(mapped))
    left = None if mapped.closed else (mapped.tell(), len(mapped), mapped[:])
    mapped.close()
    return answer, left, os.fstat(fd).st_size, os.pread(fd, 2 * SIZE, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_method(kind: str, tmp_path: Path) -> None:
    different = {}
    for name, of in METHODS.items():
        if (name, kind) in BEYOND:
            continue
        answers = []
        for module in (original, mmap):
            with file(tmp_path, "file") as fd:
                answers.append(told(module, KINDS[kind], of, fd))
        if answers[0] != answers[1]:
            different[name] = [str(answer)[:120] for answer in answers]
    assert not different


def test_every_way_to_make_one(tmp_path: Path) -> None:
    different = {}
    for name, make in OPENED.items():
        answers = []
        for module in (original, mmap):
            with file(tmp_path, "file") as fd:
                answers.append(outcome(functools.partial(make, module, fd)))
        if answers[0] != answers[1]:
            different[name] = [str(answer)[:120] for answer in answers]
    assert not different
