"""What the tests share: content that shows every misplaced byte, and ends of all kinds."""

import contextlib
import hashlib
import io
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TypeAlias

import pytest
import zcio

REPOSITORY = Path(__file__).resolve().parents[2]
CHUNK = 1 << 20
Pair: TypeAlias = tuple[socket.socket, socket.socket]


def content(size: int, seed: int = 0) -> bytes:
    """Bytes without a period, so that a block moved to the wrong place is seen."""
    return hashlib.shake_128(seed.to_bytes(8, "big")).digest(size)


def skip(reason: str) -> NoReturn:
    """Skips the test; where ZCIO_REQUIRE is set everything must be there, so it fails."""
    if os.environ.get("ZCIO_REQUIRE"):
        pytest.fail(f"cannot run: {reason}")
    pytest.skip(reason)


def allowed(mechanism: str) -> None:
    """Skips the test if a filter denies this mechanism, as those of containers deny io_uring."""
    if mechanism != "uring":
        return
    refusal = zcio.batch([]).refusal
    if refusal is not None:
        skip(f"{refusal.operation} is denied: {refusal.reason}")


def on_disk(directory: Path) -> None:
    """Skips the test if the page cache is all that files there have, as on a tmpfs."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True, text=True, check=True).stdout
    if kind.strip() == "tmpfs":
        skip(f"{directory} is no disk: set TMPDIR to a directory that is on one")


@contextlib.contextmanager
def tcp_pair() -> Iterator[Pair]:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as left:
        right, _ = server.accept()
        with right:
            yield left, right


@contextlib.contextmanager
def unix_pair() -> Iterator[Pair]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


@contextlib.contextmanager
def background(work: Callable[[], object]) -> Iterator[None]:
    """Runs `work` beside the body; what it raises is raised at the end."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    # A daemon, so that a test that fails does not keep the process when the work waits for what will never be.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(60)
    assert not thread.is_alive()
    if raised:
        raise raised[0]


def read_all(fd: int) -> bytes:
    """Everything up to the end of a stream."""
    chunks = []
    while chunk := os.read(fd, CHUNK):
        chunks.append(chunk)
    return b"".join(chunks)


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class Source:
    """The source of a test transfer, in one of five shapes."""

    def __init__(self, kind: str, data: bytes, directory: Path) -> None:
        self.stack = contextlib.ExitStack()
        self.end: zcio.End
        path = directory / "source"
        path.write_bytes(data if kind in {"path", "file"} else b"")
        if kind == "path":
            self.end = path
        elif kind == "file":
            self.end = self.stack.enter_context(path.open("rb"))
        elif kind == "pipe":
            reader, writer = os.pipe()
            self.end = self.stack.enter_context(os.fdopen(reader, "rb"))
            self._feed(os.fdopen(writer, "wb", 0), data)
        else:
            pair = {"tcp": tcp_pair, "unix": unix_pair}[kind]
            near, far = self.stack.enter_context(pair())
            self.end = near
            self._feed(far, data)

    def _feed(self, far: socket.socket | io.FileIO, data: bytes) -> None:
        def feed() -> None:
            with far:
                write_all(far.fileno(), data)

        self.stack.enter_context(background(feed))

    def __enter__(self) -> zcio.End:
        return self.end

    def __exit__(self, *_: object) -> None:
        self.stack.close()


class Sink:
    """The sink of a test transfer, in one of five shapes, and what arrived in it."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.stack = contextlib.ExitStack()
        self.path = directory / "sink"
        self.chunks: list[bytes] = []
        self.end: zcio.End
        if kind == "path":
            self.end = self.path
        elif kind == "file":
            self.end = self.stack.enter_context(self.path.open("wb"))
        elif kind == "pipe":
            reader, writer = os.pipe()
            file = os.fdopen(writer, "wb")
            self.end = file
            self._drain(reader, file.close)
        else:
            pair = {"tcp": tcp_pair, "unix": unix_pair}[kind]
            near, far = self.stack.enter_context(pair())
            self.end = near
            self._drain(os.dup(far.fileno()), near.close)

    def _drain(self, fd: int, finish: Callable[[], None]) -> None:
        def drain() -> None:
            try:
                self.chunks.append(read_all(fd))
            finally:
                os.close(fd)

        self.stack.enter_context(background(drain))
        self.stack.callback(finish)

    def __enter__(self) -> zcio.End:
        return self.end

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def received(self) -> bytes:
        """What arrived; after the end of the `with` block."""
        return b"".join(self.chunks) if self.chunks else self.path.read_bytes()
