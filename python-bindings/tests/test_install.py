"""zcio.install(): the standard library copies and sends zcio's way, and is otherwise what it was."""

import asyncio
import contextlib
import functools
import importlib
import io
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from shutil import copy2 as imported_before
from typing import Any

import pytest
import zcio
from loops import Asyncio, nonblocking, receive_all
from support import background, content, read_all, skip, tcp_pair, unix_pair

DATA = content(3_000_000)
standard: Any = importlib.import_module("zcio._standard")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Installed; the reports of the transfers that were made."""
    made: list[Any] = []

    def transfer(*arguments: Any, **options: Any) -> zcio.Report:
        report = zcio.transfer(*arguments, **options)
        made.append(report)
        return report

    monkeypatch.setattr(standard, "transfer", transfer)
    before = everything()
    zcio.install()
    yield made
    zcio.uninstall()
    assert everything() == before


def everything() -> list[Any]:
    return [vars(hook.owner).get(hook.name) for hook in standard._HOOKS]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


def test_copies(calls: list[Any], path: Path, tmp_path: Path) -> None:
    os.chmod(path, 0o640)  # noqa: PTH101
    ways: list[Any] = [shutil.copyfile, shutil.copy, shutil.copy2, imported_before]
    for number, copy in enumerate(ways):
        assert copy(path, tmp_path / "copy") == tmp_path / "copy"
        assert (tmp_path / "copy").read_bytes() == DATA
        assert len(calls) == number + 1
    assert (tmp_path / "copy").stat().st_mode == path.stat().st_mode
    (tmp_path / "tree/below").mkdir(parents=True)
    (tmp_path / "tree/below/empty").touch()
    (tmp_path / "tree/link").symlink_to("below")
    shutil.copy(path, tmp_path / "tree/below")
    shutil.copytree(tmp_path / "tree", tmp_path / "other", symlinks=True)
    assert (tmp_path / "other/below/file").read_bytes() == DATA
    assert (tmp_path / "other/link").readlink() == Path("below")
    assert [report.bytes for report in calls] == [len(DATA)] * 6
    with pytest.raises(shutil.SameFileError):
        shutil.copyfile(path, path)


def test_a_copy_that_fails_in_the_middle(calls: list[Any], path: Path, tmp_path: Path) -> None:
    """Says what the standard library says, and does not begin again."""
    program = """
        import resource, shutil, signal, sys, zcio
        if sys.argv[3]:
            zcio.install()
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        try:
            shutil.copyfile(sys.argv[1], sys.argv[2])
        except OSError as error:
            print(error.errno, error.filename, error.filename2)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(path), str(tmp_path / "copy")]
    ours, theirs = (
        subprocess.run([*command, with_zcio], capture_output=True, text=True, check=True, timeout=60)
        for with_zcio in ("yes", "")
    )
    assert (ours.stdout, ours.stderr) == (theirs.stdout, theirs.stderr)
    assert ours.stdout.startswith("27 ")
    assert calls == []


def test_files_that_zcio_leaves_alone(calls: list[Any], path: Path, tmp_path: Path) -> None:
    shutil.copyfile("/proc/self/status", tmp_path / "status")
    assert b"Name:" in (tmp_path / "status").read_bytes()
    with tcp_pair() as (near, far):
        assert near.sendfile(io.BytesIO(b"bytes")) == 5
        assert far.recv(10) == b"bytes"
        # It takes what has no size for empty.
        reader, writer = os.pipe()
        os.write(writer, b"bytes")
        with open(reader, "rb") as file, open(writer, "wb"):
            assert near.sendfile(file) == 0
        near.settimeout(0)
        with path.open("rb") as file, pytest.raises(ValueError, match="non-blocking"):
            near.sendfile(file)
    assert calls == []


@pytest.mark.parametrize("pair", [tcp_pair, unix_pair])
def test_socket_sendfile(calls: list[Any], pair: Any, path: Path) -> None:
    received = []
    with pair() as (near, far), background(lambda: received.append(read_all(far.fileno()))), path.open("rb") as file:
        file.read(10)
        assert near.sendfile(file) == len(DATA)
        assert file.tell() == len(DATA)
        assert near.sendfile(file, 7, 5000) == 5000
        assert (file.tell(), file.read(3)) == (5007, DATA[5007:5010])
        # Beyond the end.
        assert near.sendfile(file, len(DATA) - 5, 100) == 5
        assert near.sendfile(file, len(DATA) + 5) == 0
        assert file.tell() == len(DATA)
        near.shutdown(socket.SHUT_WR)
    assert received == [DATA + DATA[7:5007] + DATA[-5:]]
    assert [report.bytes for report in calls] == [len(DATA), 5000, 5]


def test_a_peer_that_leaves_and_one_that_does_not_read(calls: list[Any], path: Path) -> None:
    with tcp_pair() as pair, path.open("rb") as file:
        near, far = nonblocking(pair)
        near.settimeout(0.05)
        far.settimeout(10)
        with pytest.raises(TimeoutError):
            near.sendfile(file)
        # As far as it came, and not from the beginning.
        position = file.tell()
        assert 0 < position < len(DATA)
        near.settimeout(10)
        near.shutdown(socket.SHUT_WR)
        with far.makefile("rb") as received:
            assert received.read() == DATA[:position]
        with pytest.raises(BrokenPipeError):
            near.sendfile(file)
    assert calls == []


@pytest.mark.parametrize("kind", [ValueError, OSError, KeyboardInterrupt])
def test_what_a_signals_handler_raises_is_no_refusal(calls: list[Any], path: Path, kind: type[BaseException]) -> None:
    def handler(*_: object) -> None:
        raise kind("from the handler")

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with tcp_pair() as (near, far), path.open("rb") as file:
            main = threading.main_thread().ident
            assert main is not None

            def interrupt() -> None:
                assert far.recv(1) == DATA[:1]
                signal.pthread_kill(main, signal.SIGUSR1)

            with background(interrupt), pytest.raises(kind, match="from the handler"):
                near.sendfile(file)
            position = file.tell()
            near.close()
            assert read_all(far.fileno()) == DATA[1:position]
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert calls == []


def test_somebodys_own_sendfile_is_called(calls: list[Any], path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = os.sendfile, []

    def mine(*arguments: Any) -> int:
        seen.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(os, "sendfile", mine)
    shutil.copyfile(path, path.with_name("copy"))
    with tcp_pair() as (near, _), path.open("rb") as file:
        near.sendfile(file, 0, 100)
    assert len(seen) >= 2
    assert calls == []


def test_a_loop(calls: list[Any], loop: Asyncio, path: Path) -> None:
    """asyncio's own, and uvloop's, which has no sendfile."""

    async def main() -> None:
        running = asyncio.get_running_loop()
        with tcp_pair() as pair, path.open("rb") as file:
            near, far = nonblocking(pair)
            receiving = asyncio.create_task(receive_all(loop, far))
            assert await running.sock_sendfile(near, file) == len(DATA)
            assert file.tell() == len(DATA)
            assert await running.sock_sendfile(near, file, 10, 20) == 20
            assert file.tell() == 30
            transport, _ = await running.create_connection(asyncio.Protocol, sock=near.dup())
            transport.write(b"before")
            assert await running.sendfile(transport, file, 5, 1_000_000) == 1_000_000
            assert file.tell() == 1_000_005
            transport.write(b"behind")
            transport.close()
            near.close()
            assert await receiving == DATA + DATA[10:30] + b"before" + DATA[5:1_000_005] + b"behind"

    loop.run(main)
    assert calls == []


def test_a_loops_cancelled_sendfile(calls: list[Any], loop: Asyncio, path: Path) -> None:
    async def main() -> None:
        with tcp_pair() as pair, path.open("rb") as file:
            near, far = nonblocking(pair)
            begun = functools.partial(select.select, [far], [], [], 0)
            assert not await loop.until(lambda: bool(begun()[0]), awaited(near, file))
            position = file.tell()
            near.close()
            assert await receive_all(loop, far) == DATA[:position]

    async def awaited(near: socket.socket, file: Any) -> None:
        await asyncio.get_running_loop().sock_sendfile(near, file)

    loop.run(main)
    assert calls == []


def test_what_a_loop_does_itself(calls: list[Any], loop: Asyncio, path: Path) -> None:
    async def main() -> None:
        running = asyncio.get_running_loop()
        own = isinstance(running, asyncio.BaseEventLoop)
        refused = contextlib.nullcontext() if own else pytest.raises(NotImplementedError)
        with tcp_pair() as pair, path.open("rb") as file:
            near, far = nonblocking(pair)
            with refused:
                assert await running.sock_sendfile(near, io.BytesIO(b"bytes")) == 5
                assert await loop.receive(far, 10) == b"bytes"
            with pytest.raises(ValueError if own else NotImplementedError):
                await running.sock_sendfile(near, file, 0, -1)
            transport, _ = await running.create_connection(asyncio.Protocol, sock=near)
            transport.close()
            with pytest.raises(RuntimeError if own else NotImplementedError):
                await running.sendfile(transport, file)

    loop.run(main)
    assert calls == []


def test_a_loop_with_tls(loop: Asyncio, calls: list[Any], path: Path, tmp_path: Path) -> None:
    """asyncio's own encrypts as ever, and uvloop's does as if zcio were not there."""
    certificate = tmp_path / "certificate"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    if shutil.which("openssl") is None:
        skip("openssl is not installed")
    subprocess.run([*command, "-keyout", certificate, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    trusting.check_hostname = False

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with path.open("rb") as file:
            try:
                await asyncio.get_running_loop().sendfile(writer.transport, file)
            except NotImplementedError:
                writer.write(file.read())
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=trusting)
            assert await reader.read(-1) == DATA
            writer.close()

    loop.run(main)
    assert calls == []


def test_it_is_idempotent_and_undone(path: Path) -> None:
    before = everything()
    threads = [threading.Thread(target=zcio.install) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    changed = everything()
    assert changed != before
    zcio.install()
    assert everything() == changed
    zcio.uninstall()
    zcio.uninstall()
    assert everything() == before
    shutil.copyfile(path, path.with_name("copy"))
    assert path.with_name("copy").read_bytes() == DATA


def test_somebodys_patch_on_top_stays(calls: list[Any], path: Path) -> None:
    ours: Any = vars(shutil)["_fastcopy_sendfile"]
    seen = []

    @functools.wraps(ours)
    def theirs(*arguments: Any) -> Any:
        seen.append(arguments)
        return ours(*arguments)

    shutil._fastcopy_sendfile = theirs  # type: ignore[attr-defined]
    try:
        zcio.uninstall()
        assert vars(shutil)["_fastcopy_sendfile"] is theirs
        shutil.copyfile(path, path.with_name("copy"))
        assert (len(seen), len(calls)) == (1, 0)
        for _ in range(2):
            zcio.install()
            assert vars(shutil)["_fastcopy_sendfile"] is theirs
        shutil.copyfile(path, path.with_name("copy"))
        assert (len(seen), len(calls)) == (2, 1)
    finally:
        shutil._fastcopy_sendfile = ours  # type: ignore[attr-defined]
    # They took their patch away, and all of it.
    shutil._fastcopy_sendfile = ours.__wrapped__  # type: ignore[attr-defined]
    zcio.install()
    shutil.copyfile(path, path.with_name("copy"))
    assert (len(seen), len(calls)) == (2, 2)


def test_the_import_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zcio.compat import shutil as ours

    made: list[Any] = []
    monkeypatch.setattr(standard, "transfer", lambda *_, **__: made.append(1))
    shutil.copyfile(path, path.with_name("copy"))
    assert path.with_name("copy").read_bytes() == DATA
    ours.copytree(path.parent, path.parent / "tree")
    assert len(made) == 2
    assert ours.SameFileError is shutil.SameFileError
    assert set(vars(shutil)) <= set(vars(ours))
