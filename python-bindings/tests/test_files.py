"""File objects: a buffer and a position of Python's own, right before, after and in spite of an error."""

import fcntl
import http.client
import importlib
import io
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any

import pytest
import zcio
from support import background, content, read_all, tcp_pair, unix_pair

DATA = content(100_000)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("mode", ["rb", "r+b"])
def test_reading_starts_at_tell_and_ends_behind_the_bytes(
    source: Path, tmp_path: Path, mode: str, buffering: int
) -> None:
    with source.open(mode, buffering) as file:
        assert file.read(10) == DATA[:10]  # The kernel's position is thousands of bytes further on now.
        assert zcio.transfer(file, tmp_path / "sink", count=20).bytes == 20
        assert file.tell() == 30
        assert file.read(5) == DATA[30:35]
        zcio.transfer(file, tmp_path / "rest")
        assert file.tell() == len(DATA)
        assert file.read() == b""
    assert (tmp_path / "sink").read_bytes() == DATA[10:30]
    assert (tmp_path / "rest").read_bytes() == DATA[35:]


def test_an_offset_leaves_the_position_alone(source: Path, tmp_path: Path) -> None:
    with source.open("rb") as file:
        file.read(10)
        zcio.transfer(file, tmp_path / "sink", offset=50, count=20)
        assert (file.tell(), file.read(5)) == (10, DATA[10:15])
    assert (tmp_path / "sink").read_bytes() == DATA[50:70]


def test_a_descriptor_is_read_from_its_position(source: Path, tmp_path: Path) -> None:
    fd = os.open(source, os.O_RDONLY)
    try:
        os.lseek(fd, 100, os.SEEK_SET)
        zcio.transfer(fd, tmp_path / "sink", count=20)
        assert os.lseek(fd, 0, os.SEEK_CUR) == 120
    finally:
        os.close(fd)
    assert (tmp_path / "sink").read_bytes() == DATA[100:120]


@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize(("mode", "before"), [("wb", b""), ("ab", b"old"), ("r+b", b""), ("w+b", b""), ("a+b", b"old")])
def test_writing_goes_behind_what_was_buffered(
    source: Path, tmp_path: Path, mode: str, before: bytes, buffering: int
) -> None:
    sink = tmp_path / "sink"
    sink.write_bytes(before)
    with sink.open(mode, buffering) as file:
        file.write(b"head")
        zcio.transfer(source, file, count=1000)
        assert file.tell() == len(before) + 4 + 1000
        file.write(b"tail")
        assert file.tell() == len(before) + 4 + 1000 + 4
    assert sink.read_bytes() == before + b"head" + DATA[:1000] + b"tail"


def test_a_file_that_was_being_read_is_written_where_it_stands(source: Path, tmp_path: Path) -> None:
    sink = tmp_path / "sink"
    sink.write_bytes(b"0123456789")
    with sink.open("r+b") as file:
        assert file.read(2) == b"01"
        zcio.transfer(source, file, count=4)
        assert file.tell() == 6
        assert file.read() == b"6789"
    assert sink.read_bytes() == b"01" + DATA[:4] + b"6789"


def test_dst_offset_writes_there_and_leaves_the_position(source: Path, tmp_path: Path) -> None:
    sink = tmp_path / "sink"
    sink.write_bytes(b"0123456789")
    with sink.open("r+b") as file:
        file.write(b"ab")
        zcio.transfer(source, file, count=3, dst_offset=5)
        assert file.tell() == 2
    assert sink.read_bytes() == b"ab234" + DATA[:3] + b"89"


def test_bytes_written_but_not_flushed_are_read(tmp_path: Path) -> None:
    with tempfile.TemporaryFile(dir=tmp_path) as file:
        file.write(DATA[:100])
        file.seek(40)
        file.write(b"!")
        file.seek(0)
        file.write(b"?")
        zcio.transfer(file, tmp_path / "sink", offset=0)
    assert (tmp_path / "sink").read_bytes() == b"?" + DATA[1:40] + b"!" + DATA[41:100]


def test_temporary_files(source: Path, tmp_path: Path) -> None:
    with (
        tempfile.NamedTemporaryFile(dir=tmp_path) as named,
        tempfile.SpooledTemporaryFile(dir=str(tmp_path)) as spooled,
    ):
        zcio.transfer(source, named, count=50)
        assert named.tell() == 50
        named.seek(10)
        assert named.read(5) == DATA[10:15]
        spooled.write(b"in memory until its descriptor is asked for,")
        zcio.transfer(named, spooled)
        spooled.seek(0)
        assert spooled.read() == b"in memory until its descriptor is asked for," + DATA[15:50]


@pytest.mark.parametrize("buffering", [-1, 0])
def test_positions_are_right_after_an_error(source: Path, buffering: int) -> None:
    with source.open("rb", buffering) as file, unix_pair() as (near, far):
        file.read(10)
        # Less than the file fits, so the transfer waits until the peer is gone.
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)

        def take_some() -> None:
            with far:
                far.recv(100)

        with background(take_some), pytest.raises(BrokenPipeError) as raised:
            zcio.transfer(file, near)
        moved = raised.value.moved  # type: ignore[attr-defined]
        assert file.tell() == 10 + moved
        assert file.read(5) == DATA[10 + moved : 15 + moved]


def test_a_full_disk_leaves_the_source_at_the_first_byte_not_written(source: Path) -> None:
    with source.open("rb") as file, open("/dev/full", "wb", 0) as full:
        file.read(7)
        with pytest.raises(zcio.TransferError):
            zcio.transfer(file, full)
        assert file.tell() == 7


def test_a_stream_that_was_read_ahead_is_refused_and_keeps_its_bytes(tmp_path: Path) -> None:
    with subprocess.Popen(["printf", "line\\nrest"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"line\n"
        with pytest.raises(io.UnsupportedOperation, match=r"4 bytes ahead.*read1\(4\)"):
            zcio.transfer(process.stdout, tmp_path / "sink")
        assert not (tmp_path / "sink").exists()
        assert isinstance(process.stdout, io.BufferedReader)
        assert process.stdout.read1(4) == b"rest"
        assert zcio.transfer(process.stdout, tmp_path / "sink").bytes == 0


def test_the_output_of_a_process(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "import sys; sys.stdout.buffer.write(bytes(range(256)) * 1000)"]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        report = zcio.transfer(process.stdout, tmp_path / "sink")
    assert (report.bytes, report.mechanism) == (256_000, "splice")
    assert (tmp_path / "sink").read_bytes() == bytes(range(256)) * 1000


def test_a_read_ahead_that_is_empty_is_found_without_waiting(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as file, open(writer, "wb", 0) as out:
        # Nothing to read yet: asking the buffer must not wait, or the count below would never be met.
        timer = threading.Timer(0.2, lambda: out.write(b"late"))
        timer.start()
        assert zcio.transfer(file, tmp_path / "sink", count=4).bytes == 4
        timer.join()
        assert "readinto" not in vars(file.raw)
    assert (tmp_path / "sink").read_bytes() == b"late"


def test_makefile(source: Path, tmp_path: Path) -> None:
    with tcp_pair() as (near, far), near.makefile("wb") as out, far.makefile("rb") as into:
        out.write(b"head")
        zcio.transfer(source, out, count=1000)
        out.flush()
        near.shutdown(socket.SHUT_WR)
        zcio.transfer(into, tmp_path / "sink")
    assert (tmp_path / "sink").read_bytes() == b"head" + DATA[:1000]


def test_a_file_lock_survives(source: Path, tmp_path: Path) -> None:
    """POSIX locks go when any descriptor of the file is closed, so a transfer must not close one."""
    with source.open("r+b") as file, unix_pair() as (near, far):
        fcntl.lockf(file, fcntl.LOCK_EX)
        zcio.transfer(file, near, count=100)
        zcio.transfer(far, file, count=50)
        zcio.transfer(file, tmp_path / "copy")
        attempt = f"import fcntl; fcntl.lockf(open({str(source)!r}, 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        child = subprocess.run([sys.executable, "-c", attempt], stderr=subprocess.PIPE, check=False)
        assert b"BlockingIOError" in child.stderr


@pytest.mark.parametrize("which", ["open", "named", "makefile"])
def test_text_mode_is_refused(which: str, source: Path, tmp_path: Path) -> None:
    with unix_pair() as (near, _far):
        file: IO[str]
        if which == "open":
            file = source.open("r", encoding="latin-1")
        elif which == "named":
            file = tempfile.NamedTemporaryFile("w+", dir=tmp_path)  # noqa: SIM115
        else:
            file = near.makefile("w")
        with file:
            with pytest.raises(TypeError, match=r"src is a file in text mode.*binary mode"):
                zcio.transfer(file, tmp_path / "sink")
            with pytest.raises(TypeError, match=r"dst is a file in text mode.*binary mode"):
                zcio.transfer(source, file)
    assert not (tmp_path / "sink").exists()


@pytest.mark.parametrize("name", ["gzip", "bz2", "lzma"])
def test_a_compressed_file_is_not_taken_for_its_descriptor(name: str, tmp_path: Path) -> None:
    module: Any = importlib.import_module(name)
    path = tmp_path / "compressed"
    with module.open(path, "wb") as file:
        file.write(DATA)
    with module.open(path, "rb") as file:
        for reader in (file, io.BufferedReader(file)):
            with pytest.raises(TypeError, match="not those of its descriptor"):
                zcio.transfer(reader, tmp_path / "sink")
        assert zcio.transfer(file.fileno(), tmp_path / "sink", offset=0).bytes == path.stat().st_size


def test_an_http_response_is_not_taken_for_its_socket(tmp_path: Path) -> None:
    with tcp_pair() as (near, far):
        far.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        response = http.client.HTTPResponse(near)
        response.begin()
        with response, pytest.raises(TypeError, match="not those of its descriptor"):
            zcio.transfer(response, tmp_path / "sink")


def test_a_tls_socket_is_refused(source: Path) -> None:
    context = ssl.create_default_context()
    with unix_pair() as (near, far):
        far.setblocking(False)
        wrapped = context.wrap_socket(near, server_hostname="example.org", do_handshake_on_connect=False)
        with wrapped, wrapped.makefile("wb") as file:
            for dst in (wrapped, file):
                with pytest.raises(TypeError, match="TLS"):
                    zcio.transfer(source, dst)
            with pytest.raises(BlockingIOError):
                far.recv(1)


def test_standard_streams(source: Path, tmp_path: Path) -> None:
    program = "import sys, zcio; zcio.transfer(sys.stdin.buffer, sys.stdout.buffer)"
    with source.open("rb") as stdin, (tmp_path / "sink").open("wb") as stdout:
        subprocess.run([sys.executable, "-c", program], stdin=stdin, stdout=stdout, check=True)
    assert (tmp_path / "sink").read_bytes() == DATA
    child = subprocess.run([sys.executable, "-c", program], input=DATA, stdout=subprocess.PIPE, check=True)
    assert child.stdout == DATA


def test_closing_a_socket_in_another_thread_hits_nothing_else(tmp_path: Path) -> None:
    """The number is given to a new file while the transfer waits; the transfer must not read from that."""
    decoy = tmp_path / "decoy"
    decoy.write_bytes(b"not meant for anybody")
    near, far = socket.socketpair()

    def swap() -> None:
        while not (tmp_path / "sink").exists():
            time.sleep(0.001)
        time.sleep(0.1)
        number = near.fileno()
        near.close()
        fd = os.open(decoy, os.O_RDONLY)
        assert fd == number
        far.sendall(b"meant")
        far.close()
        os.close(fd)

    with background(swap):
        zcio.transfer(near, tmp_path / "sink")
    assert (tmp_path / "sink").read_bytes() == b"meant"


def test_read_all_is_itself_right() -> None:
    with unix_pair() as (near, far):
        near.sendall(b"abc")
        near.close()
        assert read_all(far.fileno()) == b"abc"
