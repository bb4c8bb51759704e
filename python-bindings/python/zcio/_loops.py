"""The loop that drives steps: on asyncio (its own loop, uvloop, or any other with ``add_reader``) and on trio.

A step says what it waits for, and whether it may have to wait for a disk; here it is waited for, or made in a worker
thread. Nothing here knows what is moved.
"""

import asyncio
import contextlib
import contextvars
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, Self, TypeAlias, TypeVar, cast

Interests: TypeAlias = tuple[tuple[int, int], ...]
_T = TypeVar("_T")
Work: TypeAlias = Callable[[], Awaitable[None]]
_READ, _WRITE = 1, 2
# How long other tasks may have to wait for their turn while there is always something to move, in one transfer after
# the other. A thread has one loop.
_TURN = 0.005
_turns = threading.local()
# How long an end may take to be opened, in seconds, before a coroutine that is closed meanwhile leaves it alone.
_OPENING = 1.0


class Library(Protocol):
    """What is needed of the library that runs the loop."""

    async def wait(self, interests: Interests) -> None: ...

    async def sleep(self, seconds: float) -> None: ...

    async def look(self) -> None:
        """Raises if the task is cancelled; does not wait."""

    async def in_thread(self, work: Callable[[], _T], patience: float | None = None) -> _T:
        """However this ends, the thread has left the work, or not begun it, unless that takes more than patience, in
        seconds."""

    async def until(self, over: Work, work: Work) -> None:
        """Does the work, but not when the other is over."""

    async def in_thread_until_cancelled(self, work: Callable[[Callable[[], None]], _T]) -> _T:
        """The work calls what it is given now and then, which raises if the task has been cancelled."""


class Steps(Protocol):
    """Something that is moved step by step, whose ends may be files."""

    def open(self, wait: bool, /) -> bool: ...

    def may_wait(self) -> bool: ...

    @property
    def bytes(self) -> int: ...

    def step(self, patient: bool, /) -> Interests | None: ...


class _Aside(Generic[_T]):
    """Work for a worker thread, which has left it, or will not begin it, when this is left.

    Only a cancelled task can await that: what a signal handler raises may leave no future, and a coroutine that is
    closed may await nothing. So the wait is this one, which holds up the loop.
    """

    def __init__(
        self,
        work: Callable[[Callable[[], None]], _T],
        patience: float | None = None,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        self.stopped = False
        self._work = work
        self._patience = patience
        self._look = look
        self._thread: int | None = None
        self._over = threading.Event()
        self._process = os.getpid()

    def __call__(self) -> _T:
        # In this order, and the other side in the other: at least one of the two sees what the other has done.
        self._thread = threading.get_ident()
        try:
            self._check()
            return self._work(self._check)
        except asyncio.CancelledError:
            if not self.stopped:
                raise
            return cast(_T, None)  # For nobody.
        finally:
            self._over.set()

    def _check(self) -> None:
        if self.stopped:
            raise asyncio.CancelledError
        self._look()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.stopped = True
        # A child of os.fork() does not have the thread; and a callback may do this in the midst of the work.
        if self._thread not in (None, threading.get_ident()) and os.getpid() == self._process:
            try:
                self._over.wait(self._patience)
            except BaseException:  # A signal handler's, again.
                self.__exit__()
                raise


class _Asyncio:
    async def wait(self, interests: Interests) -> None:
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

    async def look(self) -> None:
        """A task is cancelled where it waits."""

    async def in_thread(self, work: Callable[[], _T], patience: float | None = None) -> _T:
        return await self._in_thread(_Aside(lambda _: work(), patience))

    async def in_thread_until_cancelled(self, work: Callable[[Callable[[], None]], _T]) -> _T:
        return await self._in_thread(_Aside(work))

    async def _in_thread(self, work: _Aside[_T]) -> _T:
        with work:
            # With the task's context, as asyncio.to_thread() has it: whoever is told there finds the task's span.
            run = contextvars.copy_context().run
            future = asyncio.get_running_loop().run_in_executor(None, run, work)
            try:
                return await asyncio.shield(future)
            except asyncio.CancelledError:
                work.stopped = True
                # The count is known only when the work is over.
                while not future.done():
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.wait([future])
                if not future.cancelled():
                    future.exception()
                raise

    async def until(self, over: Work, work: Work) -> None:
        both = working, ending = asyncio.ensure_future(work()), asyncio.ensure_future(over())
        closed = False
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except GeneratorExit:  # Nothing may be awaited any more.
            closed = True
            raise
        finally:
            for task in both:
                with contextlib.suppress(RuntimeError):  # The loop may be closed, too.
                    task.cancel()
            while not closed and not all(task.done() for task in both):
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait(both)
            closed or ending.cancelled() or ending.exception()
        if not working.cancelled():
            working.result()


class _Trio:
    async def wait(self, interests: Interests) -> None:
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

    async def look(self) -> None:
        import trio

        await trio.lowlevel.checkpoint_if_cancelled()

    async def in_thread(self, work: Callable[[], _T], patience: float | None = None) -> _T:
        import trio

        with _Aside(lambda _: work(), patience) as aside:
            return await trio.to_thread.run_sync(aside)

    async def until(self, over: Work, work: Work) -> None:
        import trio

        failure: BaseException | None = None

        async def end() -> None:
            await over()
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(end)
            try:
                await work()
            except Exception as error:  # Not as a group of one.
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        # The nursery has taken a cancellation from outside for its own.
        await self.look()

    async def in_thread_until_cancelled(self, work: Callable[[Callable[[], None]], _T]) -> _T:
        import trio

        with _Aside(work, None, trio.from_thread.check_cancelled) as aside:
            return await trio.to_thread.run_sync(aside)


def library() -> Library:
    """The one that runs this task."""
    if "trio" in sys.modules:
        import trio

        if trio.lowlevel.in_trio_task():
            return _Trio()
    asyncio.get_running_loop()
    return _Asyncio()


class Drive:
    """Steps something to its end."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.in_vain = 0

    async def follow(self, interests: Interests) -> None:
        """Waits for what a step asked for, or lets others have their turn."""
        if not interests:
            self.in_vain = 0
            return await self.give_way()
        self.in_vain += 1
        if any(event == 0 for _, event in interests):
            await self.library.sleep(0.001)
        else:
            await self.library.wait(tuple(dict.fromkeys(interests)))
            if self.in_vain > 3:  # Ready, and then again not: others share the socket's error queue, or its bytes.
                await self.library.sleep(0.001 * min(self.in_vain, 16))
        _turns.last = time.monotonic()
        return None

    async def give_way(self) -> None:
        """Lets other tasks have their turn, if they have waited long enough."""
        if time.monotonic() - getattr(_turns, "last", 0.0) > _TURN:
            await self.library.sleep(0)
            _turns.last = time.monotonic()

    async def run(self, steps: Steps, tell: Callable[[bool], None]) -> None:
        """Opens the ends, where some may be paths, and makes steps to the end; each is told, with True for the last."""
        await self.library.look()
        await self.give_way()
        if not steps.open(False):
            # Nothing is moved meanwhile, and a FIFO may wait for its other end for ever.
            await self.library.in_thread(lambda: steps.open(True), _OPENING)
        while True:
            moved = steps.bytes
            if steps.may_wait():
                interests = await self.library.in_thread(lambda: steps.step(True))
            else:
                interests = steps.step(False)
            if steps.bytes != moved:
                self.in_vain = 0
            tell(interests is None)
            if interests is None:
                return
            await self.follow(interests)


class Progress:
    """A caller's ``progress=``, told at most every 64 MiB or 100 ms, and at the end."""

    def __init__(self, progress: Callable[[int], object] | None) -> None:
        self.progress = progress
        self.told = (0, time.monotonic())

    def tell(self, moved: int, last: bool) -> None:
        if self.progress is None:
            return
        now = time.monotonic()
        told, when = self.told
        if moved != told and (last or moved - told >= 64 << 20 or now - when >= 0.1):
            self.told = (moved, now)
            self.progress(moved)


def annotate(error: BaseException, **facts: object) -> None:
    for name, fact in facts.items():
        # A class with __slots__ takes no attributes.
        with contextlib.suppress(AttributeError):
            setattr(error, name, fact)
