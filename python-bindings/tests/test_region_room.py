"""Room for what will be written to a region, and a transfer from a region that is closed meanwhile."""

import errno
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zcio


def test_room_is_reserved_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    with open(path, "r+b") as file:
        file.truncate(1 << 20)
    zcio.Region.open(path, "r+").close()
    assert path.stat().st_blocks == 0
    zcio.Region.open(path, "r+", reserve=True).close()
    assert path.stat().st_blocks * 512 >= 1 << 20


def test_memory_is_not_counted_if_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"some bytes")
    for region in (zcio.Region.open(path, "c", reserve=False), zcio.Region.anonymous(1 << 20, reserve=False)):
        region[:4] = b"zero"
        assert region.read(0, 4) == b"zero"
        region.close()
    with pytest.raises(ValueError, match="room can be reserved only where stores go to a file"):
        zcio.Region.open(path, "r", reserve=True)
    with pytest.raises(ValueError, match="room can be reserved only where stores go to a file"):
        zcio.Region.anonymous(1, reserve=True)
    with pytest.raises(ValueError, match="only private memory is counted"):
        zcio.Region.open(path, "r+", reserve=False)


@pytest.mark.parametrize("of", [lambda region: region, memoryview])
def test_a_region_closed_while_it_is_sent_sends_no_zeroes(of: Callable[[zcio.Region], Any]) -> None:
    length = 16 << 20
    region = zcio.Region.anonymous(length)
    region[:] = b"x" * length
    near, far = socket.socketpair()
    arrived = bytearray()

    def reader() -> None:
        # Nobody reads before the region is closed.
        far.recv(1, socket.MSG_PEEK)
        region.close(strict=False)
        while data := far.recv(1 << 20):
            arrived.extend(data)

    thread = threading.Thread(target=reader)
    thread.start()
    with pytest.raises(zcio.TransferError) as caught:
        zcio.transfer(of(region), near)
    near.close()
    thread.join()
    far.close()
    assert caught.value.errno == errno.EBADF
    assert caught.value.moved == len(arrived)
    assert arrived == b"x" * len(arrived)


LIMITS = """
import resource, sys
import zcio

limit = getattr(resource, sys.argv[1])
resource.setrlimit(limit, (int(sys.argv[2]), int(sys.argv[2])))
held = []
try:
    for _ in range(1000):
        held.append(eval(sys.argv[3]))
except OSError as error:
    held.clear()
    print(error)
"""


@pytest.mark.parametrize(
    ("limit", "most", "made"),
    [
        ("RLIMIT_NOFILE", 40, "zcio.SharedRegion.create(4096)"),
        ("RLIMIT_AS", 4 << 30, "zcio.Region.anonymous(8 << 30, reserve=False)"),
        ("RLIMIT_AS", 1 << 30, "zcio.SharedRegion.create(64 << 20)"),
    ],
)
def test_the_limit_that_stands_in_the_way_has_a_name(limit: str, most: int, made: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITS, limit, str(most), made], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"({limit})" in done.stdout, done
