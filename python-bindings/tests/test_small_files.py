"""Some pages into a file or a pipe: the short way, and that it gives what the long one gives."""

import errno
import io
import os
import resource
import select
from pathlib import Path

import pytest
import zcio
from support import background, content, read_all, tcp_pair

DATA = content(20_000)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


def fifo(path: Path) -> tuple[io.FileIO, io.FileIO]:
    """A pipe by its two ends' files, raw."""
    os.mkfifo(path)
    both = os.open(path, os.O_RDWR)
    ends = io.FileIO(path, "r"), io.FileIO(path, "w")
    os.close(both)
    return ends


SINKS = {"new": "wb", "old": "ab", "source": "r+b", "fifo": "wb"}


@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("name", SINKS)
@pytest.mark.parametrize("positioned", [True, False])
def test_from_a_file(name: str, buffering: int, positioned: bool, source: Path, tmp_path: Path) -> None:
    """With an offset, and from the position: both objects know where they are."""
    (tmp_path / "old").write_bytes(b"old")
    reader, writer = fifo(tmp_path / "fifo")
    with reader, writer, open(source, "rb", buffering) as file, open(tmp_path / name, SINKS[name], buffering) as sink:
        file.seek(100)
        offset = 100 if positioned else None
        if name == "source":
            with pytest.raises(ValueError, match="overlap"):
                zcio.transfer(file, sink, offset=offset, count=4096)
            return
        if name == "old":
            sink.write(b"er")
        report = zcio.transfer(file, sink, offset=offset, count=4096)
        assert (report.bytes, report.requested, report.short) == (4096, 4096, False)
        assert name == "old" or report.system_calls <= 3
        assert file.tell() == (100 if positioned else 4196)
        moved = DATA[100:4196]
        if name == "fifo":
            assert (reader.read(1 << 20), report.mechanism, report.copies) == (moved, "splice", 0)
            return
        assert sink.tell() == 4096 + (5 if name == "old" else 0)
        sink.write(b"!")
    assert (tmp_path / name).read_bytes() == (b"older" if name == "old" else b"") + moved + b"!"


@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("mode", ["wb", "ab", "rb"])
def test_from_a_pipe_into_a_file(mode: str, buffering: int, tmp_path: Path) -> None:
    """What its reader has read ahead goes nowhere unsaid, and what is refused takes nothing."""
    (tmp_path / "sink").write_bytes(b"old")
    reader, writer = fifo(tmp_path / "fifo")
    with reader, writer, open(tmp_path / "sink", mode, buffering) as sink:
        writer.write(DATA[:5000])
        if mode == "rb":
            with pytest.raises(io.UnsupportedOperation, match="not open for writing"):
                zcio.transfer(reader, sink, count=4096)
            assert reader.read(1 << 20) == DATA[:5000]
            return
        report = zcio.transfer(reader, sink, count=4096)
        assert (report.bytes, report.short) == (4096, False)
        writer.write(DATA[5000:6000])
        with io.BufferedReader(io.FileIO(os.dup(reader.fileno())), 1000) as buffered:
            assert buffered.read(4) == DATA[4096:4100]
            with pytest.raises(OSError, match="read 996 bytes ahead"):
                zcio.transfer(buffered, sink, count=10)
            buffered.read1(996)
        writer.close()
        report = zcio.transfer(reader, sink, count=4096)
        assert (report.bytes, report.short) == (904, True)
    taken = DATA[:4096] + DATA[5096:6000]
    assert (tmp_path / "sink").read_bytes() == (b"old" if mode == "ab" else b"") + taken


def test_a_pipe_takes_a_part_and_then_the_rest(tmp_path: Path) -> None:
    data = content(200_000)
    (tmp_path / "source").write_bytes(data)
    reader, writer = fifo(tmp_path / "fifo")
    got: list[bytes] = []
    with reader, open(tmp_path / "source", "rb") as file, background(lambda: got.append(read_all(reader.fileno()))):
        with writer:
            assert zcio.transfer(file, writer).bytes == len(data)
        assert file.tell() == len(data)
    assert got == [data]


@pytest.mark.parametrize("shape", ["all", "part", "less", "full", "limited", "rb"])
def test_from_a_socket_into_a_file(shape: str, tmp_path: Path) -> None:
    """What was taken out of the socket is in the file, or is handed back; what is refused takes nothing."""
    path = Path("/dev/full") if shape == "full" else tmp_path / "sink"
    if not path.exists():
        path.touch()
    with tcp_pair() as (near, far), open(path, "rb" if shape == "rb" else "wb", 0) as sink:
        near.settimeout(30)
        far.sendall(DATA[:4096])
        select.select([near], [], [])
        match shape:
            case "all":
                report = zcio.transfer(near, sink, count=4096)
                assert (report.bytes, report.mechanism, report.copies) == (4096, "read_write", 2)
                assert report.system_calls <= 4
            case "part":
                assert zcio.transfer(near, sink, count=1000).bytes == 1000
                assert near.recv(5000) == DATA[1000:4096]
            case "less":
                with background(lambda: far.sendall(DATA[4096:5000])):
                    assert zcio.transfer(near, sink, count=5000).bytes == 5000
            case "rb":
                with pytest.raises(io.UnsupportedOperation, match="not open for writing"):
                    zcio.transfer(near, sink, count=4096)
                assert near.recv(5000) == DATA[:4096]
            case _:
                limits = resource.getrlimit(resource.RLIMIT_FSIZE)
                resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
                try:
                    with pytest.raises(zcio.TransferError) as raised:
                        zcio.transfer(near, sink, count=4096)
                finally:
                    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
                moved = 0 if shape == "full" else 1000
                assert raised.value.errno == (errno.ENOSPC if shape == "full" else errno.EFBIG)
                assert (raised.value.moved, raised.value.undelivered) == (moved, DATA[moved:4096])
    if shape != "full":
        sent = {"all": 4096, "part": 1000, "less": 5000, "rb": 0, "limited": 1000}[shape]
        assert path.read_bytes() == DATA[:sent]
