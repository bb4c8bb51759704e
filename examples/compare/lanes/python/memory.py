"""Regions and reads: the routes of reading.py, by zcio."""

from __future__ import annotations

import os
import socket
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import zcio
from job import Job, Moved
from reading import LENGTH, MASK, PAGE, places

# Reads that are asked for in one call, which itself costs as much as a dozen of them.
A_CALL = 256


def scan(job: Job) -> None:
    """The CRC-32 of a file, through a region."""

    def work() -> Moved:
        moved = digest = 0
        for _ in range(job.number("times")):
            with zcio.Region.open(job.source) as region:
                digest = zlib.crc32(region)
                moved += len(region)
        return Moved(moved, digest=digest)

    job.timed(work)


def map_close(job: Job) -> None:
    """Maps, touches and closes, again and again."""
    times = job.number("times")
    with open(job.source, "rb") as file:

        def work() -> Moved:
            digest = 0
            for _ in range(times):
                with zcio.Region.open(file, length=LENGTH) as region:
                    digest += sum(region[::PAGE])
            return Moved(times * LENGTH, digest=digest)

        job.timed(work)


def random(job: Job) -> None:
    """Blocks at random places, as many at a time as there are threads: out of a region, or past the page cache."""
    depth, content = job.number("depth"), job.fields["check"] == "content"
    size = Path(job.source).stat().st_size
    wanted = places(job.number("blocks"), size // PAGE)
    share = -(-len(wanted) // depth)

    def in_threads(read: Callable[[zcio.AlignedBuffer, int], int]) -> None:
        def some(first: int) -> int:
            block, total = zcio.AlignedBuffer(PAGE), 0
            view = memoryview(block)
            for place in wanted[first : first + share]:
                if read(block, place) != PAGE:
                    raise EOFError("the file has become shorter")
                total += zlib.crc32(view) if content else int.from_bytes(view[:8], "little")
            return total

        def work() -> Moved:
            digest = sum(pool.map(some, range(0, len(wanted), share))) & MASK
            return Moved(len(wanted) * PAGE, digest=digest)

        with ThreadPoolExecutor(depth) as pool:
            job.timed(work)

    if job.route == "random_read":
        with zcio.Region.open(job.source, guard=True) as region:
            in_threads(region.read_into)
        return
    # Opened for it once, which read_direct takes as it is.
    file = os.open(job.source, os.O_RDONLY | os.O_DIRECT)
    in_threads(lambda block, place: zcio.read_direct(file, block, offset=place))
    os.close(file)


def random_reads(job: Job) -> None:
    """Blocks at random places, by zcio.reads."""
    depth, content = job.number("depth"), job.fields["check"] == "content"
    file = os.open(job.source, os.O_RDONLY | (os.O_DIRECT if job.route == "random_read_direct" else 0))
    wanted = places(job.number("blocks"), os.fstat(file).st_size // PAGE)
    memory = memoryview(zcio.AlignedBuffer(A_CALL * PAGE))
    blocks = [memory[at : at + PAGE] for at in range(0, len(memory), PAGE)]

    def work() -> Moved:
        digest = 0
        for first in range(0, len(wanted), A_CALL):
            items = list(zip(repeat(file), wanted[first : first + A_CALL], blocks, strict=False))
            if sum(zcio.reads(items, depth=depth).reads) != len(items) * PAGE:  # type: ignore[arg-type]
                raise EOFError("the file has become shorter")
            for _, _, block in items:
                digest += zlib.crc32(block) if content else int.from_bytes(block[:8], "little")
        return Moved(len(wanted) * PAGE, digest=digest & MASK)

    job.timed(work)
    os.close(file)


def hand_over(job: Job) -> None:
    """Puts bytes into shared memory and hands it over, again and again."""
    times = job.number("times")
    with open(job.source, "rb") as file:
        content = file.read()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(job.sink)

        def work() -> Moved:
            for _ in range(times):
                with zcio.SharedRegion.create(len(content)) as shared:
                    shared.write(content)
                    shared.seal("shrink")
                    shared.send(connection)
                if not connection.recv(1):
                    raise EOFError("the consumer has gone")
            return Moved(times * len(content))

        job.timed(work)
