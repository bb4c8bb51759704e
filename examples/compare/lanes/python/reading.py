"""The routes on which bytes are looked at: a checksum, mappings, blocks at random places, and a hand-over of memory."""

from __future__ import annotations

import fcntl
import mmap
import os
import socket
import zlib
from concurrent.futures import ThreadPoolExecutor

from job import Job, Moved

PAGE = 4096
# What map_close maps of the file: src/routes/map_close.rs.
LENGTH = 64 << 10
# What zcio sends along with a descriptor of shared memory: src/routes/hand_over.rs.
GREETING = b"zcio-mem"
F_ADD_SEALS, F_SEAL_SHRINK = 1033, 2
MASK = (1 << 64) - 1


def scan(job: Job) -> None:
    """The CRC-32 of a file, through a mapping."""

    def work() -> Moved:
        moved = digest = 0
        for _ in range(job.number("times")):
            with open(job.source, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
                digest = zlib.crc32(mapped)
                moved += len(mapped)
        return Moved(moved, digest=digest)

    job.timed(work)


def map_close(job: Job) -> None:
    """Maps, touches and closes, again and again."""
    times = job.number("times")
    with open(job.source, "rb") as file:

        def work() -> Moved:
            digest = 0
            for _ in range(times):
                with mmap.mmap(file.fileno(), LENGTH, prot=mmap.PROT_READ) as mapped:
                    digest += sum(mapped[::PAGE])
            return Moved(times * LENGTH, digest=digest)

        job.timed(work)


def places(count: int, in_file: int) -> list[int]:
    """The same sequence in every language: see src/routes/random_read.rs."""
    state, found = 1, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK
        found.append((state >> 33) % in_file * PAGE)
    return found


def random(job: Job) -> None:
    """Blocks at random places, as many at a time as there are threads."""
    depth, content = job.number("depth"), job.fields["check"] == "content"
    flags = os.O_RDONLY | (os.O_DIRECT if job.route == "random_read_direct" else 0)
    file = os.open(job.source, flags)
    wanted = places(job.number("blocks"), os.fstat(file).st_size // PAGE)
    share = -(-len(wanted) // depth)

    def read(first: int) -> int:
        # Anonymous memory is aligned, as O_DIRECT wants it.
        block, total = mmap.mmap(-1, PAGE), 0
        for place in wanted[first : first + share]:
            if os.preadv(file, [block], place) != PAGE:
                raise EOFError("the file has become shorter")
            total += zlib.crc32(block) if content else int.from_bytes(block[:8], "little")
        return total

    def work() -> Moved:
        digest = sum(pool.map(read, range(0, len(wanted), share))) & MASK
        return Moved(len(wanted) * PAGE, digest=digest)

    with ThreadPoolExecutor(depth) as pool:
        job.timed(work)
    os.close(file)


def hand_over(job: Job) -> None:
    """Puts bytes into memory that can be shared, and hands it over, again and again."""
    times = job.number("times")
    with open(job.source, "rb") as file:
        content = file.read()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(job.sink)

        def work() -> Moved:
            for _ in range(times):
                memory = os.memfd_create("hand-over", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
                os.ftruncate(memory, len(content))
                with mmap.mmap(memory, len(content)) as mapped:
                    mapped[:] = content
                fcntl.fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK)
                socket.send_fds(connection, [GREETING], [memory])
                os.close(memory)
                if not connection.recv(1):
                    raise EOFError("the consumer has gone")
            return Moved(times * len(content))

        job.timed(work)
