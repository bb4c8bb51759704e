"""Odd requests to zcio.asgi, clients that leave, and a folder."""

import asyncio
import email.utils
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zcio.asgi
from asgi_requests import Answer, ask, never
from loops import Library
from support import content

DATA = content(700_001)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "page.html"
    found.write_bytes(DATA)
    return found


def parts_of(answer: Answer) -> list[tuple[str, bytes]]:
    boundary = re.fullmatch("multipart/byteranges; boundary=(.*)", answer.headers["content-type"])
    assert boundary
    assert answer.headers["content-length"] == str(len(answer.body))
    between = b"\r\n--" + boundary.group(1).encode()
    first, *parts, last = (b"\r\n" + answer.body).split(between)
    assert (first, last) == (b"", b"--")
    found = []
    for part in parts:
        head, _, body = part.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert lines[1] == "Content-Type: text/html; charset=utf-8"
        found.append((lines[2].removeprefix("Content-Range: bytes "), body))
    return found


@pytest.mark.parametrize("extension", ["none", "http.response.zerocopysend", "http.response.pathsend"])
def test_several_ranges(extension: str, path: Path) -> None:
    app = zcio.asgi.FileResponse(path)
    extensions: dict[str, Any] = {extension: {}}
    answer = ask(app, headers=[("range", "bytes=5-9, -3,900000-,100-400000")], extensions=extensions)
    assert answer.status == 206
    assert parts_of(answer) == [
        ("5-9/700001", DATA[5:10]),
        ("699998-700000/700001", DATA[-3:]),
        ("100-400000/700001", DATA[100:400_001]),
    ]
    # One of them is there: an answer with one.
    one = ask(app, headers=[("range", "bytes=900000-,0-9")])
    assert (one.status, one.headers["content-range"], one.body) == (206, "bytes 0-9/700001", DATA[:10])


def test_conditions_are_about_what_was_sent(path: Path) -> None:
    date = email.utils.formatdate(1_000_000_000, usegmt=True)
    app = zcio.asgi.FileResponse(path, headers={"ETag": '"mine, too"', "Last-Modified": date})
    assert ask(app).headers["etag"] == '"mine, too"'
    for name, value, status in [
        ("if-none-match", '"a", "mine, too"', 304),
        ("if-none-match", '"mine"', 200),
        ("if-match", '"mine, too"', 200),
        ("if-match", '"other"', 412),
        ("if-modified-since", date, 304),
        ("if-unmodified-since", date, 200),
        ("if-modified-since", email.utils.formatdate(999_999_999, usegmt=True), 200),
    ]:
        assert ask(app, headers=[(name, value)]).status == status, (name, value)
    for condition, status in [('"mine, too"', 206), (date, 206), ('"other"', 200), ("Sunday", 200)]:
        assert ask(app, headers=[("range", "bytes=0-9"), ("if-range", condition)]).status == status
    # A weak one says nothing of bytes.
    weak = zcio.asgi.FileResponse(path, headers={"etag": 'W/"1"'})
    assert ask(weak, headers=[("if-none-match", 'W/"1"')]).status == 304
    assert ask(weak, headers=[("if-match", 'W/"1"')]).status == 412
    assert ask(weak, headers=[("range", "bytes=0-9"), ("if-range", 'W/"1"')]).status == 200


def test_headers(path: Path) -> None:
    many = [("Set-Cookie", "a"), ("set-cookie", "b"), ("Content-Type", "text/x"), ("Content-Length", "3")]
    answer = ask(zcio.asgi.FileResponse(path, headers=many))
    assert [value for name, value in answer.raw if name == b"set-cookie"] == [b"a", b"b"]
    assert [value for name, value in answer.raw if name == b"content-type"] == [b"text/x"]
    assert [value for name, value in answer.raw if name == b"content-length"] == [b"700001"]
    for filename, value in [
        ("a.txt", 'attachment; filename="a.txt"'),
        ('a"\r\nb', "attachment; filename*=utf-8''a%22%0D%0Ab"),
        ("ä", "attachment; filename*=utf-8''%C3%A4"),
        ("\udc80", "attachment; filename*=utf-8''%80"),
    ]:
        assert ask(zcio.asgi.FileResponse(path, filename=filename)).headers["content-disposition"] == value
    for name, text in [("x", "a\r\nb: c"), ("x\n", "a"), ("x", "\u20ac")]:
        with pytest.raises(ValueError, match=r"one line|latin-1"):
            ask(zcio.asgi.FileResponse(path, headers={name: text}))
    assert ask(zcio.asgi.FileResponse(path, status_code=404), headers=[("range", "bytes=0-0")]).body == DATA


def test_no_header_of_a_request_raises(path: Path) -> None:
    path.write_bytes(DATA[:1000])
    app = zcio.asgi.FileResponse(path)
    chance = random.Random(1)
    names = ["range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"]
    etag = ask(app).headers["etag"]
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    pieces = [
        "bytes",
        "=",
        "-",
        ",",
        "0",
        "9" * 30,
        "9" * 5000,
        etag,
        'W/"',
        '"',
        "*",
        "\xff",
        "\x00",
        " ",
        date,
        "+9999",
    ]
    pieces += [
        "-0000",
        "99999",
        "GMT",
        "Feb",
        "31",
        ":",
        "1",
        "\xb2",
        "/",
        "bytes=0-",
        "Sun, 99 Foo 99999 99:99:99 -9999",
    ]

    async def all_of_them() -> None:
        for _ in range(10_000):
            value = "".join(chance.choices(pieces, k=chance.randrange(8)))
            raw = [(chance.choice(names).encode(), value.encode("latin-1")) for _ in range(chance.randrange(1, 3))]
            answer = Answer()
            scope = {"type": "http", "method": "GET", "headers": raw, "extensions": {"http.response.pathsend": {}}}
            await app(scope, never, answer.send)
            assert answer.status in {200, 206, 304, 412, 416}, raw

    asyncio.run(all_of_them())


class Leaving:
    """A server whose client leaves after some bytes."""

    def __init__(self, library: Library, after: int) -> None:
        self.library, self.after = library, after
        self.sent = 0
        self.has_left = False

    async def receive(self) -> Any:
        while not self.has_left:
            await self.library.sleep(0.001)
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent += len(message.get("body", b""))
        self.has_left = self.sent > self.after
        # As a server, which lets others run in the midst of writing.
        await self.library.sleep(0.005 if self.has_left else 0)


@pytest.mark.parametrize("value", [None, "bytes=0-99,100-199,200-"])
def test_a_client_that_leaves(library: Library, value: str | None, tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(100 << 20)
    server = Leaving(library, 1 << 20)

    async def main() -> None:
        headers = [] if value is None else [(b"range", value.encode())]
        scope = {"type": "http", "method": "GET", "headers": headers}
        await zcio.asgi.send_file(large, scope, server.receive, server.send)

    library.run(main)
    assert server.after < server.sent <= server.after + (1 << 20)


def test_a_file_that_becomes_shorter(library: Library, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(1 << 20))

    async def main() -> None:
        async def send(_: Any) -> None:
            os.truncate(large, 10)

        async def receive() -> Any:
            await library.sleep(1000)

        with pytest.raises(EOFError, match="shorter"):
            await zcio.asgi.send_file(large, {"type": "http", "method": "GET", "headers": []}, receive, send)

    library.run(main)


def test_what_may_not_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(error: OSError) -> Callable[..., Any]:
        def opening(*_: Any, **__: Any) -> Any:
            raise error

        return opening

    monkeypatch.setattr(os, "open", raising(PermissionError(13, "denied")))
    assert ask(zcio.asgi.FileResponse(path)).status == 403
    monkeypatch.setattr(os, "open", raising(OSError(24, "Too many open files")))
    with pytest.raises(OSError, match="Too many"):
        ask(zcio.asgi.FileResponse(path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "www"
    (folder / "below" / "deep").mkdir(parents=True)
    (folder / "index.html").write_bytes(b"index")
    (folder / "below" / "a b.txt").write_bytes(b"text")
    (folder / "below" / "deep" / "index.html").write_bytes(b"deep")
    (folder / ".hidden").write_bytes(b"hidden")
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "way").symlink_to(tmp_path)
    os.mkfifo(folder / "fifo")
    return folder


def test_a_folder(folder: Path) -> None:
    app = zcio.asgi.Files(folder, cache_control="max-age=60")
    for target, body in [("/", b"index"), ("/below/a b.txt", b"text"), ("/below/deep/", b"deep"), ("", b"index")]:
        answer = ask(app, target)
        assert (answer.status, answer.body, answer.headers["cache-control"]) == (200, body, "max-age=60"), target
    for target in ["/below", "/below/deep"]:
        answer = ask(app, target, query_string=b"a=b")
        assert (answer.status, answer.headers["location"], answer.body) == (307, f"{target}/?a=b", b"")
    outside = [
        "/../secret",
        "/link",
        "/way/secret",
        "/below/../../secret",
        "//below/a b.txt",
        "/.hidden",
        "/./index.html",
    ]
    outside += [
        "/none",
        "/below/",
        "/fifo/",
        "/index.html/",
        "/\0",
        "/" + "x" * 300,
        "/\ud800",
        "//etc/passwd",
        "/below//deep",
    ]
    for target in outside:
        answer = ask(app, target)
        assert (answer.status, answer.body) == (404, b"Not Found"), target
    assert ask(app, "/static/below/a b.txt", root_path="/static").body == b"text"
    assert ask(app, "/below/a b.txt", root_path="/static").body == b"text"
    assert ask(app, "/", "HEAD").body == b""
    assert ask(app, "/none", "HEAD").body == b""
    assert ask(app, "/", "POST").status == 405
