"""copy, relay, fan_out and batch: every byte, their records, and how they end."""

import errno
import fcntl
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import zcio
from support import background, content, read_all, tcp_pair, unix_pair

DATA = content(2_000_003)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


# copy


def test_copy(source: Path, tmp_path: Path) -> None:
    source.chmod(0o640)
    os.utime(source, ns=(1_000_000_001, 2_000_000_002))
    counts: list[int] = []
    sink = tmp_path / "sink"
    report = zcio.copy(source, sink, preserve_mode=True, preserve_times=True, fsync=True, progress=counts.append)
    assert sink.read_bytes() == DATA
    assert sink.stat().st_mode & 0o777 == 0o640
    assert sink.stat().st_mtime_ns == 2_000_000_002
    assert (report.bytes, report.holes) == (len(DATA), 0)
    assert report.mechanism in zcio.MECHANISMS
    assert counts[-1] == len(DATA)
    assert pickle.loads(pickle.dumps(report)) == report
    assert repr(report).startswith(f"CopyReport(bytes={len(DATA)}, holes=0, cloned=")
    with pytest.raises(AttributeError):
        report.bytes = 1  # type: ignore[misc]


def test_copy_keeps_holes(tmp_path: Path) -> None:
    with (tmp_path / "source").open("wb") as file:
        file.truncate(64 << 20)
        file.seek(32 << 20)
        file.write(DATA)
    report = zcio.copy(tmp_path / "source", tmp_path / "sink", reflink="never")
    assert (tmp_path / "sink").read_bytes() == (tmp_path / "source").read_bytes()
    assert report.holes > 60 << 20
    assert (tmp_path / "sink").stat().st_blocks * 512 < 4 << 20


def test_copy_as_cp_does(source: Path, tmp_path: Path) -> None:
    source.chmod(0o750)
    zcio.copy(source, tmp_path / "ours", create_new=True)
    subprocess.run(["cp", source, tmp_path / "theirs"], check=True)
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode
    made_up = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    zcio.copy(made_up, tmp_path / "made up")
    assert (tmp_path / "made up").read_bytes() == made_up.read_bytes()


def test_copy_waits_for_a_lease(source: Path, tmp_path: Path) -> None:
    """Whoever has the lease gives it up when it is asked to."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        for leased in (source, tmp_path / "sink"):
            (tmp_path / "sink").write_bytes(b"old")
            with leased.open("rb+") as file:
                fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)

                failed = threading.Event()

                def give_up(file: BinaryIO = file, failed: threading.Event = failed) -> None:
                    while fcntl.fcntl(file, fcntl.F_GETLEASE) == fcntl.F_WRLCK and not failed.wait(0.001):
                        pass
                    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)

                with background(give_up):
                    try:
                        zcio.copy(source, tmp_path / "sink")
                    finally:
                        failed.set()
            assert (tmp_path / "sink").read_bytes() == DATA
    finally:
        signal.signal(signal.SIGIO, before)


def test_copy_replaces_in_one_moment(source: Path, tmp_path: Path) -> None:
    sink = tmp_path / "sink"
    sink.write_bytes(b"old")
    with sink.open("rb") as old:
        zcio.copy(str(source), os.fsencode(sink), replace=True)
        assert old.read() == b"old"
    assert sink.read_bytes() == DATA
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sink", "source"]


def test_what_copy_refuses(source: Path, tmp_path: Path) -> None:
    copy: Any = zcio.copy
    os.link(source, tmp_path / "other")
    (tmp_path / "link").symlink_to(source)
    for same in (source, tmp_path / "other", str(tmp_path / "link")):
        with pytest.raises(shutil.SameFileError) as same_file:
            copy(source, same)
        assert isinstance(same_file.value, zcio.SameFileTransferError)
        assert (same_file.value.errno, same_file.value.filename) == (errno.EINVAL, str(same))
    os.mkfifo(tmp_path / "fifo")
    for src, dst in ((tmp_path / "fifo", tmp_path / "sink"), (source, tmp_path / "fifo"), (source, "/dev/null")):
        with pytest.raises(shutil.SpecialFileError) as special:
            copy(src, dst)
        assert isinstance(special.value, zcio.SpecialFileTransferError)
        assert special.value.filename == str(dst if src == source else src)
    with pytest.raises(FileNotFoundError) as raised:
        copy(tmp_path / "none", tmp_path / "sink")
    assert (raised.value.filename, isinstance(raised.value, zcio.TransferError)) == (str(tmp_path / "none"), True)
    with pytest.raises(IsADirectoryError):
        copy(tmp_path, tmp_path / "sink")
    with pytest.raises(NotADirectoryError):
        copy(source, f"{tmp_path}/sink/")
    with pytest.raises(FileNotFoundError):
        copy(source, "")
    (tmp_path / "dangling").symlink_to("nothing")
    for taken in ("dangling", "other"):
        with pytest.raises(FileExistsError) as exists:
            copy(source, tmp_path / taken, create_new=True)
        assert isinstance(exists.value, zcio.FileExistsTransferError)
        assert (exists.value.errno, exists.value.filename) == (errno.EEXIST, str(tmp_path / taken))
    with pytest.raises(TypeError, match="two paths"):
        copy(0, tmp_path / "sink")
    with pytest.raises(ValueError, match=r"unknown reflink.*always"):
        copy(source, tmp_path / "sink", reflink="maybe")
    with source.open("wb") as file:
        for _ in range(300):
            file.write(bytes(1 << 20))

    def stop(_: int) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        copy(source, tmp_path / "sink", reflink="never", progress=stop)
    assert not (tmp_path / "sink").exists()


# relay


def test_relay() -> None:
    up, down = content(5_000_000, 1), content(7_000_000, 2)
    got: dict[str, bytes] = {}
    counts: list[tuple[int, int]] = []

    def talk(end: socket.socket, name: str, data: bytes) -> None:
        def send() -> None:
            end.sendall(data)
            end.shutdown(socket.SHUT_WR)

        with background(send):
            got[name] = read_all(end.fileno())

    with tcp_pair() as (client, left), unix_pair() as (right, server):
        with background(lambda: talk(client, "client", up)), background(lambda: talk(server, "server", down)):
            report = zcio.relay(left, right, progress=lambda forward, backward: counts.append((forward, backward)))
        assert left.getblocking()
    assert got == {"client": down, "server": up}
    assert (report.forward.bytes, report.backward.bytes) == (len(up), len(down))
    assert (report.forward.ended, report.forward.error, report.forward.undelivered) == (True, None, b"")
    assert counts[-1] == (len(up), len(down))
    assert pickle.loads(pickle.dumps(report)) == report


def test_relay_times_out() -> None:
    with unix_pair() as (client, left), unix_pair() as (right, _):
        right.settimeout(0.2)
        client.sendall(b"question")
        with pytest.raises(TimeoutError) as raised:
            zcio.relay(left, right)
    assert raised.value.report.forward.bytes == 8  # type: ignore[attr-defined]


def test_relay_tells_what_was_not_delivered() -> None:
    with unix_pair() as (client, left), unix_pair() as (right, server):
        server.close()
        client.sendall(b"nobody is there")
        client.shutdown(socket.SHUT_WR)
        with pytest.raises(BrokenPipeError) as raised:
            zcio.relay(left, right)
    assert isinstance(raised.value, zcio.TransferError)
    forward = raised.value.report.forward  # type: ignore[attr-defined]
    assert (forward.bytes, forward.undelivered, forward.ended) == (0, b"nobody is there", False)
    assert isinstance(forward.error, BrokenPipeError)


def test_what_relay_refuses(source: Path) -> None:
    relay: Any = zcio.relay
    with unix_pair() as (near, _):
        with pytest.raises(ValueError, match="path"):
            relay(near, source)
        with pytest.raises(OSError, match="stream socket"), source.open("rb") as file:
            relay(near, file)
        with pytest.raises(ValueError, match="same one twice"):
            relay(near, near)


# fan_out


def test_fan_out(source: Path, tmp_path: Path) -> None:
    got: list[bytes] = []
    counts: list[int] = []
    with tcp_pair() as (near, far), source.open("rb") as file, (tmp_path / "two").open("wb") as two:
        assert file.read(3) == DATA[:3]
        with background(lambda: got.append(read_all(far.fileno()))):
            report = zcio.fan_out(file, [near, tmp_path / "one", two], progress=counts.append)
            near.close()
        assert file.tell() == len(DATA)
        assert two.tell() == len(DATA) - 3
    assert got == [DATA[3:]]
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes() == DATA[3:]
    assert [sink.bytes for sink in report.sinks] == [len(DATA) - 3] * 3
    assert [sink.error for sink in report.sinks] == [None] * 3
    assert counts[-1] == report.bytes == len(DATA) - 3


def test_fan_out_goes_on_without_a_sink_that_fails(source: Path, tmp_path: Path) -> None:
    report = zcio.fan_out(source, ["/dev/full", tmp_path / "one"], offset=10, count=1_000_000)
    full, one = report.sinks
    assert (tmp_path / "one").read_bytes() == DATA[10:1_000_010]
    assert (one.bytes, one.error, report.requested) == (1_000_000, None, 1_000_000)
    assert isinstance(full.error, zcio.TransferError)
    assert full.error.errno == errno.ENOSPC
    with pytest.raises(OSError, match="No space") as raised:
        zcio.fan_out(source, ["/dev/full"])
    assert raised.value.report.sinks[0].bytes == 0  # type: ignore[attr-defined]


def test_what_fan_out_refuses(source: Path, tmp_path: Path) -> None:
    fan_out: Any = zcio.fan_out
    with pytest.raises(ValueError, match="at least one sink"):
        fan_out(source, [])
    with pytest.raises(ValueError, match="given twice"):
        fan_out(source, [tmp_path / "one", tmp_path / "one"])
    with pytest.raises(OSError, match="memory"):
        fan_out(memoryview(b"x"), [tmp_path / "one"])
    with pytest.raises(FileNotFoundError):
        fan_out(tmp_path / "none", [tmp_path / "one"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


# batch


def test_batch(tmp_path: Path) -> None:
    parts = [content(1000 + 37 * index, index) for index in range(300)]
    for index, part in enumerate(parts):
        (tmp_path / str(index)).write_bytes(part)
    got: list[bytes] = []
    with tcp_pair() as (near, far), (tmp_path / "0").open("rb") as first:
        with background(lambda: got.append(read_all(far.fileno()))):
            items: list[zcio.BatchItem] = [(tmp_path / str(index), near) for index in range(300)]
            items += [
                (first, near, 10, 20),
                (first, tmp_path / "sink"),
                (tmp_path / "none", near),
                (first, near, None, 5),
            ]
            report = zcio.batch(items)
            assert near.getblocking()
            near.close()
        assert first.tell() == 0
    assert got == [b"".join(parts) + parts[0][10:30] + parts[0][:5]]
    assert (tmp_path / "sink").read_bytes() == parts[0]
    assert all(
        isinstance(item, zcio.ItemReport) and item.bytes == len(part)
        for item, part in zip(report.items, parts, strict=False)
    )
    partial, copied, missing, beginning = report.items[300:]
    assert (partial, beginning) == (
        zcio.ItemReport(20, 20, partial.mechanism),  # type: ignore[union-attr]
        zcio.ItemReport(5, 5, beginning.mechanism),  # type: ignore[union-attr]
    )
    assert isinstance(copied, zcio.ItemReport)
    assert isinstance(missing, FileNotFoundError)
    assert missing.filename == str(tmp_path / "none")
    assert report.bytes == len(got[0]) + len(parts[0])
    assert pickle.loads(pickle.dumps(copied)) == copied
    assert repr(partial).startswith("ItemReport(bytes=20, requested=20, mechanism='")


def test_batch_times_out_and_says_so(source: Path) -> None:
    with unix_pair() as (near, _):
        near.settimeout(1)
        start = time.monotonic()
        with pytest.raises(TimeoutError) as raised:
            zcio.batch([(source, near, 0, 4000)] * 1000)
        assert time.monotonic() - start < 10
    assert raised.value.moved > 4000  # type: ignore[attr-defined]


def test_what_batch_refuses(source: Path) -> None:
    batch: Any = zcio.batch
    for wrong in (source, (source,), (source, 1, 2, 3, 4)):
        with pytest.raises(ValueError, match="an item is a tuple"):
            batch([wrong])
    with pytest.raises(ValueError, match="transfer\\(\\) sends a buffer"):
        batch([(memoryview(b"x"), source)])
    with pytest.raises(TypeError):
        batch(3)
    assert batch([]).items == ()


# interrupts


PROGRAM = """
import os, select, socket, sys, threading, time, zcio
left, peer = socket.socketpair()
right, other = socket.socketpair()
operation, path = sys.argv[1:]

def tell():
    # When it has begun, and something has moved if something can.
    while os.get_blocking(left.fileno()):
        time.sleep(0.001)
    if operation != "relay":
        select.select([peer], [], [])
    print("ready", flush=True)

threading.Thread(target=tell, daemon=True).start()
try:
    if operation == "relay":
        zcio.relay(left, right)
    elif operation == "fan_out":
        zcio.fan_out(path, [left, right])
    else:
        zcio.batch([(path, left, 0, 4000)] * 10000)
except KeyboardInterrupt as interrupt:
    print(time.monotonic(), interrupt.moved)
    assert left.getblocking()
"""


@pytest.mark.parametrize("operation", ["relay", "fan_out", "batch"])
def test_ctrl_c(operation: str, source: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, operation, str(source)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        try:
            answer, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    ended, moved = answer.split()
    assert float(ended) - sent < 10
    assert (int(moved) > 0) == (operation != "relay")


def test_other_threads_run_meanwhile() -> None:
    done = threading.Event()
    with unix_pair() as (client, left), unix_pair() as (right, server):

        def end() -> None:
            time.sleep(0.1)
            client.close()
            server.close()
            done.set()

        with background(end):
            zcio.relay(left, right)
    assert done.is_set()
