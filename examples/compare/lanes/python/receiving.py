"""From sockets to files and sockets, by the standard library."""

from __future__ import annotations

import os
import socket

from job import BLOCK, LARGE_BLOCK, Job, Moved, connect, wait_for_receiver


def tcp_to_file(job: Job, method: str) -> None:
    """Receives into a file, the same one again where there are several in the stream."""
    times, size = job.number("times"), job.number("bytes")
    receive = receive_by_loop if method == "loop" else receive_into
    durable = job.route == "tcp_to_file_durable"
    with connect(job.source) as connection:

        def work() -> Moved:
            moved = 0
            for _ in range(times):
                moved += receive(connection, job.sink, size, durable)
            return Moved(moved)

        job.timed(work)


def receive_by_loop(connection: socket.socket, sink: str, size: int, durable: bool) -> int:
    """Receives a block and writes it, 64 KiB at a time."""
    moved = 0
    # Buffered, so that every byte is written; blocks of this size go straight through.
    with open(sink, "wb") as file:
        while block := connection.recv(min(BLOCK, size - moved)):
            file.write(block)
            moved += len(block)
    return moved


def receive_into(connection: socket.socket, sink: str, size: int, durable: bool) -> int:
    """Receives into one buffer again and again."""
    moved = 0
    buffer = memoryview(bytearray(LARGE_BLOCK))
    with open(sink, "wb") as file:
        while moved < size and (count := connection.recv_into(buffer, min(LARGE_BLOCK, size - moved))):
            file.write(buffer[:count])
            moved += count
        if durable:
            file.flush()
            os.fsync(file.fileno())
    return moved


def relay(job: Job, method: str) -> None:
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
