"""Every pair of ends, whole and in part, compared byte by byte. The full matrix is the core's."""

import errno
import io
import time
from pathlib import Path

import pytest
import zcio
from support import Sink, Source, allowed, background, content, tcp_pair

KINDS = ["path", "file", "tcp", "unix", "pipe"]
# Where a mechanism can go from a file, if not everywhere, and what it says otherwise.
NEEDS: dict[str, tuple[list[str], str]] = {
    "copy_file_range": (["path", "file"], "both ends must be regular files"),
    "vmsplice": ([], "its source must be memory"),
    "zerocopy_receive": ([], "its sink must be a region made for it"),
    "zerocopy_send": (["tcp"], "its sink must be a TCP socket"),
}
SIZES = [0, 1, 65537, (2 << 20) + 3]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("to", KINDS)
@pytest.mark.parametrize("start", KINDS)
def test_everything_arrives(start: str, to: str, size: int, tmp_path: Path) -> None:
    data = content(size)
    sink = Sink(to, tmp_path)
    with Source(start, data, tmp_path) as src, sink as dst:
        report = zcio.transfer(src, dst)
    assert (report.bytes, report.requested, report.automatic, report.short) == (size, None, True, False)
    assert sink.received() == data


@pytest.mark.parametrize("mechanism", [name for name in zcio.MECHANISMS if name != "reflink"])
@pytest.mark.parametrize("to", KINDS)
@pytest.mark.parametrize("start", ["path", "file"])
@pytest.mark.parametrize(("offset", "count"), [(0, 0), (0, 1), (1, 4096), (4095, 70000), (99_999, 1), (99_000, 5000)])
def test_ranges(start: str, to: str, mechanism: zcio.Mechanism, offset: int, count: int, tmp_path: Path) -> None:
    data = content(100_000)
    sink = Sink(to, tmp_path)
    with Source(start, data, tmp_path) as src, sink as dst:
        sinks, reason = NEEDS.get(mechanism, (KINDS, ""))
        if to not in sinks:
            with pytest.raises(io.UnsupportedOperation, match=reason):
                zcio.transfer(src, dst, offset=offset, count=count, mechanism=mechanism)
            return
        allowed(mechanism)
        report = zcio.transfer(src, dst, offset=offset, count=count, mechanism=mechanism)
        expected = data[offset : offset + count]
        assert (report.bytes, report.requested) == (len(expected), count)
        assert (report.mechanism, report.automatic, report.short) == (mechanism, False, len(expected) < count)
        assert report.attempts == ()
    assert sink.received() == expected


def test_a_reflink_works_or_says_why(tmp_path: Path) -> None:
    data = content(100_000)
    (tmp_path / "source").write_bytes(data)
    report, refusal = None, None
    try:
        report = zcio.transfer(tmp_path / "source", tmp_path / "sink", mechanism="reflink")
    except zcio.TransferError as error:
        refusal = error
    if refusal is not None:
        assert (refusal.errno, refusal.moved) == (errno.EOPNOTSUPP, 0)
        return
    assert report is not None
    assert (report.mechanism, report.bytes, report.copies) == ("reflink", len(data), 0)
    assert (tmp_path / "sink").read_bytes() == data


@pytest.mark.parametrize("start", ["tcp", "unix", "pipe"])
def test_a_count_leaves_the_rest_of_a_stream(start: str, tmp_path: Path) -> None:
    data = content(100_000)
    with Source(start, data, tmp_path) as src:
        assert zcio.transfer(src, tmp_path / "first", count=70_000).bytes == 70_000
        assert zcio.transfer(src, tmp_path / "second").bytes == 30_000
    assert (tmp_path / "first").read_bytes() + (tmp_path / "second").read_bytes() == data


@pytest.mark.parametrize("visibility", ["aliased", "snapshot"])
def test_visibility(visibility: zcio.Visibility, tmp_path: Path) -> None:
    data = content(100_000)
    sink = Sink("tcp", tmp_path)
    with Source("path", data, tmp_path) as src, sink as dst:
        report = zcio.transfer(src, dst, visibility=visibility)
    assert sink.received() == data
    assert (report.mechanism == "read_write") == (visibility == "snapshot")


@pytest.mark.parametrize("mechanism", ["auto", "read_write", "splice"])
def test_non_blocking_sockets_are_waited_for(mechanism: zcio.Mechanism, tmp_path: Path) -> None:
    data = content(8 << 20)
    sink = Sink("tcp", tmp_path)
    with tcp_pair() as (near, far), sink as dst:

        def send_late() -> None:
            with far:
                time.sleep(0.1)
                far.sendall(data)

        near.setblocking(False)
        dst.setblocking(False)  # type: ignore[union-attr]
        with background(send_late):
            report = zcio.transfer(near, dst, mechanism=mechanism)
        assert report.waits > 0
    assert sink.received() == data
