"""Regions as Python objects: garbage collection, pickling and copies, subclasses, numbers that cannot be; as ends of
transfers; under threads.
"""

import asyncio
import contextlib
import copy
import gc
import multiprocessing
import os
import pickle
import socket
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zcio
import zcio._zcio
import zcio.aio
from support import background, content, unix_pair
from zcio._zcio import BufferExporter
from zcio.compat.mmap import mmap as compat_mmap


class Named:
    """A path that knows its region."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.region: object = None

    def __fspath__(self) -> str:
        return str(self.path)


# An object of each class that holds others, and what it holds.
HOLDERS: dict[str, Callable[[Path], tuple[Any, list[Any]]]] = {
    "Region": lambda path: ((name := Named(path)), (zcio.Region.open(name), [name]))[1],
    "SharedRegion": lambda _: (zcio.SharedRegion.create(1), []),
    "BufferExporter": lambda _: ((region := zcio.Region.anonymous(1)), (BufferExporter(region), [region]))[1],
}
# Numbers and bytes of their own; steps, which zcio.aio closes and so lets their ends go.
OTHERS = {"AlignedBuffer", "Attempt", "ItemReport", "PreparedBatch", "PreparedReads", "Report", "Residency"} | {
    name for name in vars(zcio._zcio) if name.endswith("Steps")
}


def test_the_collector_sees_what_a_class_holds(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    assert {name for name, value in vars(zcio._zcio).items() if isinstance(value, type)} == {*HOLDERS, *OTHERS}
    for make in HOLDERS.values():
        holder, held = make(path)
        assert gc.is_tracked(holder)
        assert all(any(found is one for found in gc.get_referents(holder)) for one in held)


@pytest.mark.parametrize("through", ["region", "buffer_exporter", "mmap"])
def test_a_cycle_through_a_region_is_collected(through: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content(10_000))
    gone: list[Callable[[], object]] = []
    for _ in range(50):
        name = Named(path)
        region: Any = zcio.Region.open(name)
        mapped: Any = compat_mmap(-1, 10)
        mapped.others = (mapped, region)
        name.region = {"region": region, "buffer_exporter": BufferExporter(region), "mmap": mapped}[through]
        gone.append(weakref.ref(region))
        del name, region, mapped
    gc.collect()
    assert [reference() for reference in gone] == [None] * 50
    assert str(path) not in Path("/proc/self/maps").read_text()
    links = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    assert str(path) not in links


def test_a_name_that_asks_for_itself_when_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    asked = []

    class Curious(Named):
        def __del__(self) -> None:
            region: Any = self.region
            asked.append(region.name)

    name = Curious(path)
    name.region = zcio.Region.open(name)
    del name
    gc.collect()
    assert len(asked) == 1


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_is_refused_by_every_protocol(protocol: int) -> None:
    region = zcio.Region.anonymous(10)
    shared = zcio.SharedRegion.create(10)
    for holder in (region, shared, zcio.AlignedBuffer(10), BufferExporter(region), compat_mmap(-1, 10)):
        if holder is not shared:
            with pytest.raises(TypeError, match="pickle"):
                pickle.dumps(holder, protocol)
        for copied in (copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="pickle"):
                copied(holder)


def test_shared_memory_goes_through_multiprocessing() -> None:
    with zcio.SharedRegion.create(10) as region:
        near, far = multiprocessing.Pipe()
        with near, far, background(lambda: near.send(region)):
            theirs = far.recv()
        theirs.write(b"theirs")
        assert region.read(0, 6) == b"theirs"


def test_what_cannot_be_made() -> None:
    class Own(zcio.Region):
        pass

    anything: Any = zcio.Region

    def disguised() -> None:
        region = anything.anonymous(1)
        # Python may allow that; it does not make shared memory of it.
        region.__class__ = zcio.SharedRegion
        region.fileno()

    calls: list[Callable[[], object]] = [
        anything,
        lambda: anything.__new__(anything),
        lambda: anything.__new__(Own),
        lambda: object.__new__(Own),
        lambda: anything.__new__(zcio.SharedRegion),
        lambda: zcio.SharedRegion.fileno(anything.anonymous(1)),
        lambda: zcio.SharedRegion.seal(anything.anonymous(1)),
        disguised,
        lambda: setattr(anything.anonymous(1), "__class__", Own),
        lambda: BufferExporter(compat_mmap(-1, 1)),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    assert Own.anonymous(3).read() == bytes(3)


@pytest.mark.parametrize("number", [-1, -(2**70), 2**63, 2**64 - 1, 2**64, 2**70])
def test_lengths_that_cannot_be(number: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    region, shared = zcio.Region.anonymous(10), zcio.SharedRegion.create(10)
    calls: list[Callable[[int], object]] = [
        zcio.Region.anonymous,
        zcio.SharedRegion.create,
        zcio.AlignedBuffer,
        lambda length: zcio.Region.open(path, length=length),
        lambda offset: zcio.Region.open(path, offset=offset),
        region.resize,
        shared.grow,
    ]
    for call in calls:
        # Of what a number can say, but memory cannot give.
        errors = (ValueError, OSError) if 0 < number < 2**64 else ValueError
        with pytest.raises(errors):
            call(number)
    assert (len(region), len(shared)) == (10, 10)


def test_a_region_as_source_is_its_memory(tmp_path: Path) -> None:
    """Twice: a shared region's descriptor has a position, which is not its own."""
    data, sink = content(100_000), tmp_path / "sink"
    regions: list[Any] = [zcio.Region.anonymous(100_000), zcio.SharedRegion.create(100_000), compat_mmap(-1, 100_000)]
    for region in regions:
        region.write(data)
        for _ in range(2):
            assert zcio.transfer(region, sink).bytes == 100_000
            assert sink.read_bytes() == data
            assert asyncio.run(zcio.aio.transfer(region, sink)).bytes == 100_000
            assert sink.read_bytes() == data
        region.close()
        with pytest.raises(ValueError, match="closed"):
            zcio.transfer(region, sink)


def test_where_a_region_is_no_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content(1000))
    shared: Any = zcio.SharedRegion.create(100)
    near, far = socket.socketpair()
    with near, far:
        calls: list[Callable[[], object]] = [
            lambda: zcio.fan_out(path, [shared]),
            lambda: zcio.batch([(path, shared)]),
            lambda: asyncio.run(zcio.aio.fan_out(path, [shared])),
        ]
        for call in calls:
            with pytest.raises((TypeError, ValueError), match=r"region|memory|buffer"):
                call()
        refused: list[Callable[[], object]] = [
            lambda: zcio.fan_out(shared, [near]),
            lambda: zcio.batch([(shared, path)]),
            lambda: zcio.copy(shared, path),
            lambda: zcio.copy(path, shared),
            lambda: zcio.relay(shared, near),
            lambda: zcio.relay(near, shared),
            lambda: asyncio.run(zcio.aio.relay(shared, near)),
            lambda: asyncio.run(zcio.aio.fan_out(shared, [near])),
        ]
        for call in refused:
            with pytest.raises((OSError, TypeError, ValueError)):
                call()
    assert (shared.read(), path.read_bytes()) == (bytes(100), content(1000))
    assert os.lseek(shared.fileno(), 0, os.SEEK_CUR) == 0


def test_a_region_that_is_being_sent_is_not_closed() -> None:
    size = 8 << 20
    region = zcio.Region.anonymous(size)
    region[:] = b"x" * size
    with unix_pair() as (near, far):
        with background(lambda: zcio.transfer(region, near)):
            # The rest does not fit into the socket.
            received = far.recv(1)
            calls: list[Callable[[], object]] = [region.close, lambda: region.resize(1), lambda: region.protect("r")]
            for refused in calls:
                with pytest.raises(BufferError):
                    refused()
            while len(received) < size:
                received += far.recv(1 << 20)
        assert received.count(b"x") == size
    region.close()


def test_a_read_beside_a_resize_never_gives_other_bytes() -> None:
    long, short = 1 << 20, 1 << 12
    region = zcio.Region.anonymous(long)
    region[:] = b"x" * long
    over = threading.Event()

    def resize() -> None:
        for turn in range(300):
            region.resize(short if turn % 2 else long)
        over.set()

    with background(resize):
        while not over.is_set():
            # Freed at once, so that memory which is handed out without being written would show it.
            bytes(b"\xee" * long)
            data = b""
            with contextlib.suppress(ValueError):  # It was resized meanwhile.
                data = region.read()
            assert data.count(b"x") + data.count(0) == len(data)
            into = bytearray(b"\xee" * long)
            count = region.read_into(into)
            assert into[:count].count(b"\xee") == 0
            assert into.count(b"\xee") == long - count


class Shrinking:
    """A number that makes a region shorter when it is asked for."""

    def __init__(self, region: Any, number: int) -> None:
        self.region, self.number = region, number

    def __index__(self) -> int:
        self.region.resize(4096)
        return self.number


@pytest.mark.parametrize("make", [zcio.Region.anonymous, lambda length: compat_mmap(-1, length)])
def test_an_assignment_never_ends_before_its_last_byte(make: Callable[[int], Any]) -> None:
    def item(region: Any) -> None:
        region[5000] = Shrinking(region, 1)

    def part(region: Any) -> None:
        region[Shrinking(region, 5000) : 5003] = b"abc"

    def cut(region: Any) -> None:
        region[Shrinking(region, 4095) : 4098] = b"abc"

    for assign in (item, part, cut):
        region = make(8192)
        with pytest.raises((ValueError, IndexError)):
            assign(region)
        assert len(region) == 4096
        region.close()


def test_room_is_reserved_or_not_even_counted(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with zcio.Region.open(path, "w+", length=1 << 20) as region:
        assert path.stat().st_blocks == 0
    with zcio.Region.open(path, "r+", reserve=True) as region:
        assert (path.stat().st_blocks * 512, region.read()) == (1 << 20, bytes(1 << 20))
    # More than this machine has, which the system refuses unless it counts nothing (vm.overcommit_memory is 1).
    with contextlib.suppress(OSError):
        zcio.Region.anonymous(1 << 44, reserve=False).close()
    for mode, reserve in (("r", True), ("c", True), ("r+", False)):
        with pytest.raises(ValueError, match="reserve"):
            zcio.Region.open(path, mode, reserve=reserve)  # type: ignore[arg-type]
