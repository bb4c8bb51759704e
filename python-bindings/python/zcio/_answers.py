"""The response to a request for a file, decided without looking at the file's bytes."""

import email.utils
import errno
import http
import mimetypes
import os
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from zcio._conditions import is_range_of_this, precondition
from zcio._ranges import Part, multipart, ranges

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]

# Names that no file can have.
_NO_NAME = {errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.ENXIO}
# What would end a header, and begin another one.
_CONTROL = re.compile(r"[\0\r\n]")


@dataclass(frozen=True, slots=True)
class Answer:
    """The status and the headers of a response, and its body: bytes, and parts of the file."""

    status: int
    headers: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]


def answer(
    path: str | os.PathLike[str],
    stat: os.stat_result,
    method: str,
    request: Mapping[str, str],
    headers: Headers,
    status: int = 200,
) -> Answer:
    """To a request with these headers (lower-case names, a repeated one joined by commas), for a file that was opened
    and asked for its facts.

    ``headers`` go before those that would be sent else, and conditions are about what is sent. With a ``status`` other
    than 200 the whole file is sent, whatever was asked for.
    """
    if method not in {"GET", "HEAD"}:
        return plain(405, method, {"allow": "GET, HEAD"})
    size = stat.st_size
    described = _described(path, stat, pairs(headers))
    facts = dict(described)
    etag, modified = facts["etag"], facts["last-modified"]

    def sent(status: int, parts: Iterable[Part], **more: str) -> Answer:
        parts = tuple(parts)
        more["content-length"] = str(sum(len(part.head) + part.count for part in parts))
        kept = [pair for pair in described if pair[0] not in more]
        return Answer(status, (*kept, *more.items()), parts if method == "GET" else ())

    whole = [Part(b"", 0, size)]
    if status != 200:
        return sent(status, whole)
    refused = precondition(request, etag, modified)
    if refused == 412:
        return plain(412, method)
    if refused == 304:
        # A response without a body has neither a type nor a length of one.
        return Answer(304, tuple(pair for pair in described if pair[0] != "content-type"), ())
    found = None
    if method == "GET" and "range" in request and is_range_of_this(request, etag, modified):
        found = ranges(request["range"], size)
    if found is None:
        return sent(200, whole)
    if not found:
        return plain(416, method, {"content-range": f"bytes */{size}", "accept-ranges": "bytes"})
    if len(found) == 1:
        offset, count = found[0]
        text = f"bytes {offset}-{offset + count - 1}/{size}"
        return sent(206, [Part(b"", offset, count)], **{"content-range": text})
    kind, parts = multipart(found, size, facts["content-type"])
    return sent(206, parts, **{"content-type": kind})


def plain(status: int, method: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
    """A response that is not the file."""
    found = {**(headers or {}), "content-length": str(len(body))}
    if body:
        found["content-type"] = "text/plain; charset=utf-8"
    return Answer(status, tuple(found.items()), (Part(body, 0, 0),) if body and method != "HEAD" else ())


def missing(error: OSError | ValueError, method: str) -> Answer | None:
    """The response for a file that could not be opened; None if that was the server's fault."""
    if isinstance(error, PermissionError):
        status = http.HTTPStatus.FORBIDDEN
    elif isinstance(error, ValueError | FileNotFoundError | NotADirectoryError | IsADirectoryError) or (
        error.errno in _NO_NAME
    ):
        status = http.HTTPStatus.NOT_FOUND
    else:
        return None
    return plain(status, method, body=status.phrase.encode())


def pairs(headers: Headers) -> list[tuple[str, str]]:
    """With lower-case names. ``ValueError`` for what is no header."""
    items = headers.items() if isinstance(headers, Mapping) else headers
    found = [(name.lower(), value) for name, value in items]
    for name, value in found:
        if _CONTROL.search(name + value):
            raise ValueError(f"a header is one line: {name!r}: {value!r}")
        value.encode("latin-1")
    return found


def disposition(filename: str, kind: str) -> str:
    """The value of Content-Disposition (RFC 6266)."""
    quoted = urllib.parse.quote(filename.encode("utf-8", "surrogateescape"))
    return f'{kind}; filename="{filename}"' if quoted == filename else f"{kind}; filename*=utf-8''{quoted}"


def content_type(path: str | os.PathLike[str]) -> str:
    """By the name; text is UTF-8, as Starlette says it. A compressed file has no encoding that a client should undo."""
    kind, encoding = mimetypes.guess_type(os.fspath(path))
    return "application/octet-stream" if encoding or kind is None else with_charset(kind)


def with_charset(kind: str, charset: str = "utf-8") -> str:
    """A content type, with the charset of one that is text and has none."""
    return f"{kind}; charset={charset}" if kind.startswith("text/") and "charset=" not in kind.lower() else kind


def _described(path: str | os.PathLike[str], stat: os.stat_result, own: list[tuple[str, str]]) -> list[tuple[str, str]]:
    usual = {
        "accept-ranges": "bytes",
        "content-type": content_type(path),
        "etag": f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"',
        "last-modified": email.utils.formatdate(stat.st_mtime, usegmt=True),
    }
    # The length is what is sent, whatever was said of it.
    own = [pair for pair in own if pair[0] not in {"content-length", "content-range", "transfer-encoding"}]
    named = {name for name, _ in own}
    return [*(pair for pair in usual.items() if pair[0] not in named), *own]
