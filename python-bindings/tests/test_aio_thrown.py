"""What is thrown into an await of zcio.aio while a thread is at work is what comes out, when the work is over."""

import asyncio
import concurrent.futures
import contextlib
import gc
import inspect
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import zcio
import zcio.aio
from loops import DATA
from support import tcp_pair
from zcio._loops import library

JOBS = ("transfer", "fan_out")


class Executor(concurrent.futures.ThreadPoolExecutor):
    """Its worker calls something when it begins a piece of work, and so does who gives it one."""

    def __init__(self, begun: Callable[[], object], given: Callable[[], object] = lambda: None) -> None:
        super().__init__(1)
        self.pieces = 0
        self.begun = begun
        self.given = given

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        self.pieces += 1

        def run() -> Any:
            self.begun()
            return work(*args, **kwargs)

        future = super().submit(run)
        self.given()
        return future


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A thread needs many steps for it."""
    with open(tmp_path / "large", "wb") as file:
        for _ in range(200):
            file.write(DATA[: 1 << 20])
    return tmp_path / "large"


def job_of(kind: str, source: Path, sink: Path) -> "zcio.aio.Transfer | zcio.aio.FanOut":
    if kind == "transfer":
        return zcio.aio.Transfer(source, sink)
    return zcio.aio.FanOut(source, [sink])


async def done(job: Any) -> None:
    await job


@contextlib.contextmanager
def stopped_in(job: Coroutine[Any, Any, None], executor: Executor, piece: int) -> Iterator[list[Any]]:
    """A loop that has stopped while the thread is at that piece of work, and the task that waits for it."""
    loop = asyncio.new_event_loop()

    def begun() -> None:
        if executor.pieces == piece:
            loop.call_soon_threadsafe(loop.stop)

    executor.begun = begun
    loop.set_default_executor(executor)
    task = loop.create_task(job)
    loop.run_forever()
    assert not task.done()
    held: list[Any] = [loop, task]
    held[1]._log_destroy_pending = False  # It is, and that is the test.
    del task, job
    try:
        yield held
    finally:
        executor.shutdown()
        held.clear()
        loop.close()


def settled(job: "zcio.aio.Transfer | zcio.aio.FanOut", sink: Path, executor: Executor) -> None:
    """Whatever the count was, it is true, and nothing comes after it."""
    said = job.bytes
    assert said > 0
    assert job.report is not None
    assert job.report.bytes == said
    executor.shutdown()
    assert (job.bytes, sink.stat().st_size) == (said, said)


@pytest.mark.parametrize("at_work", [True, False], ids=["at work", "not begun"])
@pytest.mark.parametrize("kind", JOBS)
def test_a_signal_handler_raises_while_work_is_given(kind: str, at_work: bool, large: Path, tmp_path: Path) -> None:
    sink = tmp_path / "sink"
    job = job_of(kind, large, sink)
    interrupt = KeyboardInterrupt("the handler's own")
    working, goes_on = threading.Event(), threading.Event()

    def begun() -> None:
        if executor.pieces == 4:
            working.set()
            if not at_work:
                assert goes_on.wait(60)

    def given() -> None:
        if executor.pieces == 4:
            assert working.wait(60)
            raise interrupt

    executor = Executor(begun, given)

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(executor)
        try:
            await job
        finally:
            goes_on.set()

    with pytest.raises(KeyboardInterrupt) as raised:
        asyncio.run(main())
    assert raised.value is interrupt
    assert interrupt.moved == job.bytes  # type: ignore[attr-defined]
    settled(job, sink, executor)


@pytest.mark.parametrize("dropped", [True, False], ids=["dropped", "closed"])
@pytest.mark.parametrize("kind", JOBS)
def test_a_coroutine_ends_in_the_midst(
    kind: str, dropped: bool, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = tmp_path / "sink"
    job = job_of(kind, large, sink)
    unraisable: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", lambda found: unraisable.append(found.exc_value))
    coroutine = [done(job)]
    executor = Executor(lambda: None)
    with stopped_in(coroutine[0], executor, 4) as held:
        if dropped:
            # The thread has it until its work is over.
            held[0].close()
            coroutine.clear()
            held.clear()
            executor.shutdown()
            gc.collect()
        else:
            coroutine[0].close()
        assert unraisable == []
        settled(job, sink, executor)


def test_a_copy_ends_in_the_midst(large: Path, tmp_path: Path) -> None:
    sink = tmp_path / "sink"
    told, closing, closed = threading.Event(), threading.Event(), threading.Event()
    too_late: list[int] = []

    def progress(moved: int) -> None:
        told.set()
        assert closing.wait(60)
        if closed.is_set():
            too_late.append(moved)

    async def copy() -> None:
        await zcio.aio.copy(large, sink, reflink="never", progress=progress)

    job = copy()
    executor = Executor(lambda: None)
    with stopped_in(job, executor, 1):
        assert told.wait(60)
        closing.set()
        job.close()
        closed.set()
        exists = sink.exists()
        executor.shutdown()
        assert (too_late, sink.exists()) == ([], exists)


def test_a_callback_closes_its_own_coroutine(source: Path, tmp_path: Path) -> None:
    """In the worker thread, which cannot wait for itself."""
    closed = threading.Event()

    def progress(_: int) -> None:
        while inspect.getcoroutinestate(job) == inspect.CORO_RUNNING:
            pass
        job.close()
        closed.set()

    async def copy() -> None:
        await zcio.aio.copy(source, tmp_path / "sink", progress=progress)

    job = copy()
    with stopped_in(job, Executor(lambda: None), 1):
        assert closed.wait(60)


def test_a_batch_ends_in_the_midst(large: Path) -> None:
    async def batch() -> None:
        await zcio.aio.batch([(large, near)])

    with tcp_pair() as (near, far):
        far.settimeout(30)
        job = batch()
        with stopped_in(job, Executor(lambda: None), 1):
            far.recv(1)
            job.close()
            # Nobody else has the socket any more: its end is seen.
            near.close()
            while far.recv(1 << 20):
                pass


def test_the_one_of_two_that_is_over_first() -> None:
    """What an answer of ``zcio.asgi`` waits with."""
    ended: list[BaseException] = []

    async def forever() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except BaseException as error:
            ended.append(error)
            raise

    async def main() -> None:
        job = library().until(forever, forever)
        with contextlib.closing(job):
            job.send(None)
            await asyncio.sleep(0)
        while len(ended) < 2:
            await asyncio.sleep(0)

    asyncio.run(main())
    assert [type(error) for error in ended] == [asyncio.CancelledError] * 2


def test_a_fifo_that_nobody_reads_keeps_nobody(source: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    job = zcio.aio.Transfer(source, fifo)
    coroutine = done(job)
    with stopped_in(coroutine, Executor(lambda: None), 1):
        try:
            # The thread has the steps now, and opens the FIFO.
            assert job._steps is not None
            with contextlib.suppress(RuntimeError):
                while True:
                    job._steps.report()
            coroutine.close()
            assert (job.bytes, job.report) == (0, None)
        finally:
            reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(reader, 1) == b""
    os.close(reader)
