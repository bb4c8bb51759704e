"""From a file to a new file, by the standard library."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from job import BLOCK, Job, Moved


def file_to_file(job: Job, copy: Callable[[str, str], int]) -> None:
    """Copies a file, over the same new one where it is done several times."""
    times = job.number("times")
    job.timed(lambda: Moved(sum(copy(job.source, job.sink) for _ in range(times))))


def copy_by_loop(source: str, sink: str) -> int:
    """Reads a block and writes it, 64 KiB at a time."""
    moved = 0
    # Buffered, so that every byte is written; blocks of this size go straight through.
    with open(source, "rb", buffering=0) as read, open(sink, "wb") as write:
        while block := read.read(BLOCK):
            write.write(block)
            moved += len(block)
    return moved


def copy_by_library(source: str, sink: str) -> int:
    """What the library has for it."""
    return Path(shutil.copyfile(source, sink)).stat().st_size
