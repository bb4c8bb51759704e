"""Children made by fork: no lock of another thread's holds them, and they step nothing that their parent has begun."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import zcio
from support import content, read_all, unix_pair
from zcio._zcio import FanOutSteps, RelaySteps, TransferSteps


def in_child(work: Callable[[], object]) -> int:
    """What a child ends with: 0, 1 if `work` raised, or minus the signal that ended it, if it waited for ever."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def send_a_byte() -> None:
    with unix_pair() as (left, right):
        left.setblocking(False)
        assert zcio.transfer(memoryview(b"x"), left).bytes == 1
        assert right.recv(10) == b"x"


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_no_child_waits_for_a_thread_it_does_not_have() -> None:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            send_a_byte()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        assert {in_child(send_a_byte) for _ in range(200)} == {0}
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def refuses(step: Callable[[], object]) -> None:
    with pytest.raises(zcio.TransferError, match="forked"):
        step()


def test_a_child_goes_on_with_nothing(tmp_path: Path) -> None:
    """In the middle of each operation: the child's copy of it ends with an error, the parent's with every byte."""
    data = content(10_000)
    with contextlib.ExitStack() as stack:
        pairs = [stack.enter_context(unix_pair()) for _ in range(5)]
        for near, _ in pairs:
            near.sendall(data[:1000])
        options = (None, None, "auto", "aliased", None, None, False, b"")
        transfer = TransferSteps(pairs[0][1], tmp_path / "transfer", *options)
        fan_out = FanOutSteps(pairs[1][1], [tmp_path / "one", tmp_path / "other"], None, None, "aliased", b"")
        relay = RelaySteps(pairs[2][1], pairs[3][1], b"", b"")
        buffer = bytearray(len(data))
        memory = TransferSteps(pairs[4][1], buffer, *options)
        assert transfer.open(True)
        assert fan_out.open(True)
        assert memory.open(True)
        steps: list[Callable[[], object]] = [
            lambda: transfer.step(False),
            lambda: fan_out.step(False),
            lambda: memory.step(False),
            relay.step,
        ]
        for step in steps:
            step()
        for near, _ in pairs:
            near.sendall(data[1000:2000])

        def child() -> None:
            for step in steps:
                refuses(step)
            assert transfer.close() == b""
            assert fan_out.close()[1] == b""
            assert memory.close() == b""
            relay.close()

        assert in_child(child) == 0
        for near, _ in pairs:
            near.sendall(data[2000:])
            near.shutdown(socket.SHUT_WR)
        for step in steps:
            while step() is not None:
                pass
        assert transfer.bytes == fan_out.bytes == len(data)
        assert relay.bytes == (len(data), len(data))
        for name in ("transfer", "one", "other"):
            assert (tmp_path / name).read_bytes() == data
        for near, _ in pairs[2:4]:
            assert read_all(near.fileno()) == data
        assert buffer == data
        memory.close()
        transfer.close()
        fan_out.close()
        relay.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_progress_callback_may_fork(tmp_path: Path) -> None:
    data = content(1 << 20)
    parent, children = os.getpid(), list[int]()
    (tmp_path / "source").write_bytes(data)

    def progress(_: int) -> None:
        if not children:
            children.append(os.fork())

    with unix_pair() as (left, right):
        received = bytearray()

        def read() -> None:
            # The callback comes when the socket takes no more.
            while not children:
                threading.Event().wait(0.001)
            while len(received) < len(data):
                received.extend(right.recv(1 << 16))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            report = zcio.transfer(tmp_path / "source", left, progress=progress)
        except zcio.TransferError as error:
            os._exit(0 if os.getpid() != parent and "forked" in str(error) else 1)
        if os.getpid() != parent:
            os._exit(2)
        reader.join()
    assert report.bytes == len(data)
    assert received == data
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
