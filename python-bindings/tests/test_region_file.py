"""Regions for those who take files, arrays that lie in one, classes made of regions, and reports as data."""

import dataclasses
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import zcio
import zcio.arrays
from support import content

SIZE = 100_003


def _region(kind: Any, path: Path, data: bytes) -> zcio.Region:
    if kind == "shared":
        shared = zcio.SharedRegion.create(len(data))
        shared.write(data)
        return shared
    path.write_bytes(data)
    return zcio.Region.open(path, kind)


@pytest.mark.parametrize("kind", ["r", "r+", "c", "shared"])
def test_it_reads_as_a_file_does(kind: str, tmp_path: Path) -> None:
    data = b"\n".join(content(SIZE)[at : at + 97] for at in range(0, SIZE, 97))
    (tmp_path / "plain").write_bytes(data)
    operations: list[Callable[[Any], object]] = [
        lambda file: file.read(10),
        lambda file: file.readline(),
        lambda file: file.read(70_000),
        lambda file: file.tell(),
        lambda file: file.seek(-5, os.SEEK_CUR),
        lambda file: file.read1(3),
        lambda file: file.seek(-7, os.SEEK_END),
        lambda file: file.read(),
        lambda file: file.read(),
        lambda file: file.seek(len(data) + 1000),
        lambda file: file.read(1),
        lambda file: file.seek(1),
        lambda file: file.readinto(bytearray(5)),
        lambda file: file.readlines(),
        lambda file: (file.readable(), file.seekable(), file.closed),
    ]
    with (
        (tmp_path / "plain").open("rb") as plain,
        _region(kind, tmp_path / "mapped", data) as region,
        region.file() as file,
    ):
        for number, operation in enumerate(operations):
            assert operation(file) == operation(plain), number
        for position, whence in ((-1, os.SEEK_SET), (0, 9)):
            with pytest.raises((OSError, ValueError)):
                file.seek(position, whence)
        with pytest.raises(io.UnsupportedOperation):
            file.fileno()
        assert file.writable() == (kind != "r")
        # It has a position, and no view: the region can be closed.
        file.seek(0)


@pytest.mark.parametrize("kind", ["r+", "c", "shared"])
def test_it_is_written_as_a_file_is_and_does_not_grow(kind: str, tmp_path: Path) -> None:
    data = content(SIZE)
    with _region(kind, tmp_path / "mapped", data) as region:
        with region.file() as file:
            assert isinstance(file, io.BufferedRandom)
            file.seek(50_000)
            file.write(b"written")
            assert file.read(3) == data[50_007:50_010]
        assert region.read() == data[:50_000] + b"written" + data[50_007:]
        raw = region.file().detach()
        raw.seek(-2, os.SEEK_END)
        assert raw.write(b"four") == 2
        with pytest.raises(OSError, match="a region does not grow"):
            raw.write(b"!")


def test_a_region_that_is_closed_meanwhile_and_one_that_may_only_be_read(tmp_path: Path) -> None:
    region = _region("r", tmp_path / "mapped", content(SIZE))
    file = region.file()
    with pytest.raises(io.UnsupportedOperation):
        file.write(b"x")
    region.close()
    with pytest.raises(ValueError, match="closed"):
        file.read(1)
    with pytest.raises(ValueError, match="closed"):
        region.file()


def test_what_takes_files_takes_it(tmp_path: Path) -> None:
    array = np.arange(5000.0).reshape(50, 100)
    np.savez(tmp_path / "arrays.npz", array=array)
    with zcio.Region.open(tmp_path / "arrays.npz") as region:
        with zipfile.ZipFile(region.file()) as archive:
            assert archive.namelist() == ["array.npy"]
            assert archive.testzip() is None
        with np.load(region.file()) as arrays:
            assert np.array_equal(arrays["array"], array)
    table = pa.table({"number": list(range(10_000))})
    pq.write_table(table, tmp_path / "table.parquet")
    region = zcio.Region.open(tmp_path / "table.parquet")
    assert pq.read_table(region.file()).equals(table)
    # Without a copy where the columns are as they are in memory.
    assert pq.read_table(pa.BufferReader(region)).equals(table)


def _is_in(array: "np.ndarray[Any, Any]", region: zcio.Region) -> bool:
    whole = np.frombuffer(memoryview(region), np.uint8)
    return bool(np.shares_memory(array, whole))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=">i4").reshape(2, 3, 4),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.zeros((3,), [("a", "<i2"), ("b", "<f8")]),
        np.array(7),
        np.zeros((0, 5)),
    ],
)
def test_an_array_that_numpy_saved_is_used_where_it_lies(array: "np.ndarray[Any, Any]", tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", array)
    region = zcio.Region.open(tmp_path / "array.npy", "c")
    found = zcio.arrays.npy(region)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.strides == array.strides or not array.size
    assert np.array_equal(found, array)
    assert _is_in(found, region) or not array.size
    assert found.flags.writeable
    assert np.array_equal(np.load(tmp_path / "array.npy"), array)


def test_what_is_no_such_array_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    np.save(path, np.array([{}, []], object))
    with pytest.raises(ValueError, match="Python objects"):
        zcio.arrays.npy(zcio.Region.open(path))
    np.save(path, np.arange(1000))
    os.truncate(path, 1000)
    with pytest.raises(ValueError, match="does not end in the region"):
        zcio.arrays.npy(zcio.Region.open(path))
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match="magic"):
        zcio.arrays.npy(zcio.Region.open(path))


def test_tensors_are_used_where_they_lie(tmp_path: Path) -> None:
    tensors = {
        "whole": np.arange(12, dtype=np.float32).reshape(3, 4),
        "bits": np.array([True, False]),
        "one": np.array(9, np.uint64),
        "none": np.zeros((0, 3), np.float16),
    }
    safetensors.numpy.save_file(tensors, tmp_path / "model", {"who": "wrote it"})
    region = zcio.Region.open(tmp_path / "model")
    found = zcio.arrays.safetensors(region)
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(found[name], array)
        assert _is_in(found[name], region) or not array.size
        assert not found[name].flags.writeable


def test_numbers_that_numpy_does_not_have_are_bytes(tmp_path: Path) -> None:
    data = _model({"a": {"dtype": "BF16", "shape": [2, 1], "data_offsets": [0, 4]}}, b"\x80?\x00@")
    (tmp_path / "model").write_bytes(data)
    found = zcio.arrays.safetensors(zcio.Region.open(tmp_path / "model"))["a"]
    assert (found.shape, found.view("<u2").tolist()) == ((2, 1), [[0x3F80], [0x4000]])


def _model(header: object, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "header does not fit"),
        (b"1234567", "header does not fit"),
        ((1 << 60).to_bytes(8, "little"), "header does not fit"),
        (_model(b"{"), "Expecting"),
        (_model([]), "no object"),
        (_model({"a": {}}), "'a' is not described"),
        (_model({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}), "'a' lies outside"),
        (_model({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"1234"), "'a' lies outside"),
        (_model({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, b"1234"), "'a' is not as long as"),
        (_model({"a": {"dtype": "F6", "shape": [2], "data_offsets": [0, 4]}}, b"1234"), "'a' is of a type .*: F6"),
    ],
)
def test_what_are_no_tensors_is_refused(data: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(data)
    with pytest.raises(ValueError, match=why):
        zcio.arrays.safetensors(zcio.Region.open(tmp_path / "model"))


class _Plain(zcio.Region):
    def __init__(self) -> None:
        raise AssertionError("not called by the constructors")


def test_constructors_make_the_class_that_they_are_called_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"bytes")
    with zcio.Region.open(tmp_path / "file"), _Plain.open(tmp_path / "file") as opened:
        assert (type(opened), opened.read()) == (_Plain, b"bytes")
    assert type(_Plain.anonymous(1)) is _Plain
    assert type(_Plain.receiving(1)) is _Plain
    assert type(zcio.Region.anonymous(1)) is zcio.Region
    shared = zcio.SharedRegion.create(5)
    place = f"/proc/{os.getpid()}/fd/{shared.fileno()}"
    with zcio.SharedRegion.open(place) as again, zcio.SharedRegion.open(place, "r") as only_read:
        assert (type(again), again.mode, only_read.mode) == (zcio.SharedRegion, "r+", "r")
        again.write(b"chang")
        assert shared.read() == only_read.read() == b"chang"
        with pytest.raises(TypeError, match="read-only"):
            only_read.write(b"x")


def test_what_a_class_of_regions_is_not_made_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"bytes")
    os.mkfifo(tmp_path / "fifo")
    makers: list[Callable[[], object]] = [
        zcio.Region,
        lambda: zcio.Region.__new__(_Plain),
        lambda: zcio.Region(object()),  # type: ignore[call-arg]
    ]
    for make in makers:
        with pytest.raises(TypeError, match="is made by"):
            make()
    for inherited in (zcio.SharedRegion.anonymous, zcio.SharedRegion.receiving):
        with pytest.raises(TypeError, match="shared memory is made by"):
            inherited(1)
    for name in ("file", "fifo"):
        with pytest.raises(OSError, match="cannot be sealed"):
            zcio.SharedRegion.open(tmp_path / name, "r")
    with pytest.raises(FileNotFoundError) as raised:
        zcio.SharedRegion.open(tmp_path / "none")
    assert raised.value.filename == str(tmp_path / "none")
    with pytest.raises(ValueError, match="unknown mode"):
        zcio.SharedRegion.open(tmp_path / "file", "w+")  # type: ignore[arg-type]


def test_reports_are_data(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(content(SIZE))
    report = zcio.transfer(tmp_path / "source", tmp_path / "sink")
    as_dict = dataclasses.asdict(report)
    assert json.loads(json.dumps(as_dict)) == as_dict | {"attempts": list(as_dict["attempts"])}
    assert as_dict["bytes"] == SIZE
    assert dataclasses.replace(report, bytes=1).bytes == 1
    refused = zcio.Report(
        1, None, "splice", True, [zcio.Attempt("sendfile", 0, "sendfile", 22, "no")], 1, 0, 0, "model", 0, "none", 0.5
    )
    assert dataclasses.asdict(refused)["attempts"] == (
        {"mechanism": "sendfile", "moved": 0, "operation": "sendfile", "errno": 22, "reason": "no"},
    )
    for made in (zcio.Report, zcio.Attempt, zcio.ItemReport):
        assert all(hasattr(made, field.name) for field in dataclasses.fields(made))
    batch = zcio.batch([(tmp_path / "source", tmp_path / "other")])
    assert json.loads(json.dumps(dataclasses.asdict(batch)))["items"][0]["bytes"] == SIZE
