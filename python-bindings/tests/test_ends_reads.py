"""The table of `test_ends.py` for many reads: files are closed and memory taken away between the first and the last."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import zcio
import zcio._zcio
import zcio.aio
from places import DATA, MEMORY, SINKS, SIZE, SOURCES, STREAMS, Place, Source, Table
from support import background
from test_ends import do

PIECE = 4096
ROUNDS = 6
NUMBERED = {"number", "object"}
FILES: Table = {name: row for name, row in SOURCES.items() if row[0] in NUMBERED and name not in STREAMS}
BUFFERS: Table = {name: row for name, row in SINKS.items() if row[0] in MEMORY}
READS: dict[str, Callable[[Any], zcio.ReadsReport]] = {
    "reads": zcio.reads,
    "aio": lambda items: asyncio.run(zcio.aio.reads(items)),
}


def test_every_kind_of_end_that_reads_take_has_a_row() -> None:
    taken = {kind for kind, _, _ in (*FILES.values(), *BUFFERS.values())}
    assert taken == set(zcio._zcio.END_KINDS) - {"path"}


def rows(table: Table) -> list[Any]:
    return [
        pytest.param(way, make, deed, id=f"{way}-{name}-{deed}")
        for way in READS
        for name, (_, deeds, make) in table.items()
        for deed in (*deeds, "nothing")
    ]


class Midst:
    """Does the deed in another thread while reads are made, when the first byte has been stored."""

    def __init__(self, place: Place, deed: str, stored: Callable[[], bool]) -> None:
        self.place, self.deed, self.stored = place, deed, stored
        self.over = threading.Event()

    def __call__(self) -> None:
        while not self.stored() and not self.over.is_set():
            time.sleep(0)
        do(self.place, self.deed)


def pieces(file: Any, memory: memoryview) -> Iterable[tuple[Any, int, memoryview]]:
    # More than once, so that there is a midst.
    for _ in range(ROUNDS):
        for at in range(0, SIZE, PIECE):
            yield file, at, memory[at : at + PIECE]


def judge(report: zcio.ReadsReport, found: bytes | None, complete: bool) -> None:
    counts = [count if isinstance(count, int) else 0 for count in report.reads]
    assert all(count in {0, PIECE} for count in counts)
    if complete:
        assert sum(counts) == ROUNDS * SIZE
    if found is not None:
        assert all(found[at : at + 16] in {DATA[:16], bytes(16)} for at in range(0, SIZE, 16)), "another's bytes"


@pytest.mark.parametrize(("way", "make", "deed"), rows(FILES))
def test_a_file_is_what_it_was(way: str, make: Source, deed: str, tmp_path: Path) -> None:
    place = Place(tmp_path, DATA)
    memory = bytearray(SIZE)
    with place.stack:
        make(place)
        midst = Midst(place, deed, lambda: memory[0] != 0)
        with background(midst):
            report = READS[way](pieces(place.end, memoryview(memory)))
            midst.over.set()
        judge(report, bytes(memory), True)
        assert memory == DATA
        place.check()


@pytest.mark.parametrize(("way", "make", "deed"), rows(BUFFERS))
def test_memory_is_what_it_was(way: str, make: Source, deed: str, tmp_path: Path) -> None:
    place = Place(tmp_path, b"")
    source = tmp_path / "source"
    source.write_bytes(DATA)
    with place.stack:
        make(place)
        file = place.opened(source, os.O_RDONLY)
        view = memoryview(place.end).cast("B")
        midst = Midst(place, deed, lambda: place.has_any(file))
        with background(midst):
            report = READS[way](pieces(file, view))
            midst.over.set()
        judge(report, None if deed == "leave" else bytes(view), deed != "leave")
        view.release()
        place.check()
