"""Transfers and relays for asyncio (its own loop, uvloop, or any other with ``add_reader``), trio, and anyio on either.

::

    report = await zcio.aio.transfer("large.bin", sock)
    report = await zcio.aio.relay(client, server)

Nothing is waited for in the loop: sockets and pipes are waited for by the library that runs, and steps that a disk
could hold up (a source whose pages are not in the page cache, file to file, direct I/O) are made in its worker threads.
Each step moves 1 MiB at most. Writing to a file whose source is a stream happens in the loop, into the page cache.

Sockets and pipes are duplicated for the time, so that a close in another task cannot lead the bytes elsewhere, and
switched to non-blocking mode if they are not; their timeouts do not count here, ``asyncio.timeout()`` and its like do.
A file must stay open until the end; that it was closed is noticed and raised.

A task that is cancelled leaves a known count. The exception has it (``.moved``, ``.undelivered``), and better, because
a cancelled await may see another exception than the task, an object that was there before has it::

    job = zcio.aio.Transfer("large.bin", sock)
    try:
        async with asyncio.timeout(10):
            report = await job
    except TimeoutError:
        print(job.bytes, "bytes were delivered")

With asyncio the ends may also be a ``StreamReader`` (as src), a ``StreamWriter`` or a transport (as dst), and for
``relay`` the pair ``(reader, writer)``. What a reader has buffered already goes first, and what a writer has buffered
is waited for; the reader's transport does not read meanwhile. Nobody else may write to dst until the transfer is over.
What was taken from a reader and could not be delivered is put back into it, so that ``undelivered`` is empty then.
"""

import asyncio
import builtins
import contextlib
import sys
import time
from collections.abc import Callable, Generator
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, cast

from zcio._reports import RelayReport
from zcio._streams import Reading, StreamPair, flushed, is_stream, socket_of
from zcio._types import End, Mechanism, Socket, Source, Visibility
from zcio._zcio import RelaySteps, Report, TransferSteps

__all__ = ["Relay", "Transfer", "relay", "transfer"]

_Interests: TypeAlias = tuple[tuple[int, int], ...]
_T = TypeVar("_T")
_READ, _WRITE = 1, 2
# How long other tasks may have to wait for their turn while there is always something to move.
_TURN = 0.005


class _Library(Protocol):
    """What is needed of the library that runs the loop."""

    async def wait(self, interests: _Interests) -> None: ...

    async def sleep(self, seconds: float) -> None: ...

    async def in_thread(self, work: Callable[[], _T]) -> _T: ...


class _Asyncio:
    async def wait(self, interests: _Interests) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        try:
            for fd, event in interests:
                (loop.add_reader if event == _READ else loop.add_writer)(fd, wake)
            await ready
        finally:
            for fd, event in interests:
                (loop.remove_reader if event == _READ else loop.remove_writer)(fd)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def in_thread(self, work: Callable[[], _T]) -> _T:
        future = asyncio.get_running_loop().run_in_executor(None, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # The count is known only when the step is over.
            while not future.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([future])
            future.exception()
            raise


class _Trio:
    async def wait(self, interests: _Interests) -> None:
        import trio

        async def one(fd: int, event: int) -> None:
            await (trio.lowlevel.wait_readable if event == _READ else trio.lowlevel.wait_writable)(fd)

        if len(interests) == 1:
            return await one(*interests[0])

        async def first(fd: int, event: int) -> None:
            await one(fd, event)
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for fd, event in interests:
                nursery.start_soon(first, fd, event)
        return None

    async def sleep(self, seconds: float) -> None:
        import trio

        await trio.sleep(seconds)

    async def in_thread(self, work: Callable[[], _T]) -> _T:
        import trio

        return await trio.to_thread.run_sync(work)


def _library() -> _Library:
    """The one that runs this task."""
    if "trio" in sys.modules:
        import trio

        if trio.lowlevel.in_trio_task():
            return _Trio()
    asyncio.get_running_loop()
    return _Asyncio()


class _Drive:
    """Steps something to its end."""

    def __init__(self, library: _Library) -> None:
        self.library = library
        self.turn = time.monotonic()
        self.in_vain = 0

    async def follow(self, interests: _Interests) -> None:
        """Waits for what a step asked for, or lets others have their turn."""
        if not interests:
            self.in_vain = 0
            if time.monotonic() - self.turn > _TURN:
                await self.library.sleep(0)
                self.turn = time.monotonic()
            return
        self.in_vain += 1
        if any(event == 0 for _, event in interests):
            await self.library.sleep(0.001)
        else:
            await self.library.wait(tuple(dict.fromkeys(interests)))
            if self.in_vain > 3:  # Ready, and then again not: others share the socket's error queue, or its bytes.
                await self.library.sleep(0.001 * min(self.in_vain, 16))
        self.turn = time.monotonic()


def _annotate(error: BaseException, **facts: object) -> None:
    for name, fact in facts.items():
        # A class with __slots__ takes no attributes.
        with contextlib.suppress(AttributeError):
            setattr(error, name, fact)


class Transfer:
    """A transfer to be awaited, once; see ``zcio.transfer`` for the arguments and the exceptions."""

    def __init__(
        self,
        src: "Source | asyncio.StreamReader | StreamPair",
        dst: "End | asyncio.StreamWriter | asyncio.Transport | StreamPair",
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
        self._ends = src, dst
        self._count = count
        self._options = (offset, count, mechanism, visibility, dst_offset, read_ahead, drop_behind)
        self._progress = progress
        self._last_told = (0, time.monotonic())
        self._begun = False
        self._steps: TransferSteps | None = None
        self._report: Report | None = None
        self._undelivered = b""

    @property
    def bytes(self) -> int:
        """Bytes delivered so far; after the end, whichever it was, for good."""
        return 0 if self._steps is None else self._steps.bytes

    @property
    def undelivered(self) -> "builtins.bytes":
        """Bytes that were taken out of a socket or pipe and could not be delivered; they exist only here now."""
        return self._undelivered

    @property
    def report(self) -> Report | None:
        """What was done, once it is over; None if it ended before the first step."""
        return self._report

    def __await__(self) -> Generator[Any, Any, Report]:
        return self._run().__await__()

    async def _run(self) -> Report:
        if self._begun:
            raise RuntimeError("a Transfer is awaited once")
        self._begun = True
        library = _library()
        src, dst = self._ends
        reading = Reading(src, self._count) if is_stream(src) else None
        try:
            source = cast(Source, src if reading is None else reading.socket)
            taken = b"" if reading is None else reading.taken
            sink = cast(End, socket_of(dst) if is_stream(dst) else dst)
            self._steps = TransferSteps(source, sink, *self._options, taken)
            await self._move(self._steps, library, dst)
        except BaseException as error:
            self._close(reading)
            _annotate(error, moved=self.bytes, undelivered=self._undelivered)
            raise
        self._close(reading)
        assert self._report is not None
        return self._report

    async def _move(self, steps: TransferSteps, library: _Library, dst: object) -> None:
        if is_stream(dst):
            await flushed(dst, steps.sink(), library.wait, library.sleep)
        if any(isinstance(end, str | bytes) or hasattr(end, "__fspath__") for end in self._ends):
            await library.in_thread(steps.open)
        else:
            steps.open()
        drive = _Drive(library)
        while True:
            if steps.may_wait():
                interests = await library.in_thread(lambda: steps.step(True))
            else:
                interests = steps.step(False)
            self._tell(interests is None)
            if interests is None:
                return
            await drive.follow(interests)

    def _tell(self, last: bool) -> None:
        """At most every 64 MiB or 100 ms, and at the end."""
        if self._progress is None:
            return
        moved, now = self.bytes, time.monotonic()
        told, when = self._last_told
        if moved != told and (last or moved - told >= 64 << 20 or now - when >= 0.1):
            self._last_told = (moved, now)
            self._progress(moved)

    def _close(self, reading: "Reading | None") -> None:
        undelivered = b"" if reading is None else reading.taken
        if self._steps is not None:
            with contextlib.suppress(RuntimeError):
                self._report = self._steps.report()
            undelivered = self._steps.close()
        if reading is not None:
            undelivered = reading.restore(undelivered)
        self._undelivered = undelivered


async def transfer(
    src: "Source | asyncio.StreamReader | StreamPair",
    dst: "End | asyncio.StreamWriter | asyncio.Transport | StreamPair",
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

    def __init__(self, a: "Socket | StreamPair", b: "Socket | StreamPair") -> None:
        self._ends = a, b
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
        return self._run().__await__()

    async def _run(self) -> RelayReport:
        if self._begun:
            raise RuntimeError("a Relay is awaited once")
        self._begun = True
        library = _library()
        readings: list[Reading] = []
        try:
            for end in self._ends:
                if is_stream(end):
                    await flushed(end, None, library.wait, library.sleep)
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
            drive = _Drive(library)
            while (interests := self._steps.step()) is not None:
                await drive.follow(interests)
        except BaseException as error:
            self._close(readings)
            _annotate(error, moved=sum(self.bytes), report=self._report)
            raise
        self._close(readings)
        assert self._report is not None
        return self._report

    def _close(self, readings: "list[Reading]") -> None:
        if self._steps is not None:
            self._report = self._steps.close()
        for reading in readings:
            reading.restore(b"" if self._steps is not None else reading.taken)


async def relay(a: "Socket | StreamPair", b: "Socket | StreamPair") -> RelayReport:
    """As ``zcio.relay``, without holding up the event loop; ``Relay`` is for who wants the counts after a cancel."""
    return await Relay(a, b)
