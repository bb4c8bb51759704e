"""Shared memory: over sockets, through multiprocessing and concurrent.futures, its seals, and nothing left behind."""

import array
import concurrent.futures
import contextlib
import errno
import gc
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy
import pyarrow
import pytest
import zcio
from support import background, content, unix_pair

SIZE = 1 << 20
METHODS = ["spawn", "fork", "forkserver"]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Neither a name in /dev/shm nor a descriptor."""
    names = set(os.listdir("/dev/shm"))
    yield
    gc.collect()
    # Semaphores of multiprocessing's own queues go when their finalizers run; the comparison program may run beside.
    left = {name for name in set(os.listdir("/dev/shm")) - names if not name.startswith(("sem.", "zcio-compare-"))}
    assert not left


def fill(region: zcio.SharedRegion, seed: int) -> int:
    """In another process: reads what is there, and writes something else."""
    total = int(numpy.asarray(region).sum(dtype="u8"))
    region.write(content(SIZE, seed))
    return total


def fill_from(connection: Connection, seed: int) -> None:
    region = connection.recv()
    connection.send(fill(region, seed))
    region.close()


def fill_queue(regions: Any, answers: Any) -> None:
    while (region := regions.get()) is not None:
        answers.put(fill(region, 3))
        region.close()


def test_two_regions_of_one_memory() -> None:
    with unix_pair() as (near, far), zcio.SharedRegion.create(SIZE) as ours:
        assert (len(ours), ours.mode, set(ours.seals)) == (SIZE, "r+", {"shrink"})
        ours.seal("grow")
        ours.send(near)
        with zcio.SharedRegion.receive(far, seals=["shrink", "grow"]) as theirs:
            numpy.asarray(ours)[:] = numpy.frombuffer(content(SIZE), "u1")
            assert theirs.read() == content(SIZE)
            theirs[5] = 9
            assert ours[5] == 9
            assert numpy.asarray(theirs).ctypes.data != numpy.asarray(ours).ctypes.data
            theirs.close()
            assert ours.read(6, 10) == content(SIZE)[6:16]
    assert "closed" in repr(ours)


def test_seals() -> None:
    region = zcio.SharedRegion.create(SIZE)
    view = memoryview(region)
    with pytest.raises(BufferError, match="views"):
        region.seal("write")
    with pytest.raises(BufferError, match="views"):
        region.grow(2 * SIZE)
    view.release()
    region.write(b"before")
    with unix_pair() as (near, far):
        region.send(near)
        other = zcio.SharedRegion.receive(far)
        with pytest.raises(OSError, match=r".") as raised:
            region.seal("write")
        assert raised.value.errno == errno.EBUSY
        assert region.mode == "r+"
        region.grow(2 * SIZE)
        assert (len(region), len(other)) == (2 * SIZE, SIZE)
        other.refresh()
        assert len(other) == 2 * SIZE
        other.close()
        region.seal("write", "grow", "seal")
        assert (region.mode, region.read(0, 6)) == ("r", b"before")
        assert region.seals == {"shrink", "write", "grow", "seal"}
        assert memoryview(region).readonly
        region.send(near)
        read_only = zcio.SharedRegion.receive(far, seals=["write"])
        assert (read_only.mode, read_only.read(0, 6)) == ("r", b"before")
        with pytest.raises(TypeError, match="read-only"):
            read_only.write(b"x")
    gc.collect()
    with pytest.raises(PermissionError):
        region.grow(3 * SIZE)
    with pytest.raises(ValueError, match="unknown seal"):
        region.seal("shut")  # type: ignore[arg-type]


def test_what_is_not_trusted(tmp_path: Path) -> None:
    def sent(fd: int, message: bytes = b"zcio-mem", count: int = 1) -> Any:
        with unix_pair() as (near, far):
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd] * count))]
            near.sendmsg([message], rights if count else [])
            return zcio.SharedRegion.receive(far)

    before = len(os.listdir("/proc/self/fd"))
    memfd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.ftruncate(memfd, SIZE)
    with (tmp_path / "file").open("wb") as file:
        for fd, message, count in [
            (file.fileno(), b"zcio-mem", 1),
            (memfd, b"zcio-mem", 1),
            (memfd, b"other---", 1),
            (memfd, b"zcio-mem", 2),
            (memfd, b"zcio-mem", 0),
        ]:
            with pytest.raises(PermissionError):
                sent(fd, message, count)
    os.close(memfd)
    with unix_pair() as (near, far), zcio.SharedRegion.create(SIZE) as region:
        peers: list[dict[str, Any]] = [{"user": os.getuid() + 1}, {"process": 1}]
        for peer in peers:
            with pytest.raises(PermissionError, match="peer"):
                region.send(near, **peer)
            with pytest.raises(PermissionError, match="peer"):
                zcio.SharedRegion.receive(far, **peer)
        with pytest.raises(TypeError, match="only one"):
            region.send(near, user=0, anyone=True)
        region.send(near, process=os.getpid())
        with pytest.raises(PermissionError, match="future_write"):
            zcio.SharedRegion.receive(far, seals=["future_write"])
        near.close()
        with pytest.raises(ConnectionResetError):
            zcio.SharedRegion.receive(far)
    with pytest.raises(PermissionError):
        zcio.SharedRegion.from_fd(os.open("/dev/null", os.O_RDONLY))
    assert len(os.listdir("/proc/self/fd")) == before


def test_waiting_for_a_socket() -> None:
    with unix_pair() as (near, far), zcio.SharedRegion.create(10) as region:
        far.settimeout(0.05)
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            zcio.SharedRegion.receive(far)
        assert 0.04 < time.monotonic() - start < 5
        far.setblocking(False)
        with pytest.raises(BlockingIOError):
            zcio.SharedRegion.receive(far)
        far.settimeout(None)

        def send() -> None:
            time.sleep(0.1)
            region.send(near)

        with background(send):
            zcio.SharedRegion.receive(far).close()


def test_descriptors() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with zcio.SharedRegion.create(SIZE) as region:
        fd = region.fileno()
        assert (fd, os.get_inheritable(fd), os.fstat(fd).st_size) == (region.fileno(), False, SIZE)
        region.write(b"through a descriptor")
        with zcio.SharedRegion.from_fd(os.dup(fd), seals=["shrink"]) as other:
            assert other.read(0, 20) == b"through a descriptor"
    with pytest.raises(ValueError, match="closed"):
        region.fileno()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("method", METHODS)
def test_through_multiprocessing(method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    with zcio.SharedRegion.create(SIZE) as region:
        region.write(content(SIZE))
        total = sum(content(SIZE))
        # As an argument.
        process = context.Process(target=fill, args=(region, 1))
        process.start()
        process.join(60)
        assert process.exitcode == 0
        assert region.read() == content(SIZE, 1)
        # Over a pipe, and through a queue, to a process that runs already.
        region.write(content(SIZE))
        near, far = context.Pipe()
        regions, answers = context.Queue(), context.Queue()
        workers = [
            context.Process(target=fill_from, args=(far, 2)),
            context.Process(target=fill_queue, args=(regions, answers)),
        ]
        for worker in workers:
            worker.start()
        near.send(region)
        assert near.recv() == total
        assert region.read() == content(SIZE, 2)
        for _ in range(3):
            region.write(content(SIZE))
            regions.put(region)
            assert answers.get(timeout=60) == total
            assert region.read() == content(SIZE, 3)
        regions.put(None)
        for worker in workers:
            worker.join(60)
            assert worker.exitcode == 0
        near.close()
        far.close()
        regions.close()
        answers.close()


@pytest.mark.parametrize("method", METHODS)
def test_through_concurrent_futures(method: str) -> None:
    context = multiprocessing.get_context(method)
    with (
        zcio.SharedRegion.create(SIZE) as region,
        concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool,
    ):
        region.write(content(SIZE, 4))
        futures = [pool.submit(fill, region, 4) for _ in range(8)]
        assert {future.result(60) for future in futures} == {sum(content(SIZE, 4))}
        assert region.read() == content(SIZE, 4)


def test_the_memory_goes_with_its_last_holder() -> None:
    """The kernel frees a memfd that no descriptor and no mapping holds any more; nobody else holds this one."""

    def holders() -> int:
        links = 0
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                links += Path(f"/proc/self/fd/{name}").stat().st_ino == inode
        maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
        return links + sum(line[4:5] == [str(inode)] and "memfd:zcio" in line[5] for line in maps)

    region = zcio.SharedRegion.create(SIZE)
    array = numpy.asarray(region)
    array[:] = 1
    inode = os.fstat(region.fileno()).st_ino
    assert holders() == 3, "the region's descriptor, that of fileno(), the mapping"
    region.close(strict=False)
    assert holders() == 0
    assert array.sum() == 0


def test_an_arrow_table_is_read_in_place() -> None:
    table = pyarrow.table({"number": numpy.arange(100_000), "text": [f"text {n}" for n in range(100_000)]})
    with unix_pair() as (near, far), zcio.SharedRegion.create(4 << 20) as ours:
        with pyarrow.ipc.new_file(pyarrow.FixedSizeBufferWriter(pyarrow.py_buffer(ours)), table.schema) as writer:
            writer.write_table(table)
        del writer
        ours.seal("shrink", "grow", "future_write")
        ours.send(near)
        theirs = zcio.SharedRegion.receive(far, seals=["future_write"])
        # The file format ends with its footer, so that its length must be known: by convention it fills the region.
        start = numpy.asarray(theirs).ctypes.data
        length = table_length(theirs)
        read = pyarrow.ipc.open_file(pyarrow.py_buffer(theirs).slice(0, length)).read_all()
        assert read.equals(table)
        for chunk in read.column("number").chunks:
            assert start <= chunk.buffers()[1].address < start + len(theirs), "in place"


def table_length(region: zcio.Region) -> int:
    """Up to and with the magic at the end of an Arrow file."""
    return region.read().rindex(b"ARROW1") + 6


def test_threads_share_one_region() -> None:
    with zcio.SharedRegion.create(SIZE) as region:

        def work(number: int) -> None:
            for turn in range(200):
                region.write(bytes([turn] * 1000), number * 1000)
                assert region.read(number * 1000, 1000) == bytes([turn] * 1000)
                assert region.fileno() >= 0

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert region.read(0, 8000) == bytes([199] * 8000)


NO_DESCRIPTOR = """
import errno, os, resource, socket, zcio

region = zcio.SharedRegion.create(4096)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
said = []
for free in range(8):
    near, far = socket.socketpair()
    region.send(far)
    held = []
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    for _ in range(free):
        os.close(held.pop())
    try:
        zcio.SharedRegion.receive(near).close()
        said.append("received")
    except OSError as error:
        said.append(errno.errorcode[error.errno])
    for _ in range(free):
        held.append(os.open("/dev/null", os.O_RDONLY))
    for fd in [*held, near.detach(), far.detach()]:
        os.close(fd)
print(*said)
"""


def test_without_a_free_descriptor_nothing_is_received() -> None:
    done = subprocess.run([sys.executable, "-c", NO_DESCRIPTOR], capture_output=True, text=True, check=True)
    said = done.stdout.split()
    assert set(said) == {"EMFILE", "received"}
    assert said == sorted(said), "as soon as there are enough"
