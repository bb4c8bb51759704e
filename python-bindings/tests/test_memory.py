"""Buffers as the source, progress, and the cache policy."""

import array
import itertools
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import zcio
from support import Sink, allowed, background, content, tcp_pair, unix_pair

DATA = content(3_000_001)


@pytest.mark.parametrize("sink", ["path", "file", "pipe", "tcp", "unix"])
@pytest.mark.parametrize("make", [memoryview, bytearray, lambda data: memoryview(bytearray(data))])
def test_buffers(make: Any, sink: str, tmp_path: Path) -> None:
    end = Sink(sink, tmp_path)
    with end as dst:
        report = zcio.transfer(make(DATA), dst)
    assert end.received() == DATA
    assert report.bytes == len(DATA)
    assert report.copies == 1


def test_a_part_of_a_buffer(tmp_path: Path) -> None:
    report = zcio.transfer(memoryview(DATA), tmp_path / "sink", offset=10, count=20)
    assert (tmp_path / "sink").read_bytes() == DATA[10:30]
    assert (report.bytes, report.requested) == (20, 20)
    assert zcio.transfer(memoryview(DATA), tmp_path / "sink", offset=len(DATA)).bytes == 0
    assert zcio.transfer(memoryview(DATA), tmp_path / "sink", offset=2**62).bytes == 0
    assert zcio.transfer(bytearray(), tmp_path / "sink").bytes == 0


@pytest.mark.parametrize("mechanism", ["read_write", "direct_io", "uring", "auto"])
def test_a_buffer_by_each_mechanism(mechanism: zcio.Mechanism, tmp_path: Path) -> None:
    allowed(mechanism)
    report = zcio.transfer(memoryview(DATA), tmp_path / "sink", mechanism=mechanism, offset=1)
    assert (tmp_path / "sink").read_bytes() == DATA[1:]
    assert report.bytes == len(DATA) - 1


def test_a_buffer_by_zerocopy_send() -> None:
    received = bytearray()
    with tcp_pair() as (near, far):

        def receive() -> None:
            while chunk := far.recv(1 << 20):
                received.extend(chunk)

        with background(receive):
            report = zcio.transfer(memoryview(DATA), near, mechanism="zerocopy_send")
            near.close()
    assert received == DATA
    assert report.mechanism == "zerocopy_send"


def test_an_array_is_its_bytes(tmp_path: Path) -> None:
    numbers = array.array("d", range(1000))
    zcio.transfer(numbers, tmp_path / "sink")
    assert (tmp_path / "sink").read_bytes() == numbers.tobytes()
    numpy = pytest.importorskip("numpy")
    matrix = numpy.arange(600, dtype="<i4").reshape(20, 30)
    zcio.transfer(matrix, tmp_path / "sink")
    assert (tmp_path / "sink").read_bytes() == matrix.tobytes()
    with pytest.raises(BufferError, match="not contiguous"):
        zcio.transfer(matrix[:, ::2], tmp_path / "sink")
    # A number of numpy has a buffer, but is no memory that anybody wants to send.
    with pytest.raises(TypeError, match="src must be"):
        zcio.transfer(numpy.int64(3), tmp_path / "sink")


def test_a_buffer_stays_exported_until_the_end() -> None:
    data = bytearray(DATA)
    with unix_pair() as (near, far):

        def disturb() -> None:
            far.recv(1)
            with pytest.raises(BufferError):
                data.append(0)
            far.close()

        with background(disturb), pytest.raises(BrokenPipeError) as raised:
            zcio.transfer(data, near)
    assert 0 < raised.value.moved < len(DATA)  # type: ignore[attr-defined]
    data.append(0)


def test_bytes_are_a_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        zcio.transfer(b"some data", tmp_path / "sink")


def test_progress_counts_up_to_the_end(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(content(1 << 20))
    os.truncate(tmp_path / "source", 300 << 20)
    counts: list[int] = []
    report = zcio.transfer(tmp_path / "source", tmp_path / "sink", mechanism="read_write", progress=counts.append)
    assert counts[-1] == report.bytes == 300 << 20
    assert len(counts) >= 300 // 64
    assert all(one < two for one, two in itertools.pairwise(counts))
    zcio.transfer(tmp_path / "source", "/dev/null", count=0, progress=counts.append)
    assert counts[-1] == 300 << 20


def test_progress_while_bytes_come_slowly(tmp_path: Path) -> None:
    seen: list[tuple[float, int]] = []
    with unix_pair() as (near, far):

        def trickle() -> None:
            far.sendall(b"x")
            end = time.monotonic() + 30
            while not seen and time.monotonic() < end:
                time.sleep(0.01)
            far.sendall(b"xxx")
            far.close()

        with background(trickle):
            zcio.transfer(near, tmp_path / "sink", progress=lambda done: seen.append((time.monotonic(), done)))
    counts = [done for _, done in seen]
    assert counts == sorted(set(counts))
    assert (len(counts) >= 2, counts[-1]) == (True, 4)


def test_what_progress_raises_stops_the_transfer(tmp_path: Path) -> None:
    class StopError(Exception):
        moved: int

    def stop(_: int) -> None:
        raise StopError

    (tmp_path / "source").touch()
    os.truncate(tmp_path / "source", 1 << 30)
    with pytest.raises(StopError) as raised:
        zcio.transfer(tmp_path / "source", tmp_path / "sink", mechanism="read_write", progress=stop)
    assert raised.value.moved == (tmp_path / "sink").stat().st_size < 1 << 30
    wrong: Any = 1
    with pytest.raises(TypeError, match="progress must be callable"):
        zcio.transfer(tmp_path / "source", tmp_path / "never", progress=wrong)
    assert not (tmp_path / "never").exists()


def test_the_recipe_for_tqdm(tmp_path: Path) -> None:
    class Bar:  # What tqdm does with what it is given.
        n = 0

        def update(self, difference: int) -> None:
            self.n += difference

    bar = Bar()
    os.truncate(os.open(tmp_path / "source", os.O_CREAT | os.O_WRONLY), 200 << 20)
    zcio.transfer(tmp_path / "source", "/dev/null", progress=lambda done: bar.update(done - bar.n))
    assert bar.n == 200 << 20


def test_the_cache_policy(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(content(16 << 20))
    os.sync()
    report = zcio.transfer(tmp_path / "source", tmp_path / "sink", read_ahead=8 << 20, drop_behind=True)
    assert (tmp_path / "sink").read_bytes() == content(16 << 20)
    plain = zcio.transfer(tmp_path / "source", tmp_path / "sink")
    assert report.system_calls > plain.system_calls + 4
    wrong: Any = "much"
    with pytest.raises(TypeError):
        zcio.transfer(tmp_path / "source", tmp_path / "sink", read_ahead=wrong)


def test_many_threads_send_one_buffer() -> None:
    data = memoryview(DATA)
    received: list[bytes] = []

    def send() -> None:
        with unix_pair() as (near, far):

            def take() -> None:
                with far:
                    chunks = []
                    while chunk := far.recv(1 << 20):
                        chunks.append(chunk)
                    received.append(b"".join(chunks))

            with background(take):
                zcio.transfer(data, near)
                near.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert received == [DATA] * 4


SHORT_OF_MEMORY = """
import io, os, resource, socket, sys, zcio
way, room, source, sink = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
if way == "relay":
    (a, b), (c, d) = socket.socketpair(), socket.socketpair()
    b.sendall(bytes(9000))
    b.shutdown(socket.SHUT_WR)
    d.shutdown(socket.SHUT_WR)
elif way == "pipe":
    reader, writer = os.pipe()
    os.write(writer, bytes(5000))
    os.close(writer)
ways = {
    "relay": lambda: zcio.relay(a, c),
    "pipe": lambda: zcio.transfer(reader, sink, mechanism="read_write"),
    "fan_out": lambda: zcio.fan_out(source, [sink, "/dev/null"]),
    "batch": lambda: zcio.batch([(source, sink)]),
    "copy": lambda: zcio.copy(source, sink),
    "region": lambda: zcio.Region.open(source).residency(),
}
zcio.transfer(source, sink, count=10)
used = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (used + room, -1))
kept = []
try:
    while True:
        kept.append(bytearray(40_000))  # What is left of the heap.
except MemoryError:
    pass
try:
    ways.get(way, lambda: zcio.transfer(source, sink, mechanism=way))()
except (MemoryError, OSError) as error:
    assert isinstance(error, (MemoryError, io.UnsupportedOperation)) or error.errno, error
"""


@pytest.mark.parametrize("room", [0, 1 << 16, 1 << 18])
@pytest.mark.parametrize("way", [*zcio.MECHANISMS, "pipe", "fan_out", "relay", "batch", "copy", "region"])
def test_short_of_memory_is_an_error(way: str, room: int, tmp_path: Path) -> None:
    """The interpreter's end would be that of the whole program."""
    (tmp_path / "source").write_bytes(bytes(4 << 20))
    ends = [str(tmp_path / "source"), str(tmp_path / "sink")]
    command = [sys.executable, "-c", SHORT_OF_MEMORY, way, str(room), *ends]
    ended = subprocess.run(command, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
