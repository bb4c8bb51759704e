"""zcio.aio on asyncio's own loop, with its streams as ends: what a program that has them changes."""

from __future__ import annotations

import asyncio

import zcio.aio
from event_loop import Streams, Work, connect, finish
from job import Job, Moved


async def file_to_tcp(job: Job) -> Work:
    """Sends a file over each connection, all in one thread."""
    times = job.number("times")
    connections = [await connect(job.sink) for _ in range(job.number("connections"))]

    async def send(streams: Streams) -> list[zcio.Report]:
        reports = [await zcio.aio.transfer(job.source, streams[1]) for _ in range(times)]
        await finish(*streams)
        return reports

    async def work() -> Moved:
        each = await asyncio.gather(*map(send, connections))
        return summed([report for reports in each for report in reports])

    return work


async def tcp_to_file(job: Job) -> Work:
    """Receives into a file, the same one again where there are several in the stream."""
    times, size = job.number("times"), job.number("bytes")
    reader, writer = await connect(job.source)

    async def work() -> Moved:
        reports = []
        for _ in range(times):
            with open(job.sink, "wb") as file:
                reports.append(await zcio.aio.transfer(reader, file, count=size))
        writer.close()
        return summed(reports)

    return work


async def relay(job: Job) -> Work:
    """Joins the two, in both directions."""
    source, sink = await connect(job.source), await connect(job.sink)

    async def work() -> Moved:
        way = (await zcio.aio.relay(source, sink)).forward
        source[1].close()
        sink[1].close()
        return Moved(way.bytes, str(way.mechanism))

    return work


def summed(reports: list[zcio.Report]) -> Moved:
    """All of them as one."""
    return Moved(sum(report.bytes for report in reports), str(reports[-1].mechanism))


ROUTES = {
    "file_to_tcp": file_to_tcp,
    "file_to_tcp_connections": file_to_tcp,
    "tcp_to_file": tcp_to_file,
    "relay": relay,
}
