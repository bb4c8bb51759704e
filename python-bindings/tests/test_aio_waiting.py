"""zcio.aio and what could hold up the loop: disks, sockets in blocking mode, FIFOs."""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import pytest
import zcio
import zcio._zcio
import zcio.aio
from loops import DATA, Library, nonblocking, receive_all
from support import on_disk, unix_pair
from zcio._zcio import TransferSteps


async def arrives(library: Library, far: socket.socket, *others: Callable[[], Awaitable[None]]) -> None:
    """Everything comes out at the far end while the others do their work."""
    received = b""

    async def take() -> None:
        nonlocal received
        received = await receive_all(library, far)
        far.close()

    await library.together([*others, take])
    assert received == DATA


def test_a_file_that_is_not_in_memory_is_read_in_a_thread(
    library: Library, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk(source.parent)
    threads: set[int] = set()
    fd = os.open(source, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
    made = zcio._zcio.TransferSteps

    class Watched:
        def __init__(self, steps: Any) -> None:
            self.steps = steps

        @classmethod
        def begin(cls, *arguments: Any) -> Any:
            begun = made.begin(*arguments)
            assert isinstance(begun, made), "the short way waits for no disk"
            return cls(begun)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.steps, name)

        def step(self, patient: bool) -> Any:
            threads.add(threading.get_ident())
            return self.steps.step(patient)

    monkeypatch.setattr(zcio.aio, "TransferSteps", Watched)

    async def main() -> None:
        with unix_pair() as ends:
            near, far = nonblocking(ends)

            async def send() -> None:
                await zcio.aio.transfer(source, near)
                near.close()

            await arrives(library, far, send)

    library.run(main)
    assert threads - {threading.get_ident()}


def test_what_is_in_memory_needs_no_thread(source: Path) -> None:
    class NoThreadError(Exception):
        """A thread was asked for."""

    class NoExecutor(ThreadPoolExecutor):
        def submit(self, *_arguments: object, **_keywords: object) -> NoReturn:
            raise NoThreadError

    async def main() -> None:
        source.read_bytes()
        with unix_pair() as ends:
            near, _ = nonblocking(ends)
            asyncio.get_running_loop().set_default_executor(NoExecutor())
            assert (await zcio.aio.transfer(source, near, count=1000)).bytes == 1000

    # The kernel may take clean pages whenever it likes.
    for attempt in range(5):
        try:
            asyncio.run(main())
            break
        except NoThreadError:
            assert attempt < 4, "a thread for a file in memory, each time"


def test_a_blocking_socket_is_blocking_again(library: Library, source: Path) -> None:
    async def main() -> None:
        with unix_pair() as (near, far):
            far.setblocking(False)

            async def send() -> None:
                await zcio.aio.transfer(source, near)
                assert os.get_blocking(near.fileno())
                near.close()

            await arrives(library, far, send)

    library.run(main)


def test_both_directions_of_a_blocking_socket(library: Library, source: Path, tmp_path: Path) -> None:
    async def main() -> None:
        with unix_pair() as (near, far):
            far.setblocking(False)

            async def send() -> None:
                # The download begins in a thread, as its sink is a path.
                begun = time.monotonic()
                while os.get_blocking(near.fileno()) and time.monotonic() < begun + 60:
                    await library.sleep(0.001)
                await zcio.aio.transfer(source, near)
                assert not os.get_blocking(near.fileno()), "the download would hold the loop"
                near.shutdown(socket.SHUT_WR)

            async def download() -> None:
                await zcio.aio.transfer(near, tmp_path / "answer")

            await arrives(library, far, download, send)
            assert os.get_blocking(near.fileno())

    library.run(main)


def test_a_fifo_by_its_path(library: Library, source: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    received = b""

    async def main() -> None:
        moved = 0

        async def send() -> None:
            nonlocal moved
            moved = (await zcio.aio.transfer(source, fifo)).bytes

        async def take() -> None:
            nonlocal received
            while not moved or len(received) < moved:
                await library.sleep(0.001)  # The loop goes on although the FIFO is full.
                with contextlib.suppress(BlockingIOError):
                    received += os.read(reader, 1 << 20)

        await library.together([send, take])

    library.run(main)
    os.close(reader)
    assert received == DATA


def test_a_step_in_the_loop_is_more_than_one_piece(tmp_path: Path) -> None:
    """It goes on for a while: one made where a file is held costs two switches of threads."""
    (tmp_path / "large").write_bytes(DATA * 40)
    largest = 0
    for _ in range(1000):
        # On a busy machine a piece alone may take that long.
        with open(tmp_path / "large", "rb") as file, open(os.devnull, "wb", 0) as sink:
            steps = TransferSteps(file, sink, 0, None, "auto", "aliased", None, None, False, b"")
            assert steps.open(False)
            over = False
            while not over:
                before = steps.bytes
                over = steps.step(steps.may_wait()) is None
                largest = max(largest, steps.bytes - before)
            assert steps.bytes == len(DATA) * 40
            steps.close()
        if largest > 1 << 20:
            return
    raise AssertionError(largest)
