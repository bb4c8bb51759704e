"""From files to sockets and pipes, by the standard library."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from job import BLOCK, Job, Moved, connect, wait_for_receiver


def file_to_tcp(job: Job, send: Callable[[str, socket.socket], int]) -> None:
    """Sends a file over each connection, a thread each where there are many."""
    times, connections = job.number("times"), job.number("connections")

    def one(connection: socket.socket) -> int:
        moved = sum(send(job.source, connection) for _ in range(times))
        wait_for_receiver(connection)
        return moved

    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(connect(job.sink)) for _ in range(connections)]
        pool = stack.enter_context(ThreadPoolExecutor(connections))
        each = map if connections == 1 else pool.map
        job.timed(lambda: Moved(sum(each(one, sockets))))


def send_by_loop(source: str, connection: socket.socket) -> int:
    """Reads a block and sends it."""
    moved = 0
    with open(source, "rb", buffering=0) as file:
        while block := file.read(BLOCK):
            connection.sendall(block)
            moved += len(block)
    return moved


def send_by_library(source: str, connection: socket.socket) -> int:
    """What the library's own server would do."""
    with open(source, "rb") as file:
        return connection.sendfile(file)


def file_to_pipe(job: Job) -> None:
    """Writes a file into a pipe."""
    times = job.number("times")
    with open(job.sink, "wb", buffering=0) as pipe:

        def work() -> Moved:
            moved = 0
            for _ in range(times):
                with open(job.source, "rb") as file:
                    while count := os.splice(file.fileno(), pipe.fileno(), 1 << 30):
                        moved += count
            return Moved(moved)

        job.timed(work)


def small_files(job: Job) -> None:
    """Opens, sends and closes every file of a folder."""
    paths = [Path(job.source, f"{index:05}") for index in range(job.number("files"))]
    each = job.number("bytes")
    with connect(job.sink) as connection:

        def work() -> Moved:
            moved = 0
            for path in paths:
                file = os.open(path, os.O_RDONLY)
                left = each
                while left:
                    left -= os.sendfile(connection.fileno(), file, None, left)
                os.close(file)
                moved += each
            wait_for_receiver(connection)
            return Moved(moved)

        job.timed(work)


def small_ranges(job: Job) -> None:
    """Sends a file in pieces."""
    each, size = job.number("bytes"), Path(job.source).stat().st_size
    with connect(job.sink) as connection, open(job.source, "rb") as file:

        def work() -> Moved:
            moved = 0
            for offset in range(0, size, each):
                moved += os.sendfile(connection.fileno(), file.fileno(), offset, each)
            wait_for_receiver(connection)
            return Moved(moved)

        job.timed(work)
