"""Numbers and objects that come to mean something else between two looks at them: in an iterable that makes them one by
one, while a socket is waited for, while a file is mapped.
"""

import asyncio
import io
import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import zcio
import zcio.aio
from support import read_all, skip, unix_pair

CONTENTS = [bytes([tag]) * 5000 for tag in b"abc"]
Run: TypeAlias = Callable[..., Any]


def batch_later(items: Iterable[Any]) -> zcio.BatchReport:
    async def main() -> zcio.BatchReport:
        return await zcio.aio.batch(items)

    return asyncio.run(main())


def reads_later(items: Iterable[Any]) -> zcio.ReadsReport:
    async def main() -> zcio.ReadsReport:
        return await zcio.aio.reads(items)

    return asyncio.run(main())


BATCHES: list[Run] = [zcio.batch, batch_later]
READS: list[Run] = [zcio.reads, reads_later]


opened: list[io.FileIO] = []


@pytest.fixture(autouse=True)
def closed_again() -> Iterator[None]:
    """At the end only: what is closed earlier is an error of its own."""
    yield
    while opened:
        opened.pop().close()


def numbers(paths: list[Path], mode: str) -> Iterator[int]:
    """The same one for all files, each while it is open."""
    for path in paths:
        with path.open(mode, buffering=0) as file:
            yield file.fileno()


def objects(paths: list[Path], mode: str) -> Iterator[io.FileIO]:
    """One object, of one file after the other."""
    file = io.FileIO(os.devnull)
    opened.append(file)
    for path in paths:
        file.__init__(path, mode)  # type: ignore[misc]
        yield file


MAKERS: list[Callable[[list[Path], str], Iterator[Any]]] = [numbers, objects]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / str(index) for index in range(len(CONTENTS))]
    for path, content in zip(found, CONTENTS, strict=True):
        path.write_bytes(content)
    return found


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("run", BATCHES)
def test_the_sources_of_a_batch(
    run: Run, make: Callable[..., Iterator[Any]], files: list[Path], tmp_path: Path
) -> None:
    sinks = [tmp_path / f"sink {index}" for index in range(len(files))]
    report = run(zip(make(files, "rb"), sinks, strict=True))
    assert [item.bytes for item in report.items] == [5000] * 3
    assert [sink.read_bytes() for sink in sinks] == CONTENTS


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("run", BATCHES)
def test_the_sinks_of_a_batch(run: Run, make: Callable[..., Iterator[Any]], files: list[Path], tmp_path: Path) -> None:
    sinks = [tmp_path / f"sink {index}" for index in range(len(files))]
    report = run((file, sink) for sink, file in zip(make(sinks, "wb"), files, strict=True))
    assert [item.bytes for item in report.items] == [5000] * 3
    assert [sink.read_bytes() for sink in sinks] == CONTENTS


def test_the_sockets_of_a_batch(files: list[Path]) -> None:
    far = []

    def near() -> Iterator[tuple[Path, int]]:
        for path in files:
            ours, theirs = socket.socketpair()
            far.append(theirs)
            with ours:
                yield path, ours.fileno()

    zcio.batch(near())
    assert [read_all(theirs.fileno()) for theirs in far] == CONTENTS
    for theirs in far:
        theirs.close()


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("run", READS)
def test_the_files_of_reads(run: Run, make: Callable[..., Iterator[Any]], files: list[Path]) -> None:
    buffers = [bytearray(5000) for _ in files]
    report = run((file, 0, buffer) for file, buffer in zip(make(files, "rb"), buffers, strict=True))
    assert report.reads == (5000,) * 3
    assert buffers == CONTENTS


@pytest.fixture
def swapped(monkeypatch: pytest.MonkeyPatch) -> Callable[[socket.socket], list[socket.socket]]:
    """While the socket is waited for it is closed, and its number given to another one, which is told with its peer."""
    poll = select.poll

    def swap(near: socket.socket) -> list[socket.socket]:
        others: list[socket.socket] = []

        class Poll:
            def __init__(self) -> None:
                self.register = (plain := poll()).register
                self.plain = plain

            def poll(self, timeout: int | None) -> list[tuple[int, int]]:
                number = near.fileno()
                if number >= 0:
                    near.close()
                    ours, theirs = socket.socketpair()
                    if ours.fileno() != number:
                        os.dup2(ours.fileno(), number)
                        ours.close()
                        ours = socket.socket(fileno=number)
                    others.extend((ours, theirs))
                return self.plain.poll(timeout)

        monkeypatch.setattr(select, "poll", Poll)
        return others

    return swap


def test_shared_memory_goes_to_nobody_elses_socket(
    swapped: Callable[[socket.socket], list[socket.socket]],
) -> None:
    with unix_pair() as (near, far), zcio.SharedRegion.create(4096) as secret:
        others = swapped(near)
        secret.send(near)
        ours, theirs = others
        with ours, theirs:
            theirs.setblocking(False)
            with pytest.raises(BlockingIOError):
                theirs.recv(1)
        with zcio.SharedRegion.receive(far) as received:
            assert len(received) == 4096


def test_shared_memory_is_taken_from_nobody_elses_socket(
    swapped: Callable[[socket.socket], list[socket.socket]],
) -> None:
    with unix_pair() as (near, far), zcio.SharedRegion.create(4096) as memory:
        memory.send(far)
        others = swapped(near)
        with zcio.SharedRegion.receive(near) as received:
            assert len(received) == 4096
        ours, theirs = others
        ours.close()
        theirs.close()


def test_a_file_that_is_mapped_is_the_one_that_was_given() -> None:
    """To reserve room is begun again after a signal, when the number means somebody else's file."""
    size = 256 << 20
    ours, other = (os.fdopen(os.memfd_create(name), "r+b", 0) for name in ("ours", "other"))
    with ours, other:
        ours.truncate(size)
        number, look = ours.fileno(), os.dup(ours.fileno())
        regions: list[zcio.Region] = []
        handler = signal.signal(signal.SIGUSR1, lambda *_: None)
        thread = threading.Thread(
            target=lambda: regions.append(zcio.Region.open(ours, "r+", reserve=True)), daemon=True
        )
        try:
            thread.start()
            while thread.is_alive() and not os.fstat(look).st_blocks:
                pass
            ours.close()
            number_again = os.dup(other.fileno())
            assert thread.ident is not None
            signal.pthread_kill(thread.ident, signal.SIGUSR1)
            thread.join(60)
        finally:
            signal.signal(signal.SIGUSR1, handler)
        if number_again != number:
            skip("the number was taken by another thread")
        os.close(number_again)
        os.close(look)
        assert os.fstat(other.fileno()).st_size == 0
        assert len(regions[0]) == size
        regions[0].close()
