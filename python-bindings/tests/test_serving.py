"""Files from ASGI and WSGI applications: what the servers are asked to do, and what comes out of real ones."""

import asyncio
import email.utils
import gzip
import http.client
import io
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

import pytest
import zcio.asgi
import zcio.wsgi
from servers import served
from support import content, tcp_pair

DATA = content(700_001)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "page.html"
    found.write_bytes(DATA)
    return found


class Exchange:
    """An ASGI server with certain extensions, and what it was told to send."""

    def __init__(self, path: Path, *extensions: str, method: str = "GET", **headers: str) -> None:
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {
            "type": "http",
            "method": method,
            "headers": raw,
            "extensions": {f"http.response.{extension}": {} for extension in extensions},
        }
        self.body = b""
        self.ways: list[str] = []

        async def send(message: Any) -> None:
            kind = message["type"]
            if kind == "http.response.start":
                self.status = message["status"]
                self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
                return
            self.ways.append(kind)
            if kind == "http.response.pathsend":
                self.body += Path(message["path"]).read_bytes()
            elif kind == "http.response.zerocopysend":
                self.body += os.pread(message["file"].fileno(), message["count"], message["offset"])
            else:
                self.body += message["body"]

        async def receive() -> Any:
            await asyncio.Event().wait()

        asyncio.run(zcio.asgi.FileResponse(path)(scope, receive, send))


WAYS: list[tuple[tuple[str, ...], str]] = [
    ((), "http.response.body"),
    (("pathsend",), "http.response.pathsend"),
    (("zerocopysend",), "http.response.zerocopysend"),
    (("pathsend", "zerocopysend"), "http.response.zerocopysend"),
]


@pytest.mark.parametrize(("extensions", "way"), WAYS)
def test_the_whole_file(extensions: tuple[str, ...], way: str, path: Path) -> None:
    exchange = Exchange(path, *extensions)
    assert (exchange.status, exchange.body) == (200, DATA)
    assert set(exchange.ways) == {way}
    assert exchange.headers["content-length"] == str(len(DATA))
    assert exchange.headers["content-type"] == "text/html; charset=utf-8"
    assert exchange.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(("extensions", "way"), WAYS)
@pytest.mark.parametrize(
    ("value", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=10-", 10, 700_001), ("bytes=-5", 699_996, 700_001), ("bytes=5-9999999", 5, 700_001)],
)
def test_one_range(extensions: tuple[str, ...], way: str, value: str, start: int, end: int, path: Path) -> None:
    exchange = Exchange(path, *extensions, range=value)
    assert (exchange.status, exchange.body) == (206, DATA[start:end])
    assert exchange.headers["content-range"] == f"bytes {start}-{end - 1}/700001"
    assert exchange.headers["content-length"] == str(end - start)
    # A path cannot be sent in part.
    assert set(exchange.ways) == {way if way != "http.response.pathsend" else "http.response.body"}


def test_ranges_that_are_not_there(path: Path) -> None:
    for value in ("bytes=700001-", "bytes=-0", "bytes=800000-900000"):
        exchange = Exchange(path, range=value)
        assert (exchange.status, exchange.body) == (416, b"")
        assert exchange.headers["content-range"] == "bytes */700001"


def test_ranges_that_are_ignored(path: Path) -> None:
    for value in (
        "bytes=0-700000,5-6",
        "bytes=" + ",".join(["0-0"] * 17),
        "bytes=0-" + "9" * 5000,
        "lines=1-2",
        "bytes=",
        "bytes=x-y",
        "bytes=5-2",
        "bytes=--5",
        "bytes=+1-2",
        "bytes=٣-",
    ):
        asked = value if value.isascii() else "bytes=\u00b2-"
        exchange = Exchange(path, range=asked)
        assert (exchange.status, exchange.body) == (200, DATA), value


def test_conditions(path: Path) -> None:
    first = Exchange(path)
    etag, modified = first.headers["etag"], first.headers["last-modified"]
    later, earlier = (email.utils.formatdate(path.stat().st_mtime + by, usegmt=True) for by in (10, -10))
    assert Exchange(path, if_none_match=f'"other", W/{etag}').status == 304
    assert Exchange(path, if_none_match="*").status == 304
    assert Exchange(path, if_none_match='"other"', if_modified_since=later).status == 200
    for date, status in [(modified, 304), (later, 304), (earlier, 200), ("yesterday", 200)]:
        assert Exchange(path, if_modified_since=date).status == status
    assert Exchange(path, if_match='"other"').status == 412
    assert Exchange(path, if_match=etag).status == 200
    assert Exchange(path, if_unmodified_since=earlier).status == 412
    assert Exchange(path, if_unmodified_since=modified).status == 200
    for condition, status in [(etag, 206), (modified, 206), (earlier, 200), ('"other"', 200), (f"W/{etag}", 200)]:
        assert Exchange(path, range="bytes=0-9", if_range=condition).status == status
    known = Exchange(path, if_none_match=etag)
    assert (known.body, known.headers["etag"]) == (b"", etag)
    path.write_bytes(b"changed")
    assert Exchange(path, if_none_match=etag).status == 200


def test_other_methods_and_files(path: Path, tmp_path: Path) -> None:
    head = Exchange(path, "pathsend", method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "700001")
    assert Exchange(path, method="POST").status == 405
    path.write_bytes(b"")
    empty = Exchange(path, "pathsend", range="bytes=0-")
    assert (empty.status, empty.body) == (416, b"")
    assert Exchange(path, "pathsend").body == b""
    for missing in (tmp_path / "none", tmp_path, Path("/dev/null"), path / "below", tmp_path / ("x" * 300)):
        exchange = Exchange(missing)
        assert (exchange.status, exchange.body) == (404, b"Not Found")


# Real servers

APP = """
import os
import zcio.asgi

async def app(scope, receive, send):
    if scope["type"] == "http":
        await zcio.asgi.send_file(os.environ["ZCIO_FILE"], scope, receive, send)
"""


@pytest.fixture(params=["uvicorn", "granian", "hypercorn"])
def server(request: pytest.FixtureRequest, path: Path, tmp_path: Path) -> Iterator[int]:
    with served(request.param, APP, tmp_path, ZCIO_FILE=str(path)) as port:
        yield port


def get(port: int, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", "/", headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response, response.read()


def test_an_asgi_server(server: int) -> None:
    response, body = get(server)
    assert (response.status, body) == (200, DATA)
    etag = response.headers["etag"]
    response, body = get(server, Range="bytes=1000-1999")
    assert (response.status, body) == (206, DATA[1000:2000])
    response, body = get(server, If_None_Match=etag)
    assert (response.status, body) == (304, b"")


class Bodies:
    """A WSGI application whose body is what the test has put there."""

    def __init__(self) -> None:
        self.make: Any = None
        self.length: int | None = len(DATA)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = [("Content-Type", "text/plain")]
        if self.length is not None:
            headers.append(("Content-Length", str(self.length)))
        start_response("200 OK", headers)
        assert environ["wsgi.file_wrapper"] is zcio.wsgi.file_wrapper
        result: Iterable[bytes] = environ["wsgi.file_wrapper"](self.make())
        return result


class Quiet(zcio.wsgi.RequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def wsgi() -> Iterator[tuple[WSGIServer, Bodies]]:
    app = Bodies()
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server, app
        server.shutdown()
        thread.join()


def test_wsgiref(wsgi: tuple[WSGIServer, Bodies], path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, app = wsgi
    sent: list[int | None] = []
    plain = zcio.wsgi.file_wrapper.send

    def watched(self: Any, *arguments: Any) -> int | None:
        sent.append(plain(self, *arguments))
        return sent[-1]

    monkeypatch.setattr(zcio.wsgi.file_wrapper, "send", watched)
    opened: list[Any] = []

    def at(position: int) -> io.BufferedReader:
        file = path.open("rb")
        file.read(position)
        opened.append(file)
        return file

    app.make = lambda: at(0)
    assert get(server.server_port)[1] == DATA
    app.make, app.length = (lambda: at(10)), 100
    assert get(server.server_port)[1] == DATA[10:110]
    # What can only be iterated over.
    app.make, app.length = (lambda: io.BytesIO(DATA)), len(DATA)
    assert get(server.server_port)[1] == DATA
    # The server answers one after the other, and says so after its answer has come.
    assert sent[:2] == [len(DATA), 100]
    app.make, app.length = (lambda: at(0)), None
    assert get(server.server_port)[1] == DATA
    (path.parent / "packed").write_bytes(gzip.compress(DATA))
    app.make, app.length = (lambda: gzip.GzipFile(path.parent / "packed")), len(DATA)
    assert get(server.server_port)[1] == DATA
    assert [count for count in sent if count is not None] == [len(DATA), 100]
    assert all(file.closed for file in opened)


def test_the_wrapper_alone(path: Path) -> None:
    with path.open("rb") as file:
        wrapper = zcio.wsgi.file_wrapper(file, 1000)
        assert next(wrapper) == DATA[:1000]
        assert next(iter(wrapper)) == DATA[1000:2000]
        assert b"".join(wrapper) == DATA[2000:]
        assert next(wrapper, None) is None
        assert wrapper.close == file.close
    with tcp_pair() as (near, _):
        assert zcio.wsgi.file_wrapper(io.BytesIO(DATA)).send(near) is None
        with path.open("rb") as file:
            assert zcio.wsgi.file_wrapper(file).send(near, 5) == 5
            assert file.tell() == 5


def test_no_query_ends_the_header_of_a_redirect(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "index.html").write_bytes(DATA)
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        raise AssertionError

    for query, sent in (
        (b"a=b%20c&d=/?[e]", b"a=b%20c&d=/?[e]"),
        (b"a\r\nset-cookie: b\0\xff", b"a%0D%0Aset-cookie:%20b%00%FF"),
    ):
        scope = {"type": "http", "method": "GET", "headers": [], "path": "/folder", "query_string": query}
        asyncio.run(zcio.asgi.Files(tmp_path)(scope, receive, send))
        assert dict(messages[-2]["headers"])[b"location"] == b"/folder/?" + sent
