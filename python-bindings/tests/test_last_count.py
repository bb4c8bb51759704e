"""What progress raises when it is told the last count has what was done, as what it raises in the midst."""

import os
import socket
from pathlib import Path

import pytest
import zcio
from support import content

DATA = content(100_000)


class OwnError(Exception):
    moved: int
    report: zcio.RelayReport | zcio.FanOutReport | zcio.Report


def refuse(*counts: int) -> None:
    """Only when all has been moved."""
    if sum(counts) == len(DATA):
        raise OwnError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(DATA)
    return tmp_path / "source"


def test_a_transfer(source: Path, tmp_path: Path) -> None:
    with pytest.raises(OwnError) as raised:
        zcio.transfer(source, tmp_path / "sink", progress=refuse)
    assert raised.value.moved == len(DATA)


def test_a_fan_out(source: Path, tmp_path: Path) -> None:
    with pytest.raises(OwnError) as raised:
        zcio.fan_out(source, [tmp_path / "one", tmp_path / "two"], progress=refuse)
    assert raised.value.moved == len(DATA)
    assert isinstance(raised.value.report, zcio.FanOutReport)
    assert [sink.bytes for sink in raised.value.report.sinks] == [len(DATA)] * 2


def test_a_relay() -> None:
    left, left_peer = socket.socketpair()
    right, right_peer = socket.socketpair()
    with left, left_peer, right, right_peer:
        for end in (left_peer, right):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * len(DATA))
        left_peer.sendall(DATA)
        left_peer.shutdown(socket.SHUT_WR)
        right_peer.shutdown(socket.SHUT_WR)
        with pytest.raises(OwnError) as raised:
            zcio.relay(left, right, progress=refuse)
        assert raised.value.moved == len(DATA)
        assert isinstance(raised.value.report, zcio.RelayReport)
        assert raised.value.report.forward.bytes == len(DATA)


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("exists", [True, False])
def test_a_copy(exists: bool, replace: bool, source: Path, tmp_path: Path) -> None:
    sink = tmp_path / "sink"
    if exists:
        sink.write_bytes(b"old")
    with pytest.raises(OwnError) as raised:
        zcio.copy(source, sink, replace=replace, progress=refuse)
    assert raised.value.moved == len(DATA)
    assert sorted(os.listdir(tmp_path)) == (["sink", "source"] if exists else ["source"])
    if exists:
        # Written in place it is complete; it would have to be replaced to stay what it was.
        assert sink.read_bytes() == (b"old" if replace else DATA)
