"""zcio's lane: everything but regions, which are in memory.py."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal

import memory
import zcio
from job import Job, Moved, connect, wait_for_receiver

COPIES = ("file_to_file", "file_to_file_xfs", "file_to_file_tmpfs")


def serve(method: str) -> Callable[[Job], None]:
    """Serves jobs; what else than zcio's own way is asked for is known by the method's name."""
    routes = {
        "file_to_tcp": file_to_tcp,
        "file_to_tcp_connections": file_to_tcp,
        "tcp_to_file": tcp_to_file,
        "tcp_to_file_durable": partial(tcp_to_file, mechanism="direct_io") if method == "zcio_direct" else tcp_to_file,
        **dict.fromkeys(COPIES, copy if method == "zcio_copy" else file_to_file),
        "relay": relay,
        "file_to_pipe": file_to_pipe,
        "small_files": small_files if method == "zcio_each" else batch,
        "small_ranges": small_ranges,
        "mapped_scan": memory.scan,
        "map_close": memory.map_close,
        "random_read": memory.random_reads if method == "zcio_reads" else memory.random,
        "random_read_direct": memory.random_reads if method == "zcio_reads" else memory.random,
        "hand_over": memory.hand_over,
    }
    return lambda job: routes[job.route](job)


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


def tcp_to_file(job: Job, mechanism: Literal["auto", "direct_io"] = "auto") -> None:
    """Receives into a file, the same one again where there are several in the stream."""
    times, size = job.number("times"), job.number("bytes")
    durable = job.route == "tcp_to_file_durable"
    with connect(job.source) as connection:

        def one() -> zcio.Report:
            if times == 1 and not durable:
                return zcio.transfer(connection, job.sink)
            with open(job.sink, "wb") as sink:
                report = zcio.transfer(connection, sink, count=None if times == 1 else size, mechanism=mechanism)
                if durable:
                    os.fdatasync(sink.fileno())
            return report

        job.timed(lambda: summed([one() for _ in range(times)]))


def file_to_file(job: Job) -> None:
    """Copies a file, over the same new one where it is done several times."""
    times = job.number("times")
    job.timed(lambda: summed([zcio.transfer(job.source, job.sink) for _ in range(times)]))


def copy(job: Job) -> None:
    """The same by the function that is there for it."""
    times = job.number("times")

    def work() -> Moved:
        reports = [zcio.copy(job.source, job.sink) for _ in range(times)]
        return Moved(sum(report.bytes + report.holes for report in reports), str(reports[-1].mechanism))

    job.timed(work)


def relay(job: Job) -> None:
    """Joins the two, in both directions: it is over when the receiver, too, has closed."""
    with connect(job.source) as source, connect(job.sink) as sink:

        def work() -> Moved:
            way = zcio.relay(source, sink).forward
            return Moved(way.bytes, str(way.mechanism))

        job.timed(work)


def batch(job: Job) -> None:
    """Sends every file of a folder in one call."""
    paths = [Path(job.source, f"{index:05}") for index in range(job.number("files"))]
    each = job.number("bytes")
    with connect(job.sink) as connection:

        def work() -> Moved:
            mechanism = None
            report = zcio.batch([(path, connection, 0, each) for path in paths])
            for item in report.items:
                if isinstance(item, Exception):
                    raise item
                mechanism = str(item.mechanism)
            wait_for_receiver(connection)
            return Moved(report.bytes, mechanism)

        job.timed(work)


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
