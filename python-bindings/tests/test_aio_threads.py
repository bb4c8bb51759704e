"""zcio.aio's copies, batches and direct reads: the loop goes on meanwhile, and a cancelled one has stopped."""

import io
import os
import socket
import threading
from pathlib import Path

import pytest
import zcio
import zcio.aio
from loops import DATA, Library, nonblocking
from support import read_all, tcp_pair


def test_copy(library: Library, source: Path, tmp_path: Path) -> None:
    counts: list[int] = []

    async def main() -> None:
        report = await zcio.aio.copy(source, tmp_path / "sink", preserve_mode=True, progress=counts.append)
        assert report == zcio.CopyReport(
            len(DATA), report.holes, report.cloned, report.mechanism, report.attempts, report.elapsed
        )
        with pytest.raises(FileNotFoundError):
            await zcio.aio.copy(tmp_path / "none", tmp_path / "other")
        with pytest.raises(ValueError, match="reflink"):
            await zcio.aio.copy(source, tmp_path / "other", reflink="perhaps")  # type: ignore[arg-type]

    library.run(main)
    assert (tmp_path / "sink").read_bytes() == DATA
    assert counts[-1] == len(DATA)
    assert not (tmp_path / "other").exists()


def test_a_copy_that_is_cancelled_leaves_nothing(library: Library, tmp_path: Path) -> None:
    # So much that its progress is told in the midst.
    with open(tmp_path / "large", "wb") as large:
        for _ in range(200):
            large.write(DATA[: 1 << 20])
    begun = threading.Event()
    cancelled = threading.Event()

    async def main() -> None:
        def told(_: int) -> None:
            begun.set()
            assert cancelled.wait(60)

        def reached() -> bool:
            if begun.is_set():
                # The task is cancelled in this turn of the loop, and the thread asks then.
                threading.Timer(0.2, cancelled.set).start()
            return begun.is_set()

        job = zcio.aio.copy(tmp_path / "large", tmp_path / "sink", reflink="never", progress=told)
        assert not await library.until(reached, job)

    library.run(main)
    assert not (tmp_path / "sink").exists()


def test_batch(library: Library, source: Path, tmp_path: Path) -> None:
    async def main() -> None:
        with tcp_pair() as (near, far), source.open("rb") as file:
            report = await zcio.aio.batch([(source, near, 0, 10), (file, near, 10, 10), (source, tmp_path / "sink")])
            assert [item.bytes for item in report.items if isinstance(item, zcio.ItemReport)] == [10, 10, len(DATA)]
            near.close()
            assert read_all(far.fileno()) == DATA[:20]

    library.run(main)
    assert (tmp_path / "sink").read_bytes() == DATA


def test_the_ends_of_a_batch_are_what_they_were(source: Path, tmp_path: Path) -> None:
    """The thread comes to them later."""
    fd = os.open(source, os.O_RDONLY)
    batch = zcio._zcio.PreparedBatch([(fd, tmp_path / "sink")], "aliased")
    os.dup2(os.open(os.devnull, os.O_RDONLY), fd)
    batch.run(lambda: None)
    os.close(fd)
    assert (tmp_path / "sink").read_bytes() == DATA
    with pytest.raises(RuntimeError, match="over"):
        batch.run(lambda: None)


def test_a_batch_that_is_cancelled_has_stopped(library: Library, source: Path) -> None:
    async def main() -> None:
        with tcp_pair() as pair:
            near, far = nonblocking(pair)
            # More than the sockets hold, and nobody takes it.
            job = zcio.aio.batch([(source, near)] * 20)
            far_fd = far.fileno()
            assert not await library.until(lambda: peeked(far_fd), job)
            near.close()
            far.setblocking(True)
            got = read_all(far_fd)
            assert got
            assert (DATA * 20).startswith(got)
            assert len(got) < 20 * len(DATA)

    library.run(main)


def peeked(fd: int) -> bool:
    with socket.socket(fileno=os.dup(fd)) as peer:
        try:
            return bool(peer.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return False


def test_read_direct(library: Library, source: Path) -> None:
    buffer = zcio.AlignedBuffer(4096)

    async def main() -> None:
        try:
            assert await zcio.aio.read_direct(source, buffer) == 4096
        except OSError as error:
            pytest.skip(f"the file system has no direct I/O: {error}")
        with pytest.raises(TypeError, match="text mode"), io.TextIOWrapper(source.open("rb")) as text:
            await zcio.aio.read_direct(text, buffer)

    library.run(main)
    assert bytes(memoryview(buffer)) == DATA[:4096]
