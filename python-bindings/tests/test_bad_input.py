"""Everything that can be asked for and must not be done: the exact class, a message that helps, and nothing written."""

import contextlib
import errno
import fcntl
import io
import os
import resource
import socket
from pathlib import Path
from typing import Any

import pytest
import zcio
from support import allowed, tcp_pair, unix_pair

# Wrong types are passed on purpose.
transfer: Any = zcio.transfer


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"0123456789")
    return path


@pytest.fixture(params=["absent", "present"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A destination that must be as it was when the test is over."""
    path = tmp_path / "sink"
    if request.param == "present":
        path.write_bytes(b"precious")
    yield path
    if request.param == "present":
        assert path.read_bytes() == b"precious"
    else:
        assert not path.exists()


@pytest.mark.parametrize("shape", [str, os.fsencode, Path])
def test_missing_file(shape: Any, sink: Path, tmp_path: Path) -> None:
    name = shape(str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="No such file") as raised:
        transfer(name, sink)
    assert type(raised.value) is zcio.FileNotFoundTransferError
    assert (raised.value.errno, raised.value.filename) == (errno.ENOENT, os.fspath(name))
    assert (raised.value.moved, raised.value.undelivered, raised.value.operation) == (0, b"", "open")


def test_missing_directory_of_the_destination(source: Path, tmp_path: Path) -> None:
    with pytest.raises(zcio.FileNotFoundTransferError) as raised:
        transfer(source, tmp_path / "none" / "sink")
    assert raised.value.filename == str(tmp_path / "none" / "sink")
    with pytest.raises(zcio.NotADirectoryTransferError):
        transfer(source, source / "sink")


def test_directory(source: Path, sink: Path, tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="source is a directory") as raised:
        transfer(tmp_path, sink)
    assert type(raised.value) is zcio.IsADirectoryTransferError
    assert (raised.value.errno, raised.value.filename) == (errno.EISDIR, str(tmp_path))
    with pytest.raises(zcio.IsADirectoryTransferError):
        transfer(source, tmp_path)
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(zcio.IsADirectoryTransferError):
            transfer(fd, sink)
    finally:
        os.close(fd)


def test_permission(source: Path) -> None:
    # Not a matter of users: nobody may write to sealed memory.
    sealed = os.memfd_create("zcio", os.MFD_ALLOW_SEALING)
    try:
        fcntl.fcntl(sealed, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
        with pytest.raises(PermissionError) as raised:
            transfer(source, sealed)
    finally:
        os.close(sealed)
    assert type(raised.value) is zcio.PermissionTransferError
    assert (raised.value.errno, raised.value.moved) == (errno.EPERM, 0)


def test_closed_ends(source: Path, sink: Path) -> None:
    file = source.open("rb")
    file.close()
    with pytest.raises(ValueError, match="closed file"):
        transfer(file, sink)
    with pytest.raises(ValueError, match="closed file"):
        transfer(source, file)
    left, right = socket.socketpair()
    left.close()
    right.close()
    for src, dst, role in [(left, sink, "source"), (source, right, "sink")]:
        with pytest.raises(zcio.TransferError, match=f"the {role} is closed") as raised:
            transfer(src, dst)
        assert raised.value.errno == errno.EBADF
    fd = os.open(source, os.O_RDONLY)
    os.close(fd)
    for src, dst in [(fd, sink), (source, fd)]:
        with pytest.raises(zcio.TransferError) as raised:
            transfer(src, dst)
        assert raised.value.errno == errno.EBADF


@pytest.mark.parametrize("name", ["offset", "count", "dst_offset"])
def test_numbers(name: str, source: Path, sink: Path) -> None:
    for value in (-1, -(2**70), 2**64):
        with pytest.raises(ValueError, match=rf"^{name} must be from 0 to .*, not {value}"):
            transfer(source, sink, **{name: value})
    for wrong in (1.0, "1", b"1"):
        with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
            transfer(source, sink, **{name: wrong})


def test_an_offset_no_file_can_have(source: Path, sink: Path) -> None:
    with pytest.raises(ValueError, match="larger than a file can be"):
        transfer(source, sink, offset=2**63)


def test_an_offset_for_a_stream(source: Path, sink: Path) -> None:
    with unix_pair() as (near, far):
        with pytest.raises(ValueError, match="UNIX stream socket, which has no offsets"):
            transfer(near, sink, offset=1)
        with pytest.raises(ValueError, match="UNIX stream socket, which has no offsets"):
            transfer(source, near, dst_offset=1)
        far.setblocking(False)
        with pytest.raises(BlockingIOError):
            far.recv(1)


def test_a_range_beyond_the_end_moves_what_there_is(source: Path, tmp_path: Path) -> None:
    report = zcio.transfer(source, tmp_path / "sink", offset=8, count=100)
    assert (report.bytes, report.requested, report.short) == (2, 100, True)
    assert (tmp_path / "sink").read_bytes() == b"89"
    report = zcio.transfer(source, tmp_path / "sink", offset=11)
    assert (report.bytes, report.short, (tmp_path / "sink").read_bytes()) == (0, False, b"")


def test_not_open_for_that(source: Path, tmp_path: Path) -> None:
    sink = tmp_path / "kept"
    sink.write_bytes(b"precious")
    with sink.open("rb") as read_only, pytest.raises(io.UnsupportedOperation, match=r"not open for writing.*'wb'"):
        transfer(source, read_only)
    with sink.open("ab") as write_only, pytest.raises(io.UnsupportedOperation, match=r"not open for reading.*'rb'"):
        transfer(write_only, tmp_path / "other")
    assert sink.read_bytes() == b"precious"
    assert not (tmp_path / "other").exists()


def test_the_same_file(source: Path) -> None:
    with pytest.raises(ValueError, match="same file"):
        transfer(source, source)
    os.link(source, source.with_name("link"))
    with pytest.raises(ValueError, match="same file"):
        transfer(source, source.with_name("link"))
    with source.open("r+b") as file:
        with pytest.raises(ValueError, match="overlap"):
            transfer(file, file)
        with pytest.raises(ValueError, match="overlap"):
            transfer(file, file, offset=0, dst_offset=5)
        assert file.tell() == 0
        assert source.read_bytes() == b"0123456789"
        transfer(file, file, offset=0, dst_offset=5, count=5)
        assert file.tell() == 0
    assert source.read_bytes() == b"0123401234"


def test_unknown_names(source: Path, sink: Path) -> None:
    with pytest.raises(ValueError, match="unknown mechanism") as raised:
        transfer(source, sink, mechanism="teleport")
    for name in (*zcio.MECHANISMS, "auto"):
        assert name in str(raised.value)
    with pytest.raises(ValueError, match=r"unknown visibility.*aliased.*snapshot"):
        transfer(source, sink, visibility="invisible")
    for option in ("mechanism", "visibility"):
        with pytest.raises(TypeError):
            transfer(source, sink, **{option: 1})


@pytest.mark.parametrize("mechanism", ["sendfile", "mmap_write", "copy_file_range"])
def test_a_mechanism_that_is_impossible_here(mechanism: str, sink: Path) -> None:
    with tcp_pair() as (near, far):
        far.sendall(b"stays")
        with pytest.raises(io.UnsupportedOperation, match=f"{mechanism} cannot move bytes from this TCP socket"):
            transfer(near, sink, mechanism=mechanism)
        assert near.recv(5) == b"stays"


def test_a_mechanism_that_the_kernel_refuses(sink: Path) -> None:
    with open("/proc/self/maps", "rb", 0) as maps, unix_pair() as (near, far):
        with pytest.raises(zcio.TransferError, match="does not support it") as raised:
            transfer(maps, near, mechanism="sendfile")
        assert (raised.value.errno, raised.value.operation) == (errno.EINVAL, "sendfile")
        far.setblocking(False)
        with pytest.raises(BlockingIOError):
            far.recv(1)
    assert sink.parent.exists()


def test_no_stream_of_bytes(source: Path) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        pytest.raises(io.UnsupportedOperation, match="no stream of bytes"),
    ):
        transfer(source, datagrams)


def test_a_socket_that_is_not_connected(source: Path, tmp_path: Path) -> None:
    with socket.socket() as lonely:
        with pytest.raises(OSError, match=r"not connected|Broken pipe"):
            transfer(source, lonely)
        kept = tmp_path / "kept"
        kept.write_bytes(b"precious")
        with pytest.raises(OSError, match="not connected") as raised:
            transfer(lonely, kept)
        assert isinstance(raised.value, zcio.TransferError)
        assert kept.read_bytes() == b"precious"


@pytest.mark.parametrize("wrong", [None, 1.5, [], bytearray(b"x"), memoryview(b"x"), object()])
def test_what_is_no_end(wrong: object, source: Path, sink: Path) -> None:
    if isinstance(wrong, bytearray):
        assert transfer(source, wrong).bytes == len(wrong)
        return
    if not isinstance(wrong, memoryview):
        with pytest.raises(TypeError, match=rf"^src must be .*buffer.*path.*, not '{type(wrong).__name__}'"):
            transfer(wrong, sink)
    with pytest.raises(TypeError, match=r"^dst (must be|is a buffer that may only be read)"):
        transfer(source, wrong)


def test_numbers_that_are_no_descriptor(source: Path, sink: Path) -> None:
    for wrong in (True, False):
        with pytest.raises(TypeError, match="src must not be a bool"):
            transfer(wrong, sink)
    with pytest.raises(ValueError, match="negative"):
        transfer(-1, sink)
    with pytest.raises(OverflowError):
        transfer(source, 2**40)
    for path in ("a\0b", b"a\0b"):
        with pytest.raises(ValueError, match="null byte"):
            transfer(path, sink)


def test_a_fileno_that_is_not_what_it_says(sink: Path) -> None:
    class Odd:
        def __init__(self, answer: object) -> None:
            self.answer = answer

        def fileno(self) -> Any:
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    for answer in ("3", 0, 3):
        with pytest.raises(TypeError, match="not those of its descriptor"):
            transfer(Odd(answer), sink)
    with pytest.raises(zcio.TransferError) as raised:
        transfer(Odd(-1), sink)
    assert raised.value.errno == errno.EBADF
    with pytest.raises(KeyError, match="mine"):
        transfer(Odd(KeyError("mine")), sink)
    with pytest.raises(io.UnsupportedOperation, match=r"src is a 'BytesIO', .* no file descriptor; .*getbuffer\(\)"):
        transfer(io.BytesIO(b"memory"), sink)
    # A library's own reader, whose class says no more.
    with pytest.raises(io.UnsupportedOperation, match=r"dst is a 'Odd', .* no file descriptor; use shutil"):
        transfer(sink.parent, Odd(io.UnsupportedOperation()))


def test_arguments_are_keywords(source: Path, sink: Path) -> None:
    with pytest.raises(TypeError):
        transfer(source, sink, 0)
    with pytest.raises(TypeError):
        transfer(source)


@pytest.mark.parametrize("mechanism", ["auto", *zcio.MECHANISMS])
def test_a_source_that_cannot_be_read(mechanism: str, sink: Path) -> None:
    """No mechanism takes the error for an empty file, and none has touched the destination by then."""
    allowed(mechanism)
    with pytest.raises((OSError, ValueError)) as raised:
        transfer("/proc/self/mem", sink, mechanism=mechanism)
    assert getattr(raised.value, "moved", 0) == 0


def test_too_few_descriptors_for_a_mechanism(source: Path, sink: Path) -> None:
    """Enough for both ends and for no ring. (Pipes are kept, and one may be there.)"""
    allowed("uring")
    needed = 2 if sink.exists() else 3  # A new file's folder is held, too.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    filled = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 8, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                filled.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(needed):
            os.close(filled.pop())
        with pytest.raises(zcio.TransferError) as raised:
            transfer(source, sink, mechanism="uring")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in filled:
            os.close(fd)
    assert (raised.value.errno, raised.value.moved) == (errno.EMFILE, 0)
    assert raised.value.operation == "io_uring_setup"
