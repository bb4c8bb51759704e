"""Ctrl-C in the middle of a transfer that waits, and signal handlers that only want to be called."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import zcio
import zcio.wsgi
from support import background, content, unix_pair

# A process that transfers to a peer that does not read, or from one that does not send, and tells how it ended.
PROGRAM = """
import os, select, socket, sys, threading, time, zcio

def tcp():
    server = socket.create_server(("127.0.0.1", 0))
    near = socket.create_connection(server.getsockname())
    return near, server.accept()[0]

def pipe():
    reader, writer = os.pipe()
    return (open(reader, "rb", 0), open(writer, "wb", 0))

kind, direction, blocking, path = sys.argv[1:]
if kind == "pipe":
    reader, writer = pipe()
    near, far = (reader, writer) if direction == "in" else (writer, reader)
    os.set_blocking(near.fileno(), blocking == "True")
else:
    near, far = tcp() if kind == "tcp" else socket.socketpair()
    near.setblocking(blocking == "True")

def tell():
    # When it has begun, and something has moved if something can.
    if direction == "out":
        select.select([far], [], [])
    while direction == "in" and not os.path.exists(path + ".sink"):
        time.sleep(0.001)
    print("ready", flush=True)

threading.Thread(target=tell, daemon=True).start()
try:
    if direction == "in":
        zcio.transfer(near, path + ".sink")
    else:
        with open(path, "rb") as source:
            try:
                zcio.transfer(source, near)
            finally:
                position = source.tell()
except KeyboardInterrupt as interrupt:
    ended = time.monotonic()
    assert interrupt.undelivered == b""
    assert any(f"after {interrupt.moved} bytes" in note for note in interrupt.__notes__)
    if direction == "out":
        assert interrupt.moved == position
    print(ended, interrupt.moved)
"""


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("direction", ["in", "out"])
@pytest.mark.parametrize("kind", ["tcp", "unix", "pipe"])
def test_ctrl_c(kind: str, direction: str, blocking: bool, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(content(64 << 20) if kind == "tcp" and direction == "out" else content(8 << 20))
    command = [sys.executable, "-c", PROGRAM, kind, direction, str(blocking), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        assert process.poll() is None
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        try:
            answer, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    ended, moved = answer.split()
    assert float(ended) - sent < 10
    assert (int(moved) > 0) == (direction == "out")


def test_a_handler_that_does_not_raise_lets_the_transfer_go_on(tmp_path: Path) -> None:
    calls = 0
    data = content(1 << 20)
    (tmp_path / "source").write_bytes(data)
    begin, sixth = os.pipe()

    def handler(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 6:
            os.close(sixth)

    before = signal.signal(signal.SIGALRM, handler)
    program = "import os, sys; os.read(int(sys.argv[1]), 1); sys.stdout.buffer.write(sys.stdin.buffer.read())"
    command = [sys.executable, "-c", program, str(begin)]
    try:
        with (
            unix_pair() as (near, far),
            subprocess.Popen(command, stdin=far.fileno(), stdout=subprocess.PIPE, pass_fds=[begin]) as process,
        ):
            far.close()
            os.close(begin)
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
            report = zcio.transfer(tmp_path / "source", near)
            signal.setitimer(signal.ITIMER_REAL, 0)
            near.close()
            assert process.stdout is not None
            assert process.stdout.read() == data
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert report.bytes == len(data)
    assert calls > 5


# Sends SIGUSR1 when the transfer has opened its sink and, most likely, waits.
KILL = """
import os, sys, time
while not os.path.exists(sys.argv[2]):
    time.sleep(0.001)
time.sleep(0.2)
os.kill(int(sys.argv[1]), 10)
"""


class MineError(Exception):
    """What a handler raises here."""


def test_what_a_handler_raises_goes_through(tmp_path: Path) -> None:
    def handler(*_: object) -> None:
        raise MineError

    before = signal.signal(signal.SIGUSR1, handler)
    reader, writer = os.pipe()
    try:
        timer = subprocess.Popen([sys.executable, "-c", KILL, str(os.getpid()), str(tmp_path / "sink")])
        with pytest.raises(MineError) as raised:
            zcio.transfer(reader, tmp_path / "sink")
        timer.wait()
    finally:
        signal.signal(signal.SIGUSR1, before)
        os.close(reader)
        os.close(writer)
    assert raised.value.moved == 0  # type: ignore[attr-defined]


def test_ctrl_c_while_a_fifo_waits_for_its_other_end(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    program = """
import sys, zcio
try:
    print("ready", flush=True)
    zcio.transfer(sys.argv[1], sys.argv[1] + ".sink")
except KeyboardInterrupt:
    print("interrupted")
"""
    command = [sys.executable, "-c", program, str(fifo)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == "interrupted\n"
    assert not (tmp_path / "fifo.sink").exists()


def test_what_the_wrapper_has_begun_is_not_begun_again(tmp_path: Path) -> None:
    """None says that nothing was sent: never after a signal handler has raised what a refusal is, too."""

    class GaveUpError(ValueError):
        pass

    def give_up(*_: object) -> None:
        raise GaveUpError

    handler = signal.signal(signal.SIGUSR1, give_up)
    try:
        with unix_pair() as (near, far), (tmp_path / "large").open("w+b") as file:
            file.truncate(64 << 20)

            def interrupt() -> None:
                far.recv(1)
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

            with background(interrupt), pytest.raises(GaveUpError) as raised:
                zcio.wsgi.file_wrapper(file).send(near)
            assert raised.value.moved > 0  # type: ignore[attr-defined]
    finally:
        signal.signal(signal.SIGUSR1, handler)
