"""A sparse file of more than 4 GiB with islands of content where 32 bits end, through TCP and into another file."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import zcio
from support import background, content, tcp_pair

SIZE = (4 << 30) + (64 << 20)
ISLAND = 1 << 20
# Across 2 GiB and 4 GiB, where signed and unsigned 32 bits end, and at both ends.
ISLANDS = [0, (2 << 30) - 4097, (4 << 30) - ISLAND // 2, (4 << 30) + (32 << 20) + 1, SIZE - ISLAND]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("large") / "source"
    with path.open("wb") as file:
        file.truncate(SIZE)
        for at in ISLANDS:
            file.seek(at)
            file.write(content(ISLAND, seed=at))
    yield path
    path.unlink()


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "sink"
    yield path
    path.unlink()


class Checker:
    """Compares a stream of bytes with what the source holds, as it comes."""

    def __init__(self) -> None:
        self.at = 0
        self.zeroes = bytes(1 << 20)

    def feed_buffer(self, buffer: bytearray, count: int) -> None:
        """Most of the file is zeroes, and comparing whole buffers copies nothing."""
        end = self.at + count
        if count == len(self.zeroes) and not any(start < end and self.at < start + ISLAND for start in ISLANDS):
            # Not compared in the assertion itself: pytest would explain the difference of two MiB line by line.
            same = buffer == self.zeroes
            assert same, f"wrong bytes in {self.at}..{end}"
            self.at = end
        else:
            with memoryview(buffer) as view:
                self.feed(view[:count])

    def feed(self, chunk: memoryview) -> None:
        while chunk:
            length = self._one_kind(chunk)
            chunk = chunk[length:]

    def _one_kind(self, chunk: memoryview) -> int:
        for start in ISLANDS:
            if start <= self.at < start + ISLAND:
                length = min(len(chunk), start + ISLAND - self.at)
                expected = content(ISLAND, seed=start)[self.at - start :][:length]
                break
        else:
            following = min((start for start in ISLANDS if start > self.at), default=SIZE)
            length = min(len(chunk), following - self.at, len(self.zeroes))
            expected = self.zeroes if length == len(self.zeroes) else self.zeroes[:length]
        # Not as memoryviews, which compare element by element.
        same = chunk[:length].tobytes() == expected
        assert same, f"wrong bytes in {self.at}..{self.at + length}"
        self.at += length
        return length


def test_file_to_tcp(source: Path) -> None:
    checker = Checker()
    with tcp_pair() as (near, far):

        def check() -> None:
            buffer = bytearray(1 << 20)
            while count := far.recv_into(buffer, len(buffer), socket.MSG_WAITALL):
                checker.feed_buffer(buffer, count)

        with background(check):
            try:
                report = zcio.transfer(source, near)
            finally:
                near.close()
    assert (report.bytes, checker.at, report.mechanism) == (SIZE, SIZE, "splice")


def test_file_to_file(source: Path, sink: Path) -> None:
    report = zcio.transfer(source, sink)
    assert report.bytes == SIZE
    checker = Checker()
    buffer = bytearray(1 << 20)
    with sink.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            checker.feed_buffer(buffer, count)
    assert checker.at == SIZE


def test_a_range_beyond_four_gib(source: Path, sink: Path) -> None:
    """Offset, count and positions are 64 bits wide."""
    at = ISLANDS[2]
    with source.open("rb") as file, sink.open("wb") as out:
        file.seek(at)
        zcio.transfer(file, out, count=ISLAND)
        assert file.tell() == at + ISLAND
        zcio.transfer(file, out, offset=ISLANDS[3], count=ISLAND, dst_offset=ISLAND)
    assert sink.read_bytes() == content(ISLAND, seed=at) + content(ISLAND, seed=ISLANDS[3])


def test_the_checker_can_fail() -> None:
    checker = Checker()
    checker.feed(memoryview(content(ISLAND, seed=0)))
    checker.feed(memoryview(bytes(3)))
    with pytest.raises(AssertionError, match="wrong bytes"):
        checker.feed(memoryview(b"\x01"))
    checker.at = ISLAND
    with pytest.raises(AssertionError, match="wrong bytes"):
        checker.feed_buffer(bytearray(ISLAND - 1) + b"\x01", ISLAND)
