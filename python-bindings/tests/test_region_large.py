"""Consumers of 3 GiB: the same address, and no copy (which this machine would not have memory for in every test)."""

import os
import resource
from pathlib import Path

import numpy
import pyarrow
import pytest
import zcio

SIZE = 3 << 30
MARKS = {0: 1, 1 << 31: 2, (1 << 32) - (1 << 30) - 1: 3}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        for place, mark in MARKS.items():
            os.pwrite(file.fileno(), bytes([mark]), place)
        file.truncate(SIZE)
    return path


def test_consumers_of_three_gibibytes(path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with zcio.Region.open(path, "r+") as region:
        assert len(region) == SIZE
        array, wide = numpy.asarray(region), numpy.frombuffer(memoryview(region), "<u8")
        buffer, view = pyarrow.py_buffer(region), memoryview(region)
        arrow = pyarrow.Array.from_buffers(pyarrow.uint8(), SIZE, [None, buffer])
        half = region[SIZE // 2 :]
        address = array.ctypes.data
        assert (wide.ctypes.data, buffer.address, arrow.buffers()[1].address) == (address,) * 3
        assert numpy.frombuffer(view, "u1").ctypes.data == address
        assert numpy.frombuffer(half, "u1").ctypes.data == address + SIZE // 2
        assert (array.nbytes, wide.nbytes, buffer.size, view.nbytes, len(half)) == (SIZE,) * 4 + (SIZE // 2,)
        for place, mark in MARKS.items():
            assert (array[place], view[place], arrow[place].as_py(), region[place]) == (mark,) * 4
        array[SIZE - 1] = 77
        assert (view[-1], buffer[SIZE - 1], half[-1], region[-1]) == (77,) * 4
        assert region.read(SIZE - 2) == bytes([0, 77])
        region.close(strict=False)
        assert array[SIZE - 1] == 0
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 65_536, f"{grown} KiB more resident memory: somebody has copied"
