"""zcio's lane. A route that it does not serve yet is one function here, and one label in src/families/python.rs."""

from __future__ import annotations

import contextlib
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import zcio
from job import Job, Moved, connect, wait_for_receiver


def serve(job: Job) -> None:
    """One job."""
    {
        "file_to_tcp": file_to_tcp,
        "file_to_tcp_connections": file_to_tcp,
        "tcp_to_file": tcp_to_file,
        "tcp_to_file_durable": tcp_to_file,
        "file_to_file": file_to_file,
        "file_to_file_xfs": file_to_file,
        "file_to_file_tmpfs": file_to_file,
        "file_to_pipe": file_to_pipe,
        "small_files": small_files,
        "small_ranges": small_ranges,
    }[job.route](job)


def summed(reports: list[zcio.Report]) -> Moved:
    """All of them as one."""
    return Moved(sum(report.bytes for report in reports), str(reports[-1].mechanism))


def file_to_tcp(job: Job) -> None:
    """Sends a file over each connection, a thread each where there are many."""
    times, connections = job.number("times"), job.number("connections")

    def one(connection: socket.socket) -> list[zcio.Report]:
        reports = [zcio.transfer(job.source, connection) for _ in range(times)]
        wait_for_receiver(connection)
        return reports

    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(connect(job.sink)) for _ in range(connections)]
        pool = stack.enter_context(ThreadPoolExecutor(connections))
        each = map if connections == 1 else pool.map
        job.timed(lambda: summed([report for reports in each(one, sockets) for report in reports]))


def tcp_to_file(job: Job) -> None:
    """Receives into a file, the same one again where there are several in the stream."""
    times, size = job.number("times"), job.number("bytes")
    durable = job.route == "tcp_to_file_durable"
    with connect(job.source) as connection:

        def one() -> zcio.Report:
            if times == 1 and not durable:
                return zcio.transfer(connection, job.sink)
            with open(job.sink, "wb") as sink:
                report = zcio.transfer(connection, sink, count=None if times == 1 else size)
                if durable:
                    os.fdatasync(sink.fileno())
            return report

        job.timed(lambda: summed([one() for _ in range(times)]))


def file_to_file(job: Job) -> None:
    """Copies a file, over the same new one where it is done several times."""
    times = job.number("times")
    job.timed(lambda: summed([zcio.transfer(job.source, job.sink) for _ in range(times)]))


def file_to_pipe(job: Job) -> None:
    """Writes a file into a pipe."""
    times = job.number("times")
    with open(job.sink, "wb", buffering=0) as pipe:
        job.timed(lambda: summed([zcio.transfer(job.source, pipe) for _ in range(times)]))


def small_files(job: Job) -> None:
    """Sends every file of a folder."""
    paths = [Path(job.source, f"{index:05}") for index in range(job.number("files"))]
    with connect(job.sink) as connection:

        def work() -> Moved:
            moved = summed([zcio.transfer(path, connection) for path in paths])
            wait_for_receiver(connection)
            return moved

        job.timed(work)


def small_ranges(job: Job) -> None:
    """Sends a file in pieces."""
    each, size = job.number("bytes"), Path(job.source).stat().st_size
    with connect(job.sink) as connection, open(job.source, "rb") as file:

        def work() -> Moved:
            offsets = range(0, size, each)
            moved = summed([zcio.transfer(file, connection, offset=offset, count=each) for offset in offsets])
            wait_for_receiver(connection)
            return moved

        job.timed(work)
