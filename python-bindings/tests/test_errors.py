"""Errors in the middle: how far it came, what was left over, and that the exception is Python's own kind."""

import errno
import os
import pickle
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import pytest
import zcio
from support import Pair, allowed, background, content, on_disk, read_all, skip, tcp_pair, unix_pair

DATA = content(8 << 20)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 1 MiB."""
    directory = tmp_path / "small"
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "zcio", str(directory)]
    mount = subprocess.run(command, check=False, capture_output=True, text=True)
    if mount.returncode != 0:
        skip(f"mount: {mount.stderr.splitlines()[0].rpartition(': ')[2]}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", directory], check=True)


@pytest.mark.parametrize("pair", [tcp_pair, unix_pair])
def test_a_peer_that_closes_half_way(pair: Callable[[], AbstractContextManager[Pair]], source: Path) -> None:
    received = bytearray()
    with pair() as (near, far):
        # Together the queues must not hold what is left, however late the other side runs.
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)

        def take_some() -> None:
            while len(received) < 1 << 20:
                received.extend(far.recv(65536))
            far.close()

        with background(take_some), pytest.raises((BrokenPipeError, ConnectionResetError)) as raised:
            zcio.transfer(source, near)
    error = raised.value
    assert isinstance(error, zcio.TransferError)
    assert error.errno in {errno.EPIPE, errno.ECONNRESET}
    assert len(received) <= error.moved < len(DATA)
    assert error.undelivered == b""
    assert f"{error.moved} bytes moved" in str(error)
    assert received == DATA[: len(received)]


def test_a_pipe_whose_reader_goes(source: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with pytest.raises(zcio.BrokenPipeTransferError) as raised:
            zcio.transfer(source, writer)
    finally:
        os.close(writer)
    assert (raised.value.moved, raised.value.errno) == (0, errno.EPIPE)


# Those that do not go from a file to a file.
ELSEWHERE = {"vmsplice", "zerocopy_send", "zerocopy_receive"}


@pytest.mark.parametrize("mechanism", ["auto", *(set(zcio.MECHANISMS) - ELSEWHERE)])
def test_a_full_disk(mechanism: zcio.Mechanism, source: Path, small_disk: Path) -> None:
    allowed(mechanism)
    with pytest.raises(zcio.TransferError) as raised:
        zcio.transfer(source, small_disk / "sink", mechanism=mechanism)
    error = raised.value
    if mechanism in {"copy_file_range", "reflink"}:  # Between file systems it is refused.
        assert (error.errno, error.moved) == (errno.EXDEV, 0)
        return
    assert (error.errno, error.filename) == (errno.ENOSPC, str(small_disk / "sink"))
    assert 0 < error.moved <= 1 << 20
    assert (small_disk / "sink").read_bytes() == DATA[: error.moved]


def full_disk(src: zcio.End, dst: zcio.End, mechanism: zcio.Mechanism | Literal["auto"]) -> zcio.TransferError:
    with pytest.raises(zcio.TransferError) as raised:
        zcio.transfer(src, dst, mechanism=mechanism)
    return raised.value


@pytest.mark.parametrize("mechanism", ["auto", "read_write", "splice"])
def test_a_full_disk_loses_nothing_of_a_stream(mechanism: zcio.Mechanism, small_disk: Path) -> None:
    with tcp_pair() as (near, far):

        def send() -> None:
            with far:
                far.sendall(DATA[: 4 << 20])

        with background(send):
            error = full_disk(near, small_disk / "sink", mechanism)
            rest = read_all(near.fileno())
    assert error.errno == errno.ENOSPC
    assert len(error.undelivered) > 0
    arrived = (small_disk / "sink").read_bytes()
    assert len(arrived) == error.moved
    assert arrived + error.undelivered + rest == DATA[: 4 << 20]


def test_dev_full_gives_back_what_a_pipe_had() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"not to be lost")
    os.close(writer)
    with open(reader, "rb", 0) as src, open("/dev/full", "wb", 0) as full:
        error = full_disk(src, full, "auto")
    assert type(error) is zcio.TransferError
    assert (error.errno, error.moved, error.undelivered) == (errno.ENOSPC, 0, b"not to be lost")


def test_a_refused_mechanism_shows_in_the_report(tmp_path: Path) -> None:
    memory = os.memfd_create("zcio")
    try:
        os.write(memory, b"0123456789")
        report = zcio.transfer(memory, tmp_path / "sink", offset=1)
    finally:
        os.close(memory)
    assert (tmp_path / "sink").read_bytes() == b"123456789"
    (attempt,) = report.attempts
    assert (attempt.mechanism, attempt.errno, attempt.moved) == ("copy_file_range", errno.EXDEV, 0)
    assert (attempt.operation, report.mechanism) == ("copy_file_range", "sendfile")
    assert "different file systems" in attempt.reason


@pytest.mark.parametrize("timeout", [0.05, 0.3])
@pytest.mark.parametrize("end", ["src", "dst"])
def test_the_timeout_of_a_socket(end: str, timeout: float, source: Path, tmp_path: Path) -> None:
    with tcp_pair() as (near, far):
        near.settimeout(timeout)
        if end == "src":
            far.sendall(b"first")
        start = time.monotonic()
        with pytest.raises(TimeoutError, match="timed out") as raised:
            zcio.transfer(*((near, tmp_path / "sink") if end == "src" else (source, near)))
        waited = time.monotonic() - start
    error = raised.value
    assert isinstance(error, zcio.TimeoutTransferError)
    assert timeout <= waited < timeout + 10
    assert error.errno == errno.ETIMEDOUT
    if end == "src":
        assert (error.moved, (tmp_path / "sink").read_bytes()) == (5, b"first")
    else:
        assert 0 < error.moved < len(DATA)


def test_a_socket_that_keeps_moving_does_not_time_out(tmp_path: Path) -> None:
    with tcp_pair() as (near, far):
        near.settimeout(2)

        def trickle() -> None:
            for _ in range(6):
                far.sendall(b"x")
                time.sleep(0.5)
            far.close()

        with background(trickle):
            assert zcio.transfer(near, tmp_path / "sink").bytes == 6


@pytest.mark.parametrize("kind", [zcio.TransferError, *zcio.TransferError.__subclasses__()])
def test_exceptions_are_public_and_can_be_pickled(kind: type[zcio.TransferError]) -> None:
    assert getattr(zcio, kind.__name__) is kind
    assert kind.__module__ == "zcio"
    error = kind(errno.EPIPE, "strerror", "filename")
    error.moved, error.undelivered, error.operation = 7, b"left", "splice"
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (copy.errno, copy.strerror, copy.filename) == (errno.EPIPE, "strerror", "filename")
    assert (copy.moved, copy.undelivered, copy.operation) == (7, b"left", "splice")
    assert str(copy) == str(error) == "[Errno 32] strerror: 'filename' (splice, 7 bytes moved)"


def test_each_class_is_also_the_builtin_of_its_errno() -> None:
    from zcio._errors import transfer_error

    for number in errno.errorcode:
        builtin = type(OSError(number, ""))
        error = transfer_error(number, "", None, "open", 0, b"")
        assert isinstance(error, zcio.TransferError)
        if builtin.__name__.removesuffix("Error") + "TransferError" in zcio.__all__:
            assert isinstance(error, builtin)
        else:
            assert type(error) is zcio.TransferError


def test_the_temporary_directory_is_a_disk(tmp_path: Path) -> None:
    """The large transfers of test_large fill it: memory would not do."""
    on_disk(tmp_path)
