"""The words of a file as an array, on numpy's own mapping or on a Region."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy
from job import Job, Moved

WORD = 8


def serve(method: str) -> Callable[[Job], None]:
    """Serves jobs by one of the two mappings."""
    if method == "numpy":
        return lambda job: mapped_sum(job, sum_of_memmap)
    import zcio

    def sum_of_region(path: str) -> int:
        with zcio.Region.open(path) as region:
            return total(numpy.frombuffer(memoryview(region), dtype="<u8", count=len(region) // WORD))

    return lambda job: mapped_sum(job, sum_of_region)


def mapped_sum(job: Job, one: Callable[[str], int]) -> None:
    """The sum of a file's words, from opening it to closing it."""
    times, size = job.number("times"), Path(job.source).stat().st_size

    def work() -> Moved:
        digest = 0
        for _ in range(times):
            digest = one(job.source)
        return Moved(times * size, digest=digest)

    job.timed(work)


def sum_of_memmap(path: str) -> int:
    """By numpy's own mapping, which is closed when nobody has it any more."""
    words = Path(path).stat().st_size // WORD
    return total(numpy.memmap(path, dtype="<u8", mode="r", shape=(words,)))


def total(words: numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.uint64]]) -> int:
    """Modulo 2⁶⁴, as numpy adds."""
    return int(words.sum())
