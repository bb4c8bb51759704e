"""Some pages: the short way, and that it gives what the long one gives."""

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zcio
from support import background, content, read_all, tcp_pair, unix_pair

DATA = content(20_000)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


SHAPES: list[Callable[[Any], Any]] = [lambda end: end, lambda end: end.fileno()]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("buffering", [-1, 0])
def test_two_system_calls(shape: Callable[[Any], Any], buffering: int, source: Path) -> None:
    with tcp_pair() as (near, far), open(source, "rb", buffering) as file:
        file.read(3)
        position = file.tell()
        report = zcio.transfer(shape(file), shape(near), offset=100, count=4096)
        assert far.recv(4096, socket.MSG_WAITALL) == DATA[100:4196]
        assert file.tell() == position
    assert (report.bytes, report.requested, report.short) == (4096, 4096, False)
    assert (report.mechanism, report.automatic, report.system_calls, report.waits) == ("sendfile", True, 2, 0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("size", [4096, 65536])
def test_the_rest_of_a_file(size: int, shape: Callable[[Any], Any], buffering: int, tmp_path: Path) -> None:
    """Without offset and count: from its position to its end, where it is left."""
    data = content(size)
    (tmp_path / "source").write_bytes(data)
    with tcp_pair() as (near, far), open(tmp_path / "source", "rb", buffering) as file:
        file.seek(100)
        report = zcio.transfer(shape(file), shape(near))
        assert far.recv(size - 100, socket.MSG_WAITALL) == data[100:]
        assert shape is not SHAPES[0] or file.tell() == size
        assert (report.bytes, report.requested, report.mechanism) == (size - 100, None, "sendfile")
        assert report.system_calls == (2 if size == 4096 else 3)
        assert zcio.transfer(shape(file), shape(near)).bytes == 0


@pytest.mark.parametrize(
    "shape", [lambda end: end, lambda end: end if isinstance(end, socket.socket) else end.fileno()]
)
@pytest.mark.parametrize("buffering", [-1, 0])
def test_what_does_not_fit_is_sent_from_where_it_stopped(
    shape: Callable[[Any], Any], buffering: int, tmp_path: Path
) -> None:
    """A socket that does not wait takes a part of it: the position is the same as if it had been in one."""
    data = content(60_000)
    (tmp_path / "source").write_bytes(data)
    with tcp_pair() as (near, far), open(tmp_path / "source", "rb", buffering) as file:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        near.settimeout(60)
        got: list[bytes] = []
        with background(lambda: got.append(read_all(far.fileno()))):
            for count in (1, 16_000, 9_000, 16_000, 10_000, None):
                keywords: dict[str, Any] = {} if count is None else {"count": count}
                before = os.lseek(file.fileno(), 0, os.SEEK_CUR) if buffering == 0 else file.tell()
                report = zcio.transfer(file if buffering else shape(file), near, **keywords)
                assert (file.tell() if buffering else os.lseek(file.fileno(), 0, os.SEEK_CUR)) == before + report.bytes
            near.shutdown(socket.SHUT_WR)
        assert got == [data]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_child_closes_a_file_that_its_parent_uses(tmp_path: Path) -> None:
    """A close waits for users, of whom a child has none."""
    (tmp_path / "source").write_bytes(content(256 << 10))
    with tcp_pair() as (near, far), (tmp_path / "source").open("rb") as file:
        done = threading.Event()

        def send() -> None:
            while not done.is_set():
                zcio.transfer(file, near, offset=0, count=256 << 10)
            near.shutdown(socket.SHUT_WR)

        def discard() -> None:
            buffer = bytearray(1 << 20)
            while far.recv_into(buffer):
                pass

        used = 0
        with background(discard), background(send):
            try:
                # Until some of them were made while it was used.
                while used < 3:
                    child = os.fork()
                    if child == 0:
                        signal.signal(signal.SIGALRM, signal.SIG_DFL)
                        signal.alarm(30)
                        was_used = "close" in vars(file.raw)
                        file.raw.close()
                        os._exit(int(was_used) if file.closed else 2)
                    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                    assert status in {0, 1}
                    used += status
            finally:
                done.set()


def test_what_it_leaves_to_the_long_way(source: Path) -> None:
    with tcp_pair() as (near, far), source.open("rb") as file:
        report = zcio.transfer(file, near, offset=19_000, count=4096)
        assert (report.bytes, report.short) == (1000, True)
        assert far.recv(1000, socket.MSG_WAITALL) == DATA[19_000:]
        assert zcio.transfer(file, near, offset=30_000, count=10).bytes == 0
        near.settimeout(0.2)
        sent = 0
        try:
            while True:
                sent += zcio.transfer(file, near, offset=0, count=16_000).bytes
        except zcio.TimeoutTransferError as error:
            sent += error.moved
        near.close()
        received = bytearray()
        while chunk := far.recv(1 << 20):
            received += chunk
        assert len(received) == sent
        assert received == (DATA[:16_000] * (sent // 16_000 + 1))[:sent]
    with unix_pair() as (near, far), source.open("rb") as file:
        assert zcio.transfer(file, near, offset=1, count=10).bytes == 10
        assert far.recv(100) == DATA[1:11]


def reset(near: socket.socket, far: socket.socket) -> None:
    """Closes the far end with a reset, and waits until it has come."""
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    far.close()
    poll = select.poll()
    poll.register(near, 0)
    assert poll.poll(60_000)


def test_errors_are_the_same(source: Path) -> None:
    with tcp_pair() as (near, far), source.open("rb") as file:
        reset(near, far)
        with pytest.raises((ConnectionResetError, BrokenPipeError)) as raised:
            zcio.transfer(file, near, offset=0, count=10)
        assert isinstance(raised.value, zcio.TransferError)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, source.open("rb") as file:
        udp.connect(("127.0.0.1", 9))
        with pytest.raises(OSError, match="no stream of bytes"):
            zcio.transfer(file, udp, offset=0, count=10)
    with tcp_pair() as (near, far), source.open("wb") as write_only:
        with pytest.raises(OSError, match="not open for reading"):
            zcio.transfer(write_only, near, offset=0, count=10)
        with pytest.raises(ValueError, match="no offsets"):
            zcio.transfer(far, near, offset=0, count=10)


def closed_while_it_sends(source: Path) -> bool:
    """Whether the transfer was at work at the close: a full socket may take more as its peer's kernel does."""
    with tcp_pair() as (near, far), source.open("rb") as file:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        number = near.fileno()
        reports: list[zcio.Report] = []

        def send() -> None:
            # Until it waits for the receiver.
            while near.fileno() >= 0:
                reports.append(zcio.transfer(file, near, offset=0, count=16_000))

        with background(send):
            waiting = Path(f"/proc/self/fd/{number}")
            inode = waiting.readlink()
            received = bytearray()
            # Full, and a transfer that holds the socket: it waits.
            end = time.monotonic() + 30
            while select.select([], [near], [], 0)[1] or near._io_refs == 0:  # type: ignore[attr-defined]
                assert time.monotonic() < end
                time.sleep(0.01)
            near.close()
            with source.open("rb") as other:
                at_work = near.fileno() == number
                assert not at_work or other.fileno() != number
            if at_work := at_work and near.fileno() == number:
                assert waiting.readlink() == inode, "it is open as long as the transfer needs it"
            while chunk := far.recv(1 << 20):
                received += chunk
        assert near.fileno() == -1
        assert received == DATA[:16_000] * len(reports)
        return at_work


def test_a_socket_that_is_closed_meanwhile(source: Path) -> None:
    """The close comes true when the transfer is over: until then nobody else gets the descriptor's number."""
    assert any(closed_while_it_sends(source) for _ in range(20))


def test_a_socket_has_as_many_users_as_before(source: Path) -> None:
    with tcp_pair() as (near, far), source.open("rb") as file, near.makefile("rwb") as users:
        near.close()
        zcio.transfer(file, near, offset=0, count=10)
        assert far.recv(100) == DATA[:10]
        users.write(b"more")
        users.flush()
        assert far.recv(100) == b"more"
        users.close()
        assert near.fileno() == -1
        with pytest.raises(OSError, match="closed"):
            zcio.transfer(file, near, offset=0, count=10)
        assert far.recv(100) == b""


def test_a_reset_leaves_the_socket_to_its_owner(source: Path) -> None:
    with tcp_pair() as (near, far), source.open("rb") as file:
        reset(near, far)
        for _ in range(3):
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                zcio.transfer(file, near, offset=0, count=10)
        number = near.fileno()
        near.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
