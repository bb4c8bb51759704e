"""From sockets to files and sockets, by the standard library."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from job import BLOCK, LARGE_BLOCK, Job, Moved, connect, wait_for_receiver


def tcp_to_file(job: Job, receive: Callable[[Job, socket.socket], int]) -> None:
    """Receives into a file, the same one again where there are several in the stream."""
    times = job.number("times")
    with connect(job.source) as connection:

        def work() -> Moved:
            moved = 0
            for _ in range(times):
                moved += receive(job, connection)
            return Moved(moved)

        job.timed(work)


def receive_by_loop(job: Job, connection: socket.socket) -> int:
    """Receives a block and writes it, 64 KiB at a time."""
    moved, size = 0, job.number("bytes")
    # Buffered, so that every byte is written; blocks of this size go straight through.
    with open(job.sink, "wb") as file:
        while block := connection.recv(min(BLOCK, size - moved)):
            file.write(block)
            moved += len(block)
    return moved


def receive_into(job: Job, connection: socket.socket) -> int:
    """Receives into one buffer again and again."""
    moved, size = 0, job.number("bytes")
    buffer = memoryview(bytearray(LARGE_BLOCK))
    with open(job.sink, "wb") as file:
        while moved < size and (count := connection.recv_into(buffer, min(LARGE_BLOCK, size - moved))):
            file.write(buffer[:count])
            moved += count
        if job.route == "tcp_to_file_durable":
            file.flush()
            os.fsync(file.fileno())
    return moved


def relay(job: Job) -> None:
    """Hands on everything in one direction."""
    with connect(job.source) as source, connect(job.sink) as sink:

        def work() -> Moved:
            moved = 0
            buffer = memoryview(bytearray(LARGE_BLOCK))
            while count := source.recv_into(buffer):
                sink.sendall(buffer[:count])
                moved += count
            wait_for_receiver(sink)
            return Moved(moved)

        job.timed(work)
