"""Aligned memory, and reading past the page cache into it."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
import zcio
from support import content, skip

DATA = content(100_000)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    # Beside the tests, if one may write there, which lie on a disk: tmpfs has no direct I/O on older kernels.
    beside = Path(__file__).parent
    path = (beside if os.access(beside, os.W_OK) else tmp_path) / f".direct-{os.getpid()}"
    path.write_bytes(DATA)
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except OSError as error:
        path.unlink()
        skip(f"the file system has no direct I/O: {error}")
    yield path
    path.unlink()


def test_a_buffer_is_zeroed_aligned_and_writable() -> None:
    buffer = zcio.AlignedBuffer(10_000)
    array = numpy.asarray(buffer)
    assert (len(buffer), array.ctypes.data % 4096, array.sum()) == (10_000, 0, 0)
    array[9_999] = 7
    assert memoryview(buffer)[-1] == 7
    assert repr(buffer) == "<zcio.AlignedBuffer length=10000>"
    del buffer
    assert array[9_999] == 7
    with pytest.raises(ValueError, match="one byte"):
        zcio.AlignedBuffer(0)
    with pytest.raises(OSError, match="memory"):
        zcio.AlignedBuffer(1 << 62)


def test_direct_reads(path: Path) -> None:
    buffer = zcio.AlignedBuffer(1 << 17)
    view = memoryview(buffer)
    with path.open("rb") as file:
        file.seek(5)
        assert zcio.read_direct(file, buffer) == len(DATA)
        assert (bytes(view[: len(DATA)]), file.tell()) == (DATA, 5)
        assert zcio.read_direct(file.fileno(), buffer, offset=40_960, length=5_000) == 5_000
        assert view[:5_000] == DATA[40_960:45_960]
        assert view[5_000 : len(DATA)] == DATA[5_000:], "not a byte more than asked for"
    assert zcio.read_direct(str(path), view[8192:], offset=98_304) == len(DATA) - 98_304
    assert view[8192 : 8192 + 1_696] == DATA[98_304:]
    assert zcio.read_direct(path, buffer, offset=1 << 20) == 0
    assert zcio.read_direct(path, memoryview(buffer).cast("Q"), length=10) == 10
    with zcio.Region.anonymous(8192) as region:
        assert zcio.read_direct(path, region, offset=4096) == 8192
        assert region.read() == DATA[4096:12_288]


def test_they_do_not_fill_the_page_cache(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    buffer = zcio.AlignedBuffer(98_304)
    assert zcio.read_direct(fd, buffer) == 98_304
    os.close(fd)
    with zcio.Region.open(path) as region:
        assert region.residency(0, 98_304).present == 0


def test_what_is_refused(path: Path, tmp_path: Path) -> None:
    buffer = zcio.AlignedBuffer(8192)
    with pytest.raises(ValueError, match="offset"):
        zcio.read_direct(path, buffer, offset=100)
    with pytest.raises(ValueError, match="address"):
        zcio.read_direct(path, memoryview(buffer)[3:])
    with pytest.raises(TypeError, match="writable"):
        zcio.read_direct(path, bytes(4096))
    with pytest.raises(FileNotFoundError) as raised:
        zcio.read_direct(tmp_path / "none", buffer)
    assert raised.value.filename == tmp_path / "none"
    with pytest.raises(OSError, match=r".") as refused:
        zcio.read_direct("/proc/self/status", buffer)
    assert refused.value.errno is not None
    assert bytes(buffer) == bytes(8192)
