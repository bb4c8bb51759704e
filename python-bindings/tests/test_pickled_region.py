"""A SharedRegion in pickles of every kind: another process finds the memory, and one that is gone explains itself."""

import concurrent.futures
import errno
import multiprocessing
import os
import pickle
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zcio

SIZE = 1 << 20

RECEIVER = """
import pickle, sys
region = pickle.load(sys.stdin.buffer)
region.write(b"theirs", 10)
print(type(region).__name__, len(region), bytes(region.read(0, 4)), *sorted(region.seals))
"""


def received(data: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", RECEIVER], input=data, capture_output=True, check=False)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_another_process_finds_it(protocol: int) -> None:
    with zcio.SharedRegion.create(SIZE) as region:
        region.write(b"ours")
        data = pickle.dumps(region, protocol)
        assert len(data) < 200
        done = received(data)
        assert done.stdout == b"SharedRegion 1048576 b'ours' shrink\n", done.stderr
        assert region.read(10, 6) == b"theirs"
        before = len(os.listdir("/proc/self/fd"))
        with pickle.loads(data) as same:
            assert same.read(10, 6) == b"theirs"
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_region_that_nobody_may_write() -> None:
    with zcio.SharedRegion.create(SIZE) as region:
        region.write(b"ours")
        region.seal("write")
        with pickle.loads(pickle.dumps(region)) as same:
            assert (same.mode, same.read(0, 4)) == ("r", b"ours")


def test_one_that_is_gone_explains_itself() -> None:
    region = zcio.SharedRegion.create(SIZE)
    data = pickle.dumps(region)
    number = region.fileno()
    region.close()
    with pytest.raises(FileNotFoundError, match=f"process {os.getpid()}, which sent it, has ended or has closed it"):
        pickle.loads(data)
    # The number means another memory by now.
    other = os.memfd_create("other")
    os.dup2(other, number)
    with pytest.raises(FileNotFoundError, match="which sent it"):
        pickle.loads(data)
    assert os.fstat(other)
    os.close(other)
    os.close(number)
    sender = "import zcio, pickle, sys; sys.stdout.buffer.write(pickle.dumps(zcio.SharedRegion.create(10)))"
    data = subprocess.run([sys.executable, "-c", sender], stdout=subprocess.PIPE, check=True).stdout
    with pytest.raises(FileNotFoundError, match="which sent it"):
        pickle.loads(data)
    with pytest.raises(ValueError, match="closed"):
        pickle.dumps(region)


def send_and_end(queue: Any) -> None:
    queue.put(zcio.SharedRegion.create(SIZE))
    queue.close()
    queue.join_thread()


def test_a_queue_whose_sender_has_ended() -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=send_and_end, args=(queue,))
    process.start()
    process.join()
    with pytest.raises(FileNotFoundError, match=f"process {process.pid}, which sent it"):
        queue.get(timeout=60)
    queue.close()
    queue.join_thread()


def fill(region: zcio.SharedRegion, index: int) -> int:
    region.write(bytes([index + 1]), index)
    return len(region)


def test_pools() -> None:
    with zcio.SharedRegion.create(SIZE) as region:
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(2, context) as pool:
            assert list(pool.map(fill, [region] * 4, range(4))) == [SIZE] * 4
        assert region.read(0, 4) == b"\1\2\3\4"


def test_joblib() -> None:
    joblib = pytest.importorskip("joblib")
    cloudpickle = pytest.importorskip("cloudpickle")
    with zcio.SharedRegion.create(SIZE) as region:
        jobs = (joblib.delayed(fill)(region, index) for index in range(4))
        assert joblib.Parallel(2)(jobs) == [SIZE] * 4
        assert region.read(0, 4) == b"\1\2\3\4"
        found = cloudpickle.loads(cloudpickle.dumps(lambda: region.read(0, 4)))
        assert found() == b"\1\2\3\4"


def test_a_file_that_has_its_number_by_now_is_not_opened(tmp_path: Path) -> None:
    """Its holder would notice: a FIFO has had a writer then, a lease is broken, a tape rewinds."""
    os.mkfifo(tmp_path / "fifo")
    region = zcio.SharedRegion.create(SIZE)
    data = pickle.dumps(region)
    number = region.fileno()
    region.close()
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    os.dup2(reader, number)
    poll = select.poll()
    poll.register(number)
    with pytest.raises(FileNotFoundError, match="has ended or has closed it"):
        pickle.loads(data)
    assert poll.poll(0) == []
    os.close(number)
    os.close(reader)


NONE_LEFT = """
import os, pickle, resource, sys, zcio, zcio._sharing
data = sys.stdin.buffer.read()
highest = os.dup(0)
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
for room in (1, 2):
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + room, limit))
    try:
        pickle.loads(data)
    except OSError as error:
        print(error.errno)
    else:
        print("received")
"""


def test_no_descriptor_left_is_no_memory_that_is_gone() -> None:
    with zcio.SharedRegion.create(SIZE) as region:
        done = subprocess.run(
            [sys.executable, "-c", NONE_LEFT], input=pickle.dumps(region), capture_output=True, check=False
        )
    assert done.stdout.split() == [b"%d" % errno.EMFILE] * 2, done.stderr
