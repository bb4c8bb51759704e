"""``python -m zcio`` and the console script: the command is tested with the core, its way through Python here."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zcio
from support import content

MODULE = [sys.executable, "-m", "zcio"]
SCRIPT = [str(Path(sys.executable).with_name("zcio"))]


def run(*arguments: str | bytes | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*MODULE, *arguments], capture_output=True, timeout=60)


@pytest.mark.parametrize("command", [MODULE, SCRIPT])
def test_version(command: list[str]) -> None:
    ended = subprocess.run([*command, "--version"], capture_output=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout == f"zcio {zcio.__version__}\n".encode()


def test_copy(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(content(3_000_000))
    ended = run("copy", source, target, "--json")
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert target.read_bytes() == source.read_bytes()
    report = json.loads(ended.stdout)
    assert report["bytes"] == 3_000_000
    assert report["mechanism"] in zcio.MECHANISMS


def test_bytes_go_to_the_process_s_own_output(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(content(20_000_001))
    ended = run("send", source, "-")
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout == source.read_bytes()


def test_exit_codes() -> None:
    ended = run("copy", "/nonexistent", "/nonexistent/too")
    assert (ended.returncode, ended.stderr) == (1, b"zcio: open: No such file or directory: /nonexistent\n")
    assert run("teleport").returncode == 2


def test_a_path_that_is_no_text(tmp_path: Path) -> None:
    source = os.fsencode(tmp_path) + b"/\xff\xc3\xa4"
    Path(os.fsdecode(source)).write_bytes(content(1000))
    assert run("send", source, "-").stdout == content(1000)


@pytest.mark.parametrize("command", [MODULE, SCRIPT])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c(command: list[str], number: int, status: int, tmp_path: Path) -> None:
    listening, target = tmp_path / "socket", tmp_path / "target"
    arguments = ["recv", "--listen", f"unix:{listening}", str(target)]
    with subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE) as waiting:
        while not listening.exists():
            assert waiting.poll() is None
            time.sleep(0.005)
        waiting.send_signal(number)
        _, errors = waiting.communicate(timeout=10)
    assert (waiting.returncode, errors) == (status, b"zcio: accept: interrupted\n")
    assert not listening.exists()
    assert not target.exists()


def test_python_s_own_handlers_stand_again_afterwards() -> None:
    program = """
import os, signal
from zcio import _zcio
assert _zcio.main(["probe"]) == 0
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    raise SystemExit(7)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (7, b"")


def test_other_threads_go_on_meanwhile() -> None:
    program = """
import threading
from zcio import _zcio
command = threading.Thread(target=_zcio.main, args=[["recv", "-", "/dev/null"]])
command.start()
while not command.is_alive():
    pass
print(sum(range(100_000)), flush=True)
command.join()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # It waits for input that comes only when the other thread has been heard.
        assert process.stdout.readline() == b"4999950000\n"
        process.stdin.close()
        assert process.wait(10) == 0


def listening_port(process: int) -> int | None:
    """The TCP port that a process listens on, once it does."""
    inodes = set[str]()
    for entry in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(str(entry.readlink()))
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
            return int(fields[1].rpartition(":")[2], 16)
    return None


@pytest.mark.parametrize("closed", ["2>&-", "1>&- 2>&-", "<&- 1>&- 2>&-"])
def test_no_message_goes_into_a_file_that_has_the_number_of_a_closed_stream(tmp_path: Path, closed: str) -> None:
    target = tmp_path / "target"
    receiving = ["recv", "--raw", "--listen", "127.0.0.1:0", str(target)]
    with subprocess.Popen(["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *MODULE, *receiving]) as receiver:
        try:
            deadline = time.monotonic() + 60
            while (port := listening_port(receiver.pid)) is None:
                assert receiver.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            with socket.create_connection(("127.0.0.1", port)) as sender:
                sender.sendall(content(100_000))
            assert receiver.wait(60) == 0
        finally:
            receiver.kill()
    assert target.read_bytes() == content(100_000)
