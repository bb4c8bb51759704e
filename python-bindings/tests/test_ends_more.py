"""What may happen to an end besides: locks are kept, callbacks may do anything, a child of fork goes on with
nothing."""

import fcntl
import io
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import zcio
import zcio.aio
from loops import Library
from support import background, content, read_all, tcp_pair, write_all

DATA = content(2 << 20)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


def is_locked(path: Path) -> bool:
    """Whether another process finds a lock of this one's."""
    attempt = f"import fcntl; fcntl.lockf(open({str(path)!r}, 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    child = subprocess.run([sys.executable, "-c", attempt], stderr=subprocess.PIPE, check=False)
    return b"BlockingIOError" in child.stderr


@pytest.fixture
def ends(source: Path) -> Iterator[tuple[IO[bytes], socket.socket]]:
    """A file that is open for both, and a socket that takes anything."""
    near, far = socket.socketpair()
    with source.open("r+b") as file, near, far, background(lambda: read_all(far.fileno())):
        yield file, near
        near.shutdown(socket.SHUT_WR)


Use = Callable[[IO[bytes], socket.socket, Path], object]


def received(file: Any, count: int) -> None:
    near, far = socket.socketpair()
    with near, far:
        far.sendall(b"x" * count)
        zcio.transfer(near, file, count=count)


USES: dict[str, Use] = {
    "transfer": lambda file, sock, _: zcio.transfer(file, sock),
    "transfer by number": lambda file, sock, _: zcio.transfer(file.fileno(), sock, offset=0),
    "transfer to it": lambda file, _, __: received(file, 1000),
    "transfer to its number": lambda file, _, __: received(file.fileno(), 1000),
    "transfer to a path": lambda file, _, path: zcio.transfer(file, path),
    "transfer of a buffer": lambda file, _, __: zcio.transfer(memoryview(DATA), file),
    "direct_io": lambda file, sock, _: zcio.transfer(sock, file, count=0),
    "fan_out": lambda file, sock, path: zcio.fan_out(file, [sock, path]),
    "batch": lambda file, sock, path: zcio.batch([(file, sock), (file.fileno(), path), (file, sock)]),
    "relay": lambda file, sock, _: refused(zcio.relay, file, sock),
    "read_direct": lambda file, _, __: direct(file),
}


def refused(work: Callable[..., object], *arguments: Any) -> None:
    with pytest.raises((OSError, ValueError)):
        work(*arguments)


def direct(file: IO[bytes]) -> None:
    try:
        zcio.read_direct(file, zcio.AlignedBuffer(1 << 16))
    except OSError:
        """The file system has no direct I/O; it was opened and closed all the same."""


@pytest.mark.parametrize("use", USES)
def test_no_lock_is_dropped(use: str, ends: tuple[IO[bytes], socket.socket], source: Path, tmp_path: Path) -> None:
    file, sock = ends
    fcntl.lockf(file, fcntl.LOCK_EX)
    USES[use](file, sock, tmp_path / "sink")
    assert is_locked(source)


def test_a_lock_that_is_taken_in_the_midst_is_kept(source: Path) -> None:
    near, far = socket.socketpair()
    with source.open("r+b") as file, near, far:

        def meanwhile() -> None:
            far.recv(1)
            fcntl.lockf(file, fcntl.LOCK_EX)
            read_all(far.fileno())

        with background(meanwhile):
            zcio.transfer(file, near)
            near.shutdown(socket.SHUT_WR)
        assert is_locked(source)


def test_no_lock_is_dropped_in_a_loop(library: Library, ends: tuple[IO[bytes], socket.socket], source: Path) -> None:
    file, sock = ends

    async def main() -> None:
        fcntl.lockf(file, fcntl.LOCK_EX)
        await zcio.aio.transfer(file, sock)
        await zcio.aio.fan_out(file, [sock], offset=0)
        job = zcio.aio.Transfer(file, sock, offset=0)
        del job

    library.run(main)
    assert is_locked(source)


def test_progress_may_do_anything_to_the_ends(source: Path, tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as made:
        made.truncate(200 << 20)
    decoy = tmp_path / "decoy"
    decoy.write_bytes(DATA)
    with big.open("rb") as src, (tmp_path / "sink").open("wb") as dst:
        told: list[int] = []

        def progress(moved: int) -> None:
            told.append(moved)
            if len(told) == 1:
                zcio.transfer(source, tmp_path / "nested")
                src.close()
                dst.close()
                os.dup2(os.open(decoy, os.O_RDWR), os.open(decoy, os.O_RDWR))

        report = zcio.transfer(src, dst, progress=progress, mechanism="read_write")
    assert report.bytes == 200 << 20 == (tmp_path / "sink").stat().st_size
    assert decoy.read_bytes() == DATA == (tmp_path / "nested").read_bytes()


def test_a_file_that_was_closed_is_not_sought_in(source: Path, tmp_path: Path) -> None:
    """Its number is another file's by the end, whose position is its own."""
    near, far = socket.socketpair()
    with source.open("rb") as file, near, far:
        others: list[int] = []

        def meanwhile() -> None:
            far.recv(1)
            number = file.fileno()
            other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
            os.write(other, b"0123456789")
            os.lseek(other, 3, os.SEEK_SET)
            os.dup2(other, number)
            others.append(other)
            read_all(far.fileno())

        with background(meanwhile):
            assert zcio.transfer(file, near).bytes == len(DATA)
            near.shutdown(socket.SHUT_WR)
        assert os.lseek(others[0], 0, os.SEEK_CUR) == 3
        os.close(others[0])


@pytest.mark.parametrize("shape", ["object", "path"])
def test_a_child_made_in_progress_goes_on_with_nothing(shape: str, source: Path, tmp_path: Path) -> None:
    program = f"""
import os, sys, zcio
child = None
def progress(moved):
    global child
    if child is None:
        child = os.fork()
source = open({str(source)!r}, "rb") if {shape!r} == "object" else {str(source)!r}
try:
    done = zcio.transfer(source, {str(tmp_path / "sink")!r}, progress=progress, mechanism="read_write").bytes
except zcio.TransferError as error:
    os._exit(7 if "forked" in str(error) else 8)
pid, status = os.waitpid(child, 0)
sys.exit(done != {256 << 20} or os.waitstatus_to_exitcode(status) != 7)
"""
    with source.open("r+b") as file:
        file.truncate(256 << 20)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    assert (tmp_path / "sink").stat().st_size == 256 << 20


def test_a_child_of_a_process_that_has_held_ends_holds_its_own(source: Path, tmp_path: Path) -> None:
    program = f"""
import os, sys, zcio
file = open({str(source)!r}, "rb")
zcio.transfer(file, {str(tmp_path / "a")!r}, offset=0)
steps = zcio._zcio.TransferSteps(file, {str(tmp_path / "c")!r}, 0, None, "auto", "aliased", None, None, False, b"")
steps.open(True)
pid = os.fork()
if pid == 0:
    try:
        steps.step(True)
    except zcio.TransferError:
        del steps
        os._exit(zcio.transfer(file, {str(tmp_path / "b")!r}, offset=0).bytes != {len(DATA)})
    os._exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
while steps.step(True) is not None: pass
steps.close()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    for name in "abc":
        assert (tmp_path / name).read_bytes() == DATA


def test_ctrl_c_reaches_a_transfer_of_a_file(source: Path) -> None:
    near, far = socket.socketpair()
    with source.open("rb") as file, near, far:

        def interrupt() -> None:
            far.recv(1)
            os.kill(os.getpid(), signal.SIGINT)

        with background(interrupt), pytest.raises(KeyboardInterrupt) as raised:
            zcio.transfer(file, near)
        assert 0 < raised.value.moved < len(DATA)  # type: ignore[attr-defined]


def test_a_program_that_closes_all_it_does_not_know(source: Path, tmp_path: Path) -> None:
    program = f"""
import os, zcio
source = open({str(source)!r}, "rb")
zcio.transfer(source, {str(tmp_path / "sink")!r}, offset=0)
os.closerange(source.fileno() + 1, 4096)
many = [os.open({str(source)!r}, os.O_RDWR) for _ in range(20)]
assert zcio.transfer(source, {str(tmp_path / "sink")!r}, offset=0).bytes == {len(DATA)}
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    assert (tmp_path / "sink").read_bytes() == DATA == source.read_bytes()


def test_small_transfers_while_the_file_is_closed(tmp_path: Path) -> None:
    """The short way: `close()`, and another file under the number, at any moment."""
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.write_bytes(b"m" * 4096)
    other.write_bytes(b"o" * 4096)
    with tcp_pair() as (near, far):
        current: list[io.BufferedReader] = [mine.open("rb")]
        done = threading.Event()

        def churn() -> None:
            while not done.is_set():
                current[0].close()
                with other.open("rb"), other.open("rb"):
                    current[0] = mine.open("rb")

        def send() -> None:
            for _ in range(3000):
                try:
                    zcio.transfer(current[0], near, offset=0, count=4096)
                except (ValueError, OSError):
                    continue
            done.set()
            near.shutdown(socket.SHUT_WR)

        with background(churn), background(send):
            received = read_all(far.fileno())
        current[0].close()
        assert received.count(b"o") == 0
        assert received.count(b"m") == len(received)


def test_a_close_waits_for_the_short_way_and_is_true_then(source: Path) -> None:
    with tcp_pair() as (near, far), source.open("rb") as file:
        for _ in range(50):
            zcio.transfer(file, near, offset=0, count=100)
            assert "close" not in vars(file.raw)
        assert far.recv(5000, socket.MSG_WAITALL) == DATA[:100] * 50
        file.close()
        assert file.closed
        with pytest.raises(ValueError, match="closed"):
            zcio.transfer(file, near, offset=0, count=100)


def test_items_for_one_socket_are_for_one_end(tmp_path: Path) -> None:
    names = [tmp_path / str(i) for i in range(5)]
    for name in names:
        name.write_bytes(name.name.encode() * 1000)
    near, far = socket.socketpair()
    with near, far, names[0].open("rb") as file:
        report = zcio.batch([(file, near), *((name, near) for name in names[1:])])
        assert all(isinstance(item, zcio.ItemReport) and item.bytes == 1000 for item in report.items)
        near.shutdown(socket.SHUT_WR)
        assert read_all(far.fileno()) == b"".join(name.read_bytes() for name in names)


def test_write_all_is_itself_right(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    write_all(fd, DATA)
    os.close(fd)
    assert (tmp_path / "file").read_bytes() == DATA


REFUSED: dict[str, Callable[[Any, Path], object]] = {
    "missing folder": lambda file, folder: zcio.transfer(file, folder / "none" / "new"),
    "transfer": lambda file, _: zcio.transfer(file, None),  # type: ignore[arg-type]
    "fan_out": lambda file, folder: zcio.fan_out(file, [folder / "new", None]),  # type: ignore[list-item]
    "batch": lambda file, folder: zcio.batch([(file, folder / "new"), 5]),  # type: ignore[list-item]
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
def test_a_call_that_is_refused_leaves_nothing_open(
    refused: Callable[[Any, Path], object], source: Path, tmp_path: Path
) -> None:
    """A flock goes with the last descriptor of its open file description."""
    for _ in range(50):
        with source.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with pytest.raises((OSError, TypeError, ValueError)):
                refused(file, tmp_path)
        with source.open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert [entry.name for entry in tmp_path.iterdir()] == ["source"]
