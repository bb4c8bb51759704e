"""zcio.uvicorn: uvicorn's own protocols that send files by zcio."""

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zcio.aio
import zcio.asgi
from starlette.responses import FileResponse
from support import content, skip

pytest.importorskip("httptools")
uvicorn: Any = pytest.importorskip("uvicorn")
protocols: Any = pytest.importorskip("zcio.uvicorn")

DATA = content(3_000_001)


class Serving:
    """A server in a thread, and what its application was offered and raised."""

    def __init__(self, protocol: Any, loop: str, path: Path, **options: Any) -> None:
        self.path, self.offered, self.raised = path, set[str](), list[BaseException]()
        self.messages: list[dict[str, Any]] = []
        config = uvicorn.Config(
            self.app, interface="asgi3", port=0, http=protocol, loop=loop, log_config=None, lifespan="off", **options
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until(lambda: self.server.started)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.offered = set(scope.get("extensions") or ())
        try:
            if scope["path"] == "/starlette":
                await FileResponse(self.path)(scope, receive, send)
            elif scope["path"] == "/messages":
                for message in self.messages:
                    await send(message)
            else:
                await zcio.asgi.send_file(self.path, scope, receive, send)
        except BaseException as error:
            self.raised.append(error)
            raise

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive()


def until(reached: Any) -> None:
    end = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


@pytest.fixture(
    params=["H11Protocol asyncio", "HttpToolsProtocol uvloop", "AutoProtocol asyncio", "H11Protocol uvloop"]
)
def serving(request: pytest.FixtureRequest, path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    name, loop = request.param.split()
    jobs.clear()
    monkeypatch.setattr(zcio.aio, "Transfer", Counted)
    serving = Serving(getattr(protocols, name), loop, path)
    yield serving
    serving.stop()


jobs: list[zcio.aio.Transfer] = []


class Counted(zcio.aio.Transfer):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        jobs.append(self)


class Client:
    """Reads responses as they come, so that what is between them is seen."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")

    def ask(self, path: str = "/", method: str = "GET", *headers: str) -> None:
        lines = [f"{method} {path} HTTP/1.1", "host: here", *headers, "", ""]
        self.sock.sendall("\r\n".join(lines).encode())

    def answer(self, head: bool = False) -> tuple[int, bytes]:
        status = int(self.file.readline().split()[1])
        headers = {}
        while (line := self.file.readline()) != b"\r\n":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        if head:
            return status, b""
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while length := int(self.file.readline(), 16):
                body += self.file.read(length)
                assert self.file.readline() == b"\r\n"
            assert self.file.readline() == b"\r\n"
            return status, body
        return status, self.file.read(int(headers["content-length"]))

    def close(self) -> None:
        self.file.close()
        self.sock.close()


def test_files_over_one_connection(serving: Serving) -> None:
    with contextlib.closing(Client(serving.connect())) as client:
        for path in ("/starlette", "/"):
            client.ask(path)
            assert client.answer() == (200, DATA)
            assert serving.offered == {"http.response.pathsend", "http.response.zerocopysend"}
            client.ask(path, "HEAD")
            assert client.answer(head=True) == (200, b"")
            client.ask(path, "GET", "range: bytes=5-2000004")
            assert client.answer() == (206, DATA[5:2_000_005])
        client.ask("/", "GET", "range: bytes=5-1000004,2000000-2000009")
        status, body = client.answer()
        assert status == 206
        assert DATA[5:1_000_005] in body
        assert DATA[2_000_000:2_000_010] in body
        assert {job.bytes for job in jobs} == {len(DATA), 2_000_000, 1_000_000}
        for size in (0, 1, 5000, 65536, 65537):
            serving.path.write_bytes(DATA[:size])
            for path in ("/starlette", "/"):
                client.ask(path)
                assert client.answer() == (200, DATA[:size])
        client.ask("/", "GET", "connection: close")
        assert client.answer() == (200, DATA[:65537])
        assert client.file.read() == b""
    assert serving.raised == []


def test_requests_that_do_not_wait_for_their_answers(serving: Serving) -> None:
    with contextlib.closing(Client(serving.connect())) as client:
        client.sock.sendall(b"GET / HTTP/1.1\r\nhost: here\r\n\r\nGET /starlette HTTP/1.1\r\nhost: here\r\n\r\n" * 3)
        for _ in range(6):
            assert client.answer() == (200, DATA)
    assert serving.raised == []


def test_other_messages(serving: Serving) -> None:
    start: dict[str, Any] = {"type": "http.response.start", "status": 200}
    path = {"type": "http.response.pathsend", "path": str(serving.path)}
    with contextlib.closing(Client(serving.connect())) as client, serving.path.open("rb") as file:
        # Of unknown length: in chunks.
        serving.messages = [start, path]
        client.ask("/messages")
        assert client.answer() == (200, DATA)
        file.seek(7)
        part = {"type": "http.response.zerocopysend", "file": file, "more_body": True}
        some = {"type": "http.response.body", "body": b"between", "more_body": True}
        last = {"type": "http.response.zerocopysend", "file": file.fileno(), "offset": 1, "count": 70_000}
        serving.messages = [start, part, some, last]
        client.ask("/messages")
        assert client.answer() == (200, DATA[7:] + b"between" + DATA[1:70_001])
        assert serving.raised == []
        # Too early is uvicorn's own error.
        serving.messages = [path]
        client.ask("/messages")
        assert client.answer()[0] == 500
        assert "http.response.start" in str(serving.raised.pop())


@pytest.mark.parametrize("announced", [len(DATA) - 1, len(DATA) + 1])
def test_another_length_than_was_announced(serving: Serving, announced: int) -> None:
    headers = [(b"content-length", str(announced).encode())]
    serving.messages = [
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.pathsend", "path": str(serving.path)},
    ]
    with contextlib.closing(Client(serving.connect())) as client:
        client.ask("/messages")
        assert len(client.answer()[1]) < announced
        assert client.file.read() == b""
    assert serving.raised


def test_a_file_that_becomes_shorter(serving: Serving) -> None:
    with contextlib.closing(Client(slow(serving))) as client:
        client.ask("/starlette")
        until(lambda: jobs and jobs[0].bytes)
        os.truncate(serving.path, 0)
        assert len(client.answer()[1]) < 200_000_000
        assert client.file.read() == b""
    until(lambda: serving.raised)
    assert isinstance(serving.raised[0], EOFError)


def slow(serving: Serving) -> socket.socket:
    """A client with little room, which asks for a file that is larger than any."""
    with serving.path.open("ab") as file:
        file.truncate(200_000_000)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    sock.settimeout(30)
    sock.connect(("127.0.0.1", serving.port))
    return sock


@pytest.mark.parametrize("asked", ["/", "/starlette"])
def test_a_client_that_leaves(serving: Serving, asked: str) -> None:
    before = os.listdir("/proc/self/fd")
    for linger in (False, True):
        client = slow(serving)
        client.sendall(f"GET {asked} HTTP/1.1\r\nhost: here\r\n\r\n".encode())
        assert client.recv(10) == b"HTTP/1.1 2"
        until(lambda: jobs and jobs[-1].bytes)
        if linger:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        until(lambda: not serving.server.server_state.tasks)
        assert jobs[-1].bytes < 150_000_000
    # Neither an error of the application's, nor a descriptor that stays.
    assert serving.raised == []
    until(lambda: len(os.listdir("/proc/self/fd")) <= len(before))


def test_a_connection_that_the_server_ends(serving: Serving) -> None:
    """While the client reads nothing: nobody waits for it any more."""
    with slow(serving) as client:
        client.sendall(b"GET /starlette HTTP/1.1\r\nhost: here\r\n\r\n")
        until(lambda: jobs and jobs[-1].bytes)
        (connection,) = serving.server.server_state.connections
        connection.loop.call_soon_threadsafe(connection.transport.abort)
        until(lambda: not serving.server.server_state.tasks)
        # And the client sees the end.
        with contextlib.suppress(ConnectionResetError):
            while client.recv(1 << 20):
                pass
    assert serving.raised == []


def test_a_shutdown_waits_for_the_file(serving: Serving) -> None:
    with contextlib.closing(Client(slow(serving))) as client:
        client.ask("/starlette")
        until(lambda: jobs and jobs[-1].bytes)
        serving.server.should_exit = True
        until(lambda: not serving.server.servers[0].is_serving())
        status, body = client.answer()
        assert (status, len(body), body[: len(DATA)]) == (200, 200_000_000, DATA)
        assert client.file.read() == b""
    assert serving.raised == []


def test_a_shutdown_that_does_not_wait(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.clear()
    monkeypatch.setattr(zcio.aio, "Transfer", Counted)
    serving = Serving(protocols.AutoProtocol, "asyncio", path, timeout_graceful_shutdown=0.05)
    with slow(serving) as client:
        client.sendall(b"GET /starlette HTTP/1.1\r\nhost: here\r\n\r\n")
        until(lambda: jobs and jobs[-1].bytes)
        serving.stop()
    assert isinstance(serving.raised[0], asyncio.CancelledError)


def test_tls_is_uvicorns(path: Path, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        skip("openssl is not installed")
    certificate = tmp_path / "certificate"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    subprocess.run([*command, "-keyout", certificate, "-out", certificate], check=True, capture_output=True)
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    for loop in ("asyncio", "uvloop"):
        serving = Serving(protocols.AutoProtocol, loop, path, ssl_certfile=certificate, ssl_keyfile=certificate)
        try:
            with contextlib.closing(Client(context.wrap_socket(serving.connect()))) as client:
                for asked in ("/", "/starlette"):
                    client.ask(asked)
                    assert client.answer() == (200, DATA)
            assert serving.offered.isdisjoint({"http.response.pathsend", "http.response.zerocopysend"})
        finally:
            serving.stop()
