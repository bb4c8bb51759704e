"""Transfers, relays and fan-outs for asyncio (its own loop, uvloop, or any other with ``add_reader``), trio, and anyio
on either.

::

    report = await zcio.aio.transfer("large.bin", sock)
    report = await zcio.aio.relay(client, server)
    report = await zcio.aio.fan_out("large.bin", socks)
    report = await zcio.aio.copy("large.bin", "copy.bin")

Nothing is waited for in the loop: sockets and pipes are waited for by the library that runs, and steps that a disk
could hold up (a path that is not in the kernel's cache of names, a source whose pages are not in the page cache, a file
to a file, direct I/O) are made in its worker threads. Each step takes some 2 ms at most. Writing to a file whose source
is a stream happens in the loop, into the page cache.

Every end is held until the end, so that a close in another task cannot lead the bytes elsewhere: an operation goes on
with what it was given. Sockets and pipes are switched to non-blocking mode if they are not; their timeouts do not count
here, ``asyncio.timeout()`` and its like do.

A task that is cancelled leaves a known count. So does a coroutine that is closed, and so does what a signal handler
raises; these two hold up the loop until the step that a thread is making is over. The exception has the count
(``.moved``, ``.undelivered``), and better, because a cancelled await may see another exception than the task, an object
that was there before has it::

    job = zcio.aio.Transfer("large.bin", sock)
    try:
        async with asyncio.timeout(10):
            report = await job
    except TimeoutError:
        print(job.bytes, "bytes were delivered")

The ends may also be trio's ``SocketStream`` and ``FdStream``, and anyio's ``SocketStream``, if no TLS is on top of
them. With asyncio they may be a ``StreamReader`` (as src), a ``StreamWriter`` or a transport (as dst or a sink), and
for ``relay`` the pair ``(reader, writer)``. What a reader has buffered already goes first, and what a writer has
buffered is waited for; the reader's transport does not read meanwhile. Nobody else may write to dst until the transfer
is over. What was taken from a reader and could not be delivered is put back into it, in front of what it still has, so
that ``undelivered`` is empty then (unless the reader can give nothing any more, because its connection failed); of a
fan-out that is what the slowest sink lacks.
"""

import asyncio
import builtins
import dataclasses
from collections.abc import Callable, Generator, Iterable
from typing import Any, Literal, TypeAlias, cast

from zcio._loops import Drive, Library, Progress, annotate, library
from zcio._observed import awaited
from zcio._reports import FanOutReport, RelayReport
from zcio._streams import Reading, SocketStream, StreamPair, flushed, is_stream, plain, socket_of
from zcio._threads import batch, copy, read_direct, reads
from zcio._types import End, Mechanism, Sink, Socket, Source, Visibility
from zcio._zcio import FanOutSteps, RelaySteps, Report, TransferSteps

__all__ = ["FanOut", "Relay", "Transfer", "batch", "copy", "fan_out", "read_direct", "reads", "relay", "transfer"]

_StreamSink: TypeAlias = asyncio.StreamWriter | asyncio.WriteTransport | StreamPair | SocketStream
_StreamSource: TypeAlias = asyncio.StreamReader | StreamPair | SocketStream
_PLAIN = ("auto", "aliased", None, None, False)


class Transfer:
    """A transfer to be awaited, once; see ``zcio.transfer`` for the arguments and the exceptions."""

    def __init__(
        self,
        src: "Source | _StreamSource",
        dst: "Sink | _StreamSink",
        *,
        offset: int | None = None,
        count: int | None = None,
        mechanism: Mechanism | Literal["auto"] = "auto",
        visibility: Visibility = "aliased",
        dst_offset: int | None = None,
        read_ahead: int | None = None,
        drop_behind: bool = False,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        self._ends = plain(src), plain(dst)
        self._count = count
        self._options = (offset, count, mechanism, visibility, dst_offset, read_ahead, drop_behind)
        self._progress = Progress(progress)
        # What the short way serves.
        self._is_plain = self._options[2:] == _PLAIN and progress is None
        self._begun = False
        self._steps: TransferSteps | None = None
        self._moved = 0
        self._report: Report | None = None
        self._undelivered = b""

    @property
    def bytes(self) -> int:
        """Bytes delivered so far; after the end, whichever it was, for good."""
        return self._moved if self._steps is None else self._steps.bytes

    @property
    def undelivered(self) -> "builtins.bytes":
        """Bytes that were taken out of a socket or pipe and could not be delivered; they exist only here now."""
        return self._undelivered

    @property
    def report(self) -> Report | None:
        """What was done, once it is over; None if it ended before the first step."""
        return self._report

    def __await__(self) -> Generator[Any, Any, Report]:
        return awaited("transfer", self._run()).__await__()

    async def _run(self) -> Report:
        if self._begun:
            raise RuntimeError("a Transfer is awaited once")
        self._begun = True
        loop = library()
        src, dst = self._ends
        reading = Reading(src, self._count) if is_stream(src) else None
        try:
            source = cast(Source, src if reading is None else reading.socket)
            taken = b"" if reading is None else reading.taken
            sink = cast(Sink, socket_of(dst) if is_stream(dst) else dst)
            if self._is_plain and reading is None and sink is dst:
                await self._begin(loop, source, sink)
            else:
                self._steps = TransferSteps(source, sink, *self._options, taken)
            if self._steps is not None:
                await self._move(self._steps, loop, dst)
        except BaseException as error:
            self._close(reading)
            annotate(error, moved=self.bytes, undelivered=self._undelivered)
            raise
        self._close(reading)
        assert self._report is not None
        return self._report

    async def _begin(self, loop: Library, source: Source, sink: Sink) -> None:
        """Moves what goes without a wait, and leaves the rest to be stepped."""
        await loop.look()
        try:
            begun = TransferSteps.begin(source, sink, *self._options[:2])
        except BaseException as error:
            self._moved = getattr(error, "moved", 0)
            raise
        if isinstance(begun, Report):
            self._report, self._moved = begun, begun.bytes
            # Not before: no end is held yet then.
            await Drive(loop).give_way()
        else:
            self._steps = begun

    async def _move(self, steps: TransferSteps, loop: Library, dst: object) -> None:
        if is_stream(dst):
            await flushed(dst, steps.sink(), loop.wait, loop.sleep)
        await Drive(loop).run(steps, lambda last: self._progress.tell(steps.bytes, last))

    def _close(self, reading: "Reading | None") -> None:
        undelivered = b"" if reading is None else reading.taken
        if self._steps is not None:
            try:
                self._report = self._steps.report()
                undelivered = self._steps.close()
            except RuntimeError:  # A thread opens an end still: nothing has been moved, and it leaves the steps behind.
                self._steps = None
        if reading is not None:
            undelivered = reading.restore(undelivered)
        self._undelivered = undelivered


async def transfer(
    src: "Source | _StreamSource",
    dst: "Sink | _StreamSink",
    *,
    offset: int | None = None,
    count: int | None = None,
    mechanism: Mechanism | Literal["auto"] = "auto",
    visibility: Visibility = "aliased",
    dst_offset: int | None = None,
    read_ahead: int | None = None,
    drop_behind: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Report:
    """As ``zcio.transfer``, without holding up the event loop; ``Transfer`` is for who wants the count after a
    cancel."""
    return await Transfer(
        src,
        dst,
        offset=offset,
        count=count,
        mechanism=mechanism,
        visibility=visibility,
        dst_offset=dst_offset,
        read_ahead=read_ahead,
        drop_behind=drop_behind,
        progress=progress,
    )


class Relay:
    """Two sockets to be joined, awaited once; see ``zcio.relay``."""

    def __init__(self, a: "Socket | StreamPair | SocketStream", b: "Socket | StreamPair | SocketStream") -> None:
        self._ends = plain(a), plain(b)
        self._begun = False
        self._steps: RelaySteps | None = None
        self._report: RelayReport | None = None

    @property
    def bytes(self) -> tuple[int, int]:
        """Bytes delivered so far: from a to b, and from b to a."""
        return (0, 0) if self._steps is None else self._steps.bytes

    @property
    def report(self) -> RelayReport | None:
        """How both directions stand, once it is over, with the bytes that were taken and not delivered."""
        return self._report

    def __await__(self) -> Generator[Any, Any, RelayReport]:
        return awaited("relay", self._run()).__await__()

    async def _run(self) -> RelayReport:
        if self._begun:
            raise RuntimeError("a Relay is awaited once")
        self._begun = True
        loop = library()
        readings: list[Reading] = []
        try:
            for end in self._ends:
                if is_stream(end):
                    await flushed(end, None, loop.wait, loop.sleep)
            # From here to the first step nothing is awaited, so nothing comes in between.
            sockets: list[Socket] = []
            taken: list[bytes] = []
            for end in self._ends:
                if is_stream(end):
                    readings.append(Reading(end, None))
                    sockets.append(cast(Socket, readings[-1].socket))
                    taken.append(readings[-1].taken)
                else:
                    sockets.append(cast(Socket, end))
                    taken.append(b"")
            self._steps = RelaySteps(sockets[0], sockets[1], taken[0], taken[1])
            drive = Drive(loop)
            while (interests := self._steps.step()) is not None:
                await drive.follow(interests)
        except BaseException as error:
            self._close(readings)
            annotate(error, moved=sum(self.bytes), report=self._report)
            raise
        self._close(readings)
        assert self._report is not None
        return self._report

    def _close(self, readings: "list[Reading]") -> None:
        if self._steps is not None:
            self._report = self._steps.close()
        for reading in readings:
            reading.restore(b"" if self._steps is not None else reading.taken)


async def relay(a: "Socket | StreamPair | SocketStream", b: "Socket | StreamPair | SocketStream") -> RelayReport:
    """As ``zcio.relay``, without holding up the event loop; ``Relay`` is for who wants the counts after a cancel."""
    return await Relay(a, b)


class FanOut:
    """One source to many sinks, awaited once; see ``zcio.fan_out`` for the arguments and for sinks that fail."""

    def __init__(
        self,
        src: "End | _StreamSource",
        sinks: "Iterable[End | _StreamSink]",
        *,
        offset: int | None = None,
        count: int | None = None,
        visibility: Visibility = "aliased",
        progress: Callable[[int], object] | None = None,
    ) -> None:
        self._src = plain(src)
        self._sinks = tuple(plain(sink) for sink in sinks)
        self._offset = offset
        self._count = count
        self._visibility = visibility
        self._progress = Progress(progress)
        self._begun = False
        self._steps: FanOutSteps | None = None
        self._report: FanOutReport | None = None

    @property
    def bytes(self) -> int:
        """Bytes delivered so far to every sink that has not failed; after the end, whichever it was, for good."""
        return 0 if self._steps is None else self._steps.bytes

    @property
    def report(self) -> FanOutReport | None:
        """How each sink stands, once it is over, with what it lacks; None if it ended before the first step."""
        return self._report

    def __await__(self) -> Generator[Any, Any, FanOutReport]:
        return awaited("fan_out", self._run()).__await__()

    async def _run(self) -> FanOutReport:
        if self._begun:
            raise RuntimeError("a FanOut is awaited once")
        self._begun = True
        loop = library()
        reading = Reading(self._src, self._count) if is_stream(self._src) else None
        try:
            source = cast(End, self._src if reading is None else reading.socket)
            taken = b"" if reading is None else reading.taken
            sinks = [cast(End, socket_of(sink) if is_stream(sink) else sink) for sink in self._sinks]
            self._steps = FanOutSteps(source, sinks, self._offset, self._count, self._visibility, taken)
            await self._move(self._steps, loop)
        except BaseException as error:
            self._close(reading)
            annotate(error, moved=self.bytes, report=self._report)
            raise
        self._close(reading)
        assert self._report is not None
        return self._report

    async def _move(self, steps: FanOutSteps, loop: Library) -> None:
        for index, sink in enumerate(self._sinks):
            if is_stream(sink):
                await flushed(sink, steps.sink(index), loop.wait, loop.sleep)
        await Drive(loop).run(steps, lambda last: self._progress.tell(steps.bytes, last))

    def _close(self, reading: "Reading | None") -> None:
        rest = b"" if reading is None else reading.taken
        if self._steps is not None:
            try:
                self._report, rest = self._steps.close()
            except RuntimeError:  # As of a Transfer.
                self._steps = None
            if self._report is not None:
                rest = max((sink.undelivered for sink in self._report.sinks), key=len)
        if reading is not None and not reading.restore(rest) and self._report is not None:
            # They are in the reader now, and nowhere else.
            sinks = tuple(dataclasses.replace(sink, undelivered=b"") for sink in self._report.sinks)
            self._report = dataclasses.replace(self._report, sinks=sinks)


async def fan_out(
    src: "End | _StreamSource",
    sinks: "Iterable[End | _StreamSink]",
    *,
    offset: int | None = None,
    count: int | None = None,
    visibility: Visibility = "aliased",
    progress: Callable[[int], object] | None = None,
) -> FanOutReport:
    """As ``zcio.fan_out``, without holding up the event loop; ``FanOut`` is for who wants the counts after a cancel."""
    return await FanOut(src, sinks, offset=offset, count=count, visibility=visibility, progress=progress)
