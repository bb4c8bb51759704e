"""zcio.aio.fan_out on asyncio, uvloop, trio and anyio: every sink gets every byte, a slow one or a dying one disturbs
none, and a cancel leaves known counts."""

import asyncio
import contextlib
import functools
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import zcio
import zcio._zcio
import zcio.aio
from loops import DATA, Asyncio, Library, nonblocking, receive_all, with_server
from support import on_disk, tcp_pair, unix_pair

FAN_OUTS = 40


def reset(end: socket.socket) -> None:
    """Closes it so that the other side hears of it at once."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    end.close()


@pytest.mark.parametrize("kind", ["path", "file", "socket"])
def test_every_sink_gets_everything(library: Library, kind: str, source: Path, tmp_path: Path) -> None:
    got: dict[int, bytes] = {}
    counts: list[int] = []

    async def main() -> None:
        with contextlib.ExitStack() as stack:
            pairs = [nonblocking(stack.enter_context(pair())) for pair in (tcp_pair, unix_pair, tcp_pair)]
            feeder, source_end = nonblocking(stack.enter_context(unix_pair()))
            file = stack.enter_context(source.open("rb"))
            ends: dict[str, zcio.End] = {"path": source, "file": file, "socket": source_end}
            sinks: list[zcio.End] = [near for near, _ in pairs[:2]]
            # A bare number, and two that are no sockets.
            sinks += [pairs[2][0].fileno(), tmp_path / "copy", "/dev/null"]

            async def feed() -> None:
                if kind == "socket":
                    await library.send(feeder, DATA)
                feeder.close()

            async def share() -> None:
                report = await zcio.aio.fan_out(ends[kind], iter(sinks), count=1_999_999, progress=counts.append)
                assert (report.bytes, report.requested) == (1_999_999, 1_999_999)
                assert [(sink.bytes, sink.undelivered, sink.error) for sink in report.sinks] == [
                    (1_999_999, b"", None)
                ] * 5
                for near, _ in pairs:
                    near.close()
                if kind == "file":
                    assert file.tell() == 1_999_999

            async def take(index: int, pause: float) -> None:
                got[index] = await receive_all(library, pairs[index][1], pause)

            takers = [functools.partial(take, index, pause) for index, pause in enumerate([0, 0.001, 0])]
            jobs: list[Callable[[], Awaitable[None]]] = [share, *takers]
            if kind == "socket":
                jobs.append(feed)
            await library.together(jobs)

    library.run(main)
    assert all(got[index] == DATA[:-1] for index in range(3))
    assert (tmp_path / "copy").read_bytes() == DATA[:-1]
    assert counts[-1] == 1_999_999
    assert counts == sorted(set(counts))


@pytest.mark.parametrize("from_stream", [False, True], ids=["file", "stream"])
def test_cancels_leave_known_counts(library: Library, from_stream: bool, source: Path) -> None:
    """Many at once, with fast sinks, slow ones and dying ones; each byte is in a sink, the record, or still there."""
    dice = random.Random(11)
    cut = died = 0

    async def one(patience: float, part: int, pauses: list[float], dying: int | None) -> None:
        nonlocal cut, died
        with contextlib.ExitStack() as stack:
            pairs = [nonblocking(stack.enter_context(unix_pair())) for _ in pauses]
            feeder, source_end = nonblocking(stack.enter_context(unix_pair()))
            job = zcio.aio.FanOut(source_end if from_stream else source, [near for near, _ in pairs])
            got: dict[int, bytes] = {}
            fed = rest = b""

            async def feed() -> None:
                nonlocal fed
                for start in range(0, 600_000, 100_000):
                    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                        await library.send(feeder, DATA[start : start + 100_000])
                        fed += DATA[start : start + 100_000]
                feeder.close()

            async def share() -> None:
                nonlocal cut, rest
                if part:
                    complete = await library.until(lambda: job.bytes >= part, job)
                else:
                    complete = await library.for_at_most(patience, job)
                cut += not complete and job.bytes > 0
                for near, _ in pairs:
                    near.close()
                if from_stream:
                    rest = await receive_all(library, source_end)

            async def take(index: int) -> None:
                far = pairs[index][1]
                if index == dying:
                    got[index] = await library.receive(far, 1000)
                    far.close()
                else:
                    got[index] = await receive_all(library, far, pauses[index])

            jobs: list[Callable[[], Awaitable[None]]] = [share, *(functools.partial(take, index) for index in range(3))]
            if from_stream:
                jobs.append(feed)
            await library.together(jobs)
            report, whole = job.report, fed if from_stream else DATA
            if report is None:
                assert job.bytes == 0
                assert not any(got.values())
                return
            assert job.bytes == report.bytes
            taken = len(whole) - len(rest)
            for index, sink in enumerate(report.sinks):
                if index == dying and sink.error is not None:
                    # What it had not read yet is lost with it, so that only its own count is known.
                    died += isinstance(sink.error, BrokenPipeError | ConnectionResetError)
                    assert whole.startswith(got[index])
                    continue
                if index == dying:
                    continue
                assert len(got[index]) == sink.bytes
                assert whole.startswith(got[index])
                if from_stream:
                    assert got[index] + sink.undelivered == whole[:taken]
                else:
                    assert sink.undelivered == b""
            assert min(sink.bytes for sink in report.sinks if sink.error is None) == report.bytes

    async def main() -> None:
        jobs = []
        for index in range(FAN_OUTS):
            patience, part = (dice.uniform(0, 0.3) if index % 2 else 60), 0
            pauses = [dice.choice([0, 0, 0.005, 0.02]) for _ in range(3)]
            if index % 4 == 3:
                # In its midst, however slow the machine is.
                part, pauses[2] = dice.randrange(1, 200_000), 0.03
            jobs.append(functools.partial(one, patience, part, pauses, dice.choice([None, None, 1])))
        await library.together(jobs)

    library.run(main)
    assert cut > 2
    assert died > 2


def test_the_last_sink_that_fails_fails_it(library: Library, source: Path, tmp_path: Path) -> None:
    async def main() -> None:
        report = await zcio.aio.fan_out(source, ["/dev/full", tmp_path / "copy"])
        assert isinstance(report.sinks[0].error, OSError)
        assert (report.sinks[0].bytes, report.sinks[1].bytes, report.bytes) == (0, len(DATA), len(DATA))
        with pytest.raises(OSError, match="No space") as full:
            await zcio.aio.fan_out(source, ["/dev/full"])
        assert isinstance(full.value, zcio.TransferError)
        assert full.value.report.sinks[0].bytes == full.value.moved == 0  # type: ignore[attr-defined]
        with tcp_pair() as (near, far):
            reset(far)
            with pytest.raises(OSError, match=r"(reset|[Bb]roken)"):
                await zcio.aio.fan_out(source, [near])
        with pytest.raises(FileNotFoundError) as missing:
            await zcio.aio.fan_out(tmp_path / "none", [tmp_path / "sink"])
        assert missing.value.filename == str(tmp_path / "none")
        assert not (tmp_path / "sink").exists()
        with pytest.raises(ValueError, match="at least one sink"):
            await zcio.aio.fan_out(source, [])

        def stop(_: int) -> None:
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            await zcio.aio.fan_out(source, [tmp_path / "sink"], progress=stop)
        job = zcio.aio.FanOut(source, [tmp_path / "sink"])
        await job
        with pytest.raises(RuntimeError, match="once"):
            await job

    library.run(main)


def test_a_slow_sink_does_not_hold_up_the_loop(library: Library, source: Path, tmp_path: Path) -> None:
    """A sink that takes nothing is waited for by the loop, and files are written in a thread."""

    async def main() -> None:
        with unix_pair() as ends:
            near, far = nonblocking(ends)
            job = zcio.aio.FanOut(source, [near, tmp_path / "copy"])
            before = time.process_time()
            ticks = 0
            done = False

            async def tick() -> None:
                nonlocal ticks
                while not done:
                    ticks += bool(job.bytes)
                    await library.sleep(0.01)

            async def share() -> None:
                nonlocal done
                # Nobody takes what the sink gets: a loop that is held never ticks.
                assert not await library.until(lambda: ticks > 50, job)
                done = True

            await library.together([tick, share])
            assert time.process_time() - before < 0.4, "it does not spin"
            assert job.report is not None
            assert 0 < job.report.sinks[0].bytes == job.bytes < len(DATA)
            assert (tmp_path / "copy").read_bytes() == DATA[: job.report.sinks[1].bytes]
            near.close()
            assert await receive_all(library, far) == DATA[: job.bytes]

    library.run(main)


def test_no_descriptor_is_left_behind_and_modes_come_back(library: Library, source: Path, tmp_path: Path) -> None:
    counts: list[int] = []
    pipes: list[int] = []

    async def main() -> None:
        for turn in range(8):
            with unix_pair() as (near, far), tcp_pair() as (left, right):
                near.settimeout(None)
                await library.for_at_most(0.01 * turn, zcio.aio.fan_out(source, [near, left, tmp_path / "copy"]))
                assert os.get_blocking(near.fileno())
                far.close()
                right.close()
                with pytest.raises(FileNotFoundError):
                    await zcio.aio.fan_out(source, [near, tmp_path / "none" / "sink"])
            # Empty pipes are kept to be used again, a few of them; how many are empty at a cancel is chance.
            names = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
            pipes.append(sum(name.startswith("pipe:") for name in names))
            counts.append(len(names) - pipes[-1])

    library.run(main)
    assert counts[3:] == [counts[3]] * 5
    assert max(pipes) - min(pipes) <= 8


def test_a_source_that_is_not_in_memory_is_read_in_a_thread(
    library: Library, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient: list[bool] = []

    class Watched:
        def __init__(self, *arguments: Any) -> None:
            self.steps = zcio._zcio.FanOutSteps(*arguments)

        def step(self, in_thread: bool) -> Any:
            patient.append(in_thread)
            return self.steps.step(in_thread)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.steps, name)

    monkeypatch.setattr("zcio.aio.FanOutSteps", Watched)

    async def once() -> None:
        with unix_pair() as ends:
            near, far = nonblocking(ends)

            async def share() -> None:
                await zcio.aio.fan_out(source, [near])
                near.close()

            async def take() -> None:
                assert await receive_all(library, far) == DATA

            await library.together([share, take])

    # The kernel may take clean pages whenever it likes.
    for attempt in range(5):
        patient.clear()
        source.read_bytes()
        library.run(once)
        if not any(patient):
            break
        assert attempt < 4, "a thread for what is in memory, each time"
    patient.clear()
    on_disk(source.parent)
    with source.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    library.run(once)
    assert patient[0]


# asyncio's streams


def test_streams(loop: Asyncio, tmp_path: Path) -> None:
    """What a reader has buffered goes first, to all; what a writer has buffered goes before it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(4) == b"head"
        await asyncio.sleep(0.05)
        with tcp_pair() as one, unix_pair() as two:
            outs = []
            for near, far in (one, two):
                far.setblocking(False)
                outs.append((await asyncio.open_connection(sock=near))[1])
                # More than the kernel takes at once.
                outs[-1].write(DATA[::-1])

            async def share() -> None:
                report = await zcio.aio.fan_out((reader, writer), [outs[0], outs[1].transport, tmp_path / "copy"])
                assert report.bytes == len(DATA)
                assert [sink.bytes for sink in report.sinks] == [len(DATA)] * 3
                assert (tmp_path / "copy").read_bytes() == DATA
                for out in outs:
                    out.close()
                    await out.wait_closed()

            async def take(far: socket.socket) -> None:
                assert await receive_all(loop, far) == DATA[::-1] + DATA

            await loop.together([share, *(functools.partial(take, far) for _, far in (one, two))])
            with pytest.raises(ValueError, match="given twice"):
                await zcio.aio.fan_out((reader, writer), [writer])

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"head" + DATA)
        await writer.drain()
        writer.write_eof()
        await reader.read()

    loop.run(lambda: with_server(serve, client))


def test_streams_a_cancel_puts_back_what_the_slowest_lacks(loop: Asyncio) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        with unix_pair() as fast, unix_pair() as slow:
            (near, far), (stuck, unread) = nonblocking(fast), nonblocking(slow)
            job = zcio.aio.FanOut((reader, writer), [near, stuck])

            async def share() -> None:
                assert not await loop.until(lambda: job.bytes > 0, job)
                near.close()
                stuck.close()

            got = b""

            async def take() -> None:
                nonlocal got
                got = await receive_all(loop, far)

            await loop.together([share, take])
            assert job.report is not None
            assert [sink.bytes for sink in job.report.sinks] == [len(got), job.bytes]
            assert await receive_all(loop, unread) == DATA[: job.bytes]
            assert got == DATA[: len(got)]
            assert await reader.readexactly(len(DATA) - job.bytes) == DATA[job.bytes :]
        writer.write(b"done")
        await writer.drain()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(DATA)
        assert await reader.readexactly(4) == b"done"

    loop.run(lambda: with_server(serve, client))
