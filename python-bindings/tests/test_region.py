"""Regions: opening, bytes in and out, views, the operations on pages, closing; each argument that can be wrong."""

import ctypes
import errno
import gc
import mmap
import os
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import numpy
import pytest
import zcio
from support import content

PAGE = mmap.PAGESIZE
DATA = content(3 * PAGE + 1000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


def mappings(path: Path) -> int:
    return Path("/proc/self/maps").read_text().count(str(path))


def test_the_annotations_name_the_advice_of_the_core() -> None:
    assert get_args(zcio.Advice) == zcio.ADVICE


def test_a_file_is_read(path: Path) -> None:
    with zcio.Region.open(path) as region:
        assert (len(region), region.mode, region.name, region.closed) == (len(DATA), "r", path, False)
        assert region.read() == DATA
        assert region.read(PAGE + 1, 100) == DATA[PAGE + 1 : PAGE + 101]
        assert region.read(len(DATA) - 5, 100) == DATA[-5:]
        assert region.read(1 << 40) == b""
        assert (region[0], region[-1]) == (DATA[0], DATA[-1])
        assert bytes(region[10:20]) == DATA[10:20]
        assert bytes(region[::-7]) == DATA[::-7]
        into = bytearray(300)
        assert region.read_into(into, 7) == 300
        assert into == DATA[7:307]
        assert region.read_into(into, len(DATA) - 10) == 10
        assert [region[place] for place in range(-50, 50)] == [*DATA[-50:], *DATA[:50]]
        with pytest.raises(IndexError):
            region[len(DATA)]
        with pytest.raises(IndexError):
            region[-len(DATA) - 1]
        assert repr(region) == f"<zcio.Region {path!r} mode='r' length={len(DATA)}>"
    assert repr(region) == f"<zcio.Region {path!r} closed>"


@pytest.mark.parametrize("kind", ["str", "bytes", "path", "number", "file"])
def test_what_can_be_opened(path: Path, kind: str) -> None:
    with path.open("rb") as file:
        given: Any = {"str": str(path), "bytes": bytes(path), "path": path, "number": file.fileno(), "file": file}[kind]
        region = zcio.Region.open(given, offset=PAGE + 5, length=2000)
        file.seek(3)
        assert region.read() == DATA[PAGE + 5 : PAGE + 2005]
        assert region.name == (given if kind in {"str", "bytes", "path"} else None)
    assert region.read(0, 1) == DATA[PAGE + 5 : PAGE + 6], "the descriptor was not needed any more"


def test_stores_reach_the_file_and_private_ones_do_not(path: Path) -> None:
    with zcio.Region.open(path, "r+") as region, zcio.Region.open(path, "c") as private:
        assert region.write(b"written", PAGE - 3) == 7
        assert private.write(b"private", PAGE - 3) == 7
        region[0] = 1
        region[1:4] = b"234"
        region[10:20:3] = b"abcd"
        memoryview(region)[30:32] = b"vw"
        numpy.asarray(region)[40] = 250
        assert region.write(bytes(10), len(DATA) - 4) == 4
        assert region.write(numpy.arange(3, dtype="<u4").data, 100) == 12
        region.flush()
        region.flush(PAGE, 10, wait=False)
        expected = bytearray(DATA)
        expected[PAGE - 3 : PAGE + 4] = b"written"
        expected[0:4] = b"\x01234"
        expected[10:20:3] = b"abcd"
        expected[30:32] = b"vw"
        expected[40] = 250
        expected[-4:] = bytes(4)
        expected[100:112] = bytes([0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0])
        assert path.read_bytes() == expected
        assert private.read(PAGE - 3, 7) == b"private"


def test_a_new_file(tmp_path: Path) -> None:
    for size in (10_000, 5_000):
        with zcio.Region.open(tmp_path / "new", "w+", length=size) as region:
            assert (region.mode, region.read()) == ("r+", bytes(size))
            region[-1] = 7
        assert (tmp_path / "new").read_bytes() == bytes(size - 1) + b"\x07"


def test_memory_of_no_file() -> None:
    with zcio.Region.anonymous(10_000) as region:
        assert (region.mode, region.name, region.read()) == ("c", None, bytes(10_000))
        region[:] = content(10_000)
        assert region.read() == content(10_000)
        region.resize(20_000)
        assert region.read() == content(10_000) + bytes(10_000)
        region.advise("huge_page")


def test_consumers_use_the_same_memory(path: Path) -> None:
    import pyarrow

    with zcio.Region.open(path, "r+") as region:
        array = numpy.asarray(region)
        view = memoryview(region)
        address = (ctypes.c_char * len(region)).from_buffer(region)
        assert ctypes.addressof(address) == array.ctypes.data == pyarrow.py_buffer(region).address
        assert (view.nbytes, view.format, view.readonly, view.shape, view.strides) == (
            len(DATA),
            "B",
            False,
            *((n,) for n in (len(DATA), 1)),
        )
        assert array.flags.writeable
        assert view.obj is region
        del address, array, view
        gc.collect()
    with zcio.Region.open(path) as region:
        assert not numpy.asarray(region).flags.writeable
        assert memoryview(region).readonly
        with pytest.raises((BufferError, TypeError)):
            ctypes.c_char.from_buffer(region)


def test_an_empty_region(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with zcio.Region.open(tmp_path / "empty") as region:
        assert (len(region), region.read(), bytes(memoryview(region)), bool(region)) == (0, b"", b"", False)


def test_closing_releases_everything_and_views_read_zeroes(path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    region = zcio.Region.open(path, "r+")
    array, view = numpy.asarray(region), memoryview(region)[PAGE:]
    assert int(array.sum(dtype="u8")) == sum(DATA)
    with pytest.raises(BufferError, match="exported pointers exist"):
        region.close()
    assert not region.closed
    assert int(array.sum(dtype="u8")) == sum(DATA)
    region.close(strict=False)
    region.close(strict=False)
    region.close()
    assert (region.closed, len(region), mappings(path), len(os.listdir("/proc/self/fd"))) == (True, 0, 0, before)
    assert array.sum() == 0
    array[5] = 9
    view[5] = 9
    assert (array[5], array[PAGE + 5], path.read_bytes()) == (9, 9, DATA)
    del region
    gc.collect()
    assert array[5] == 9


def test_strict_closing_without_views(path: Path) -> None:
    region = zcio.Region.open(path)
    with memoryview(region):
        pass
    region.close()
    assert region.closed


def test_a_closed_region_says_so(path: Path) -> None:
    region = zcio.Region.open(path, "r+")
    region.close()
    calls: list[Any] = [
        region.read, region.check, region.flush, region.populate, region.lock, region.unlock, region.residency,
        lambda: region.write(b"x"), lambda: region.read_into(bytearray(1)), lambda: region.advise("normal"),
        lambda: region.resize(1), lambda: region.protect("r"), lambda: region[0], lambda: region[0:1],
        lambda: memoryview(region), region.__enter__, lambda: region.mode, lambda: region.__setitem__(0, 1),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match="closed"):
            call()


def test_a_dropped_region_keeps_its_views(path: Path) -> None:
    region = zcio.Region.open(path)
    gone = weakref.ref(region)
    view = memoryview(region)
    del region
    gc.collect()
    assert gone() is not None, "the view holds it"
    assert bytes(view) == DATA
    view.release()
    gc.collect()
    assert gone() is None
    assert mappings(path) == 0


def test_pages(path: Path) -> None:
    with zcio.Region.open(path, "r+") as region:
        region.populate(write=True)
        region.advise("random")
        region.advise("will_need", PAGE, 100)
        region.lock(0, PAGE)
        region.lock(on_fault=True)
        # Before they are unlocked: the kernel takes clean pages whenever it likes.
        residency = region.residency()
        region.unlock()
        assert (len(residency), residency.total, residency.present, residency.page_size) == (4, 4, 4, PAGE)
        assert ([residency[page] for page in range(4)], residency.bitmap, residency[-1]) == ([True] * 4, b"\x0f", True)
        with pytest.raises(IndexError):
            residency[4]
        assert repr(residency) == f"<zcio.Residency 4 of 4 pages of {PAGE} bytes>"
        assert len(region.residency(PAGE, 1)) == 1
        for range_ in [(len(DATA) + 1, None), (0, len(DATA) + 1), (5, 2**64 - 1)]:
            with pytest.raises(ValueError, match="range"):
                region.residency(*range_)
        with pytest.raises(ValueError, match="unknown advice"):
            region.advise("hwpoison")  # type: ignore[arg-type]
        with pytest.raises(OverflowError):
            region.read(-1)


def test_protection(path: Path) -> None:
    with zcio.Region.open(path, "r+") as region:
        view = memoryview(region)
        with pytest.raises(BufferError, match="views"):
            region.protect("r")
        view.release()
        region.protect("r")
        assert memoryview(region).readonly
        with pytest.raises(zcio.FaultedError):
            region.write(b"x")
        gc.collect()
        region.protect("none", PAGE, PAGE)
        with pytest.raises(ValueError, match="protected"):
            memoryview(region)
        with pytest.raises(zcio.FaultedError) as raised:
            region.read_into(bytearray(len(DATA)))
        assert raised.value.moved == PAGE
        region.protect("rw")
        assert region.read() == DATA
        with pytest.raises(ValueError, match="page boundaries"):
            region.protect("r", 1, 2)
        with pytest.raises(ValueError, match="unknown protection"):
            region.protect("x")  # type: ignore[arg-type]


def test_a_view_has_the_least_right_of_a_page(path: Path) -> None:
    with zcio.Region.open(path, "r+") as region:
        region.protect("r", PAGE, PAGE)
        view = memoryview(region)
        assert view.readonly
        with pytest.raises(TypeError):
            view[0] = 1
        with pytest.raises(TypeError, match="not writable"):
            (ctypes.c_char * len(DATA)).from_buffer(region)
        # Nobody is relied upon not to store through a view: none that could exists.
        region.protect("r", 2 * PAGE, PAGE)
        with pytest.raises(BufferError, match="views"):
            region.protect("none", PAGE, PAGE)
        assert region.write(b"new") == 3
        with pytest.raises(zcio.FaultedError) as raised:
            region.write(bytes(2 * PAGE))
        assert raised.value.moved == PAGE
        assert view[PAGE] == DATA[PAGE]
        view.release()
        region.protect("rw")
        array = numpy.asarray(region)
        array[PAGE] = 7
        with pytest.raises(BufferError, match="views"):
            region.protect("r", PAGE, PAGE)
        array[PAGE] = 8
        del array
    assert path.read_bytes() == bytes(PAGE) + b"\x08" + DATA[PAGE + 1 :]


def test_a_region_that_is_made_writable(path: Path) -> None:
    with zcio.Region.open(path) as region, pytest.raises(PermissionError):
        region.protect("rw")
    with path.open("r+b") as file, zcio.Region.open(file) as region:
        with pytest.raises(TypeError, match="read-only"):
            region.write(b"x")
        region.protect("rw")
        assert region.mode == "r+"
        region.write(b"x")
        view = memoryview(region)
        view[1] = ord("y")
        region.close(strict=False)
        # It may store as before, also where nobody reads it any more.
        view[2] = ord("z")
        assert bytes(view[:3]) == b"\0\0z"
    assert path.read_bytes() == b"xy" + DATA[2:]


def test_resizing(path: Path) -> None:
    with zcio.Region.open(path, "r+") as region:
        view = memoryview(region)
        with pytest.raises(BufferError, match="views"):
            region.resize(10)
        view.release()
        region.resize(PAGE)
        assert (region.read(), path.stat().st_size) == (DATA[:PAGE], len(DATA))
        region.resize(5 * PAGE, truncate=True)
        assert (region.read(), path.stat().st_size) == (DATA + bytes(5 * PAGE - len(DATA)), 5 * PAGE)
        region.resize(100, truncate=True)
        assert path.read_bytes() == DATA[:100]
        with pytest.raises(ValueError, match="file ends"):
            region.resize(101)
    with path.open("r+b") as file, zcio.Region.open(file, "r+") as region, pytest.raises(ValueError, match="keep"):
        region.resize(50, truncate=True)
    before = len(os.listdir("/proc/self/fd"))
    with zcio.Region.open(os.open(path, os.O_RDWR), "r+", closefd=True) as region:
        region.resize(50, truncate=True)
    assert (path.stat().st_size, len(os.listdir("/proc/self/fd"))) == (50, before)


def test_a_file_cut_short_is_an_exception_without_a_guard(path: Path) -> None:
    with zcio.Region.open(path, "r+") as region:
        os.truncate(path, PAGE)
        assert region.read(0, PAGE) == DATA[:PAGE]
        calls: list[Any] = [
            region.read, lambda: region[2 * PAGE], lambda: region.write(b"x", 2 * PAGE), region.populate,
            lambda: region.__setitem__(2 * PAGE, 1),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(zcio.FaultedError) as raised:
                call()
            assert (raised.value.errno, raised.value.filename) == (errno.EFAULT, path)
        region.check()


def test_wrong_arguments(path: Path, tmp_path: Path) -> None:
    opening: Any = zcio.Region.open
    before = len(os.listdir("/proc/self/fd"))
    cases: list[tuple[tuple[object, ...], dict[str, Any], type[Exception]]] = [
        ((path, "w"), {}, ValueError),
        ((path, "w+"), {}, ValueError),
        ((path,), {"offset": len(DATA) + 1}, ValueError),
        ((path,), {"length": len(DATA) + 1}, ValueError),
        ((path,), {"closefd": True}, ValueError),
        ((tmp_path,), {}, IsADirectoryError),
        ((tmp_path / "none",), {}, FileNotFoundError),
        ((-1,), {}, ValueError),
        ((987_654,), {}, OSError),
        ((1.5,), {}, TypeError),
        ((True,), {}, TypeError),
        (("a\0b",), {}, ValueError),
        (("/dev/null",), {}, ValueError),
        (("/dev/null",), {"length": 10}, OSError),
    ]
    for arguments, options, error in cases:
        with pytest.raises(error):
            opening(*arguments, **options)
    with pytest.raises(FileNotFoundError) as raised:
        opening(tmp_path / "none")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOENT, tmp_path / "none")
    with path.open("rb") as file, pytest.raises(PermissionError) as refused:
        opening(file, "r+")
    assert refused.value.errno == errno.EACCES
    assert len(os.listdir("/proc/self/fd")) == before
    region: Any = zcio.Region.open(path)
    with pytest.raises(TypeError, match="read-only"):
        region.write(b"x")
    with pytest.raises(TypeError, match="read-only"):
        region[0] = 1
    with pytest.raises(TypeError):
        region["a"]
    with pytest.raises(TypeError):
        del region[0]
    with pytest.raises(TypeError, match="writable"):
        region.read_into(b"123")
    with pytest.raises(TypeError):
        zcio.Region()
    writable: Any = zcio.Region.anonymous(10)
    with pytest.raises(ValueError, match="length"):
        writable[0:2] = b"123"
    with pytest.raises(OverflowError):
        writable[0] = 256
    with pytest.raises(BufferError, match="contiguous"):
        writable.write(memoryview(b"1234")[::2])
    with pytest.raises(TypeError):
        writable.write("text")
    with pytest.raises((OSError, ValueError)):
        zcio.Region.anonymous(2**62)
    with pytest.raises(ValueError, match="page"):
        zcio.Region.anonymous(1, huge_pages=3)


def test_regions_come_and_go(path: Path) -> None:
    """Nothing is left of 2,000 regions with views, closed before them or after."""

    def status(name: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1])

    def turn(number: int) -> None:
        region = zcio.Region.open(path, ("r", "r+", "c")[number % 3], guard=True)
        views = [memoryview(region), region[10:20], numpy.asarray(region)]
        if number % 2:
            region.close(strict=False)
        del region
        assert views

    for number in range(200):
        turn(number)
    before = (len(os.listdir("/proc/self/fd")), mappings(path), Path("/proc/self/maps").read_text().count("\n"))
    memory = status("VmRSS")
    for number in range(2000):
        turn(number)
    after = (len(os.listdir("/proc/self/fd")), mappings(path), Path("/proc/self/maps").read_text().count("\n"))
    assert after[:2] == before[:2]
    assert after[2] <= before[2] + 8
    assert status("VmRSS") < memory + 4096


def test_regions_and_residencies_are_iterable() -> None:
    with zcio.Region.anonymous(3) as region:
        region.write(b"abc")
        assert isinstance(region, Iterable)
        numbers: list[int] = list(region)
        assert numbers == [97, 98, 99]
        assert bytes(region) == b"abc"
        assert isinstance(region.residency(), Iterable)
        pages: list[bool] = list(region.residency())
        assert pages == [True]
