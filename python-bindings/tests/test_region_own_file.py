"""A Region and its own file: it is not emptied under it, and its descriptor's number is not taken for another's."""

import asyncio
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zcio
import zcio.aio

CONTENT = bytes(range(250)) * 400


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other"
    path.write_bytes(b"of others")
    return path


# As a destination

SOURCES: list[Callable[[zcio.Region], Any]] = [
    lambda region: region,
    memoryview,
    lambda region: memoryview(region)[5000:],
    lambda region: pytest.importorskip("numpy").asarray(region),
    lambda region: pytest.importorskip("numpy").asarray(region)[70_000:],
]


async def in_a_loop(source: Any, path: Path) -> None:
    await zcio.aio.transfer(source, path)


OPERATIONS: list[Callable[[Any, Path], object]] = [
    lambda source, path: zcio.transfer(source, path),
    lambda source, path: zcio.transfer(source, str(path), count=10),
    lambda source, path: asyncio.run(in_a_loop(source, path)),
]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_its_own_path_is_refused_and_keeps_its_content(
    own: Path, mode: Any, source: Callable[[zcio.Region], Any], operation: Callable[[Any, Path], object]
) -> None:
    link = own.with_name("link")
    link.hardlink_to(own)
    region = zcio.Region.open(own, mode)
    for path in (own, link):
        with pytest.raises(ValueError, match="the source and the destination are the same file"):
            operation(source(region), path)
    assert own.read_bytes() == CONTENT == region.read()


# As a number


def put(path: Path, number: int) -> None:
    """In the place of what the number means."""
    fd = os.open(path, os.O_RDWR)
    os.dup2(fd, number)
    os.close(fd)


def close_if_it_is(path: Path, number: int) -> None:
    """It has been left to those who put it there."""
    assert os.path.samestat(os.fstat(number), path.stat())
    os.close(number)


def test_what_is_put_in_the_place_of_its_descriptor_is_neither_cut_nor_closed(own: Path, other: Path) -> None:
    number = os.open(own, os.O_RDWR)
    region = zcio.Region.open(number, "r+", closefd=True)
    put(other, number)
    for length in (10, 200_000):
        with pytest.raises(OSError, match="another file in its place"):
            region.resize(length, truncate=True)
    assert (region.read(), own.read_bytes(), other.read_bytes()) == (CONTENT, CONTENT, b"of others")
    region.close()
    close_if_it_is(other, number)


def test_of_a_path_too(own: Path, other: Path) -> None:
    region = zcio.Region.open(own, "r+")
    (number,) = [int(fd.name) for fd in Path("/proc/self/fd").iterdir() if fd.exists() and fd.samefile(own)]
    put(other, number)
    with pytest.raises(OSError, match="another file in its place"):
        region.resize(10, truncate=True)
    del region
    assert (own.read_bytes(), other.read_bytes()) == (CONTENT, b"of others")
    close_if_it_is(other, number)


def test_a_closed_number_is_not_closed_again(own: Path, other: Path) -> None:
    number = os.open(own, os.O_RDWR)
    region = zcio.Region.open(number, "r+", closefd=True)
    os.close(number)
    with pytest.raises(OSError, match="somebody else has closed"):
        region.resize(10, truncate=True)
    reused = os.open(other, os.O_RDONLY)
    if reused != number:
        os.dup2(reused, number)
        os.close(reused)
    region.close()
    close_if_it_is(other, number)


def test_shared_memory_gives_out_a_number_of_its_own_memory_only(other: Path) -> None:
    region = zcio.SharedRegion.create(4096)
    first = region.fileno()
    memory = os.fstat(first).st_ino
    assert region.fileno() == first
    put(other, first)
    second = region.fileno()
    assert second != first
    assert os.fstat(second).st_ino == memory
    region.grow(8192)
    assert os.fstat(second).st_size == 8192
    put(other, second)
    region.close()
    assert other.read_bytes() == b"of others"
    close_if_it_is(other, first)
    close_if_it_is(other, second)


# As a new file


def test_a_file_that_takes_the_name_of_a_new_one_is_not_mapped(tmp_path: Path) -> None:
    path = tmp_path / "name"
    over = threading.Event()

    def others() -> None:
        while not over.is_set():
            (tmp_path / "theirs").write_bytes(CONTENT)
            (tmp_path / "theirs").rename(path)

    thread = threading.Thread(target=others)
    thread.start()
    try:
        for _ in range(3000):
            with zcio.Region.open(path, "w+", length=100) as region:
                assert region.read() == bytes(100)
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("reserve", [None, True])
def test_a_file_keeps_its_content_if_a_new_length_is_refused(own: Path, reserve: bool | None) -> None:
    with pytest.raises(OSError, match=re.escape(str(own))):
        zcio.Region.open(own, "w+", length=1 << 62, reserve=reserve)
    assert own.read_bytes() == CONTENT
