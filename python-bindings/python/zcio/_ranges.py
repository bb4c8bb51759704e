"""What a request for a file asks for: conditions and ranges (RFC 9110), decided without looking at the file's bytes."""

import email.utils
import mimetypes
import os
from collections.abc import Mapping
from dataclasses import dataclass

# As in other servers: many tiny ranges are an attack, not a wish.
_MOST_RANGES = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """The status and the headers of a response, and which parts of the file are its body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    offset: int
    count: int
    """Bytes of the body, 0 for a response without one."""


def answer(
    path: str | os.PathLike[str],
    stat: os.stat_result,
    method: str,
    request: Mapping[str, str],
    headers: Mapping[str, str],
) -> Answer:
    """The response to a request with these headers (lower-case names) for a file that was opened and asked for its
    facts.

    More than one range is answered with the whole file, as RFC 9110 allows; overlapping or unsorted ones are what
    attackers send, and a whole file is what every client understands.
    """
    size = stat.st_size
    modified = email.utils.formatdate(stat.st_mtime, usegmt=True)
    etag = f'"{stat.st_mtime_ns:x}-{size:x}"'
    common = {"accept-ranges": "bytes", "etag": etag, "last-modified": modified, **headers}
    if method not in {"GET", "HEAD"}:
        return Answer(405, (("allow", "GET, HEAD"), ("content-length", "0")), 0, 0)
    if _is_changed_without_leave(request, etag, stat):
        return Answer(412, (("content-length", "0"),), 0, 0)
    if _is_known(request, etag, stat):
        # A response without a body has no length of one.
        return Answer(304, tuple(common.items()), 0, 0)
    if "content-type" not in common:
        kind, encoding = mimetypes.guess_type(path)
        common["content-type"] = "application/octet-stream" if encoding or kind is None else kind
    wanted = _range(request, size, etag, stat) if method == "GET" else None
    if wanted is None:
        offset, count, status = 0, size, 200
    elif wanted == (0, 0):
        length = {"content-range": f"bytes */{size}", "content-length": "0"}
        return Answer(416, tuple({**common, **length}.items()), 0, 0)
    else:
        (offset, count), status = wanted, 206
        common["content-range"] = f"bytes {offset}-{offset + count - 1}/{size}"
    common["content-length"] = str(count)
    return Answer(status, tuple(common.items()), offset, count if method == "GET" else 0)


def _tags(value: str) -> set[str]:
    return {tag.strip() for tag in value.split(",")}


def _is_later(stat: os.stat_result, value: str) -> bool:
    """Whether the file was changed after that date; True for what is no date."""
    try:
        return int(stat.st_mtime) > email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return True


def _is_changed_without_leave(request: Mapping[str, str], etag: str, stat: os.stat_result) -> bool:
    if "if-match" in request:
        return not _tags(request["if-match"]) & {"*", etag}
    return (
        "if-unmodified-since" in request
        and _is_date(request["if-unmodified-since"])
        and _is_later(stat, request["if-unmodified-since"])
    )


def _is_date(value: str) -> bool:
    try:
        email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return False
    return True


def _is_known(request: Mapping[str, str], etag: str, stat: os.stat_result) -> bool:
    if "if-none-match" in request:
        weak = {tag.removeprefix("W/") for tag in _tags(request["if-none-match"])}
        return bool(weak & {"*", etag})
    return "if-modified-since" in request and not _is_later(stat, request["if-modified-since"])


def _range(request: Mapping[str, str], size: int, etag: str, stat: os.stat_result) -> tuple[int, int] | None:
    """Offset and count; None for the whole file, (0, 0) if no part of it was asked for."""
    unit, _, value = request.get("range", "").partition("=")
    if unit.strip().lower() != "bytes":
        return None
    condition = request.get("if-range")
    if condition is not None:
        # A date must be exactly that of the file.
        same = condition == etag or (
            _is_date(condition) and condition == email.utils.formatdate(stat.st_mtime, usegmt=True)
        )
        if not same:
            return None
    parts = [part.strip() for part in value.split(",") if part.strip()]
    found = []
    for part in parts[: _MOST_RANGES + 1]:
        first, dash, last = part.partition("-")
        # Digits only: int() takes more than that.
        if not dash or not all(text == "" or (text.isascii() and text.isdigit()) for text in (first, last)):
            return None
        if first:
            start, end = int(first), min(int(last), size - 1) if last else size - 1
            if last and int(last) < start:
                return None
        elif last:
            start, end = max(size - int(last), 0), size - 1
            if int(last) == 0:
                start = size
        else:
            return None
        if start < size:
            found.append((start, end - start + 1))
    if not parts:
        return None
    if not found:
        return 0, 0
    return found[0] if len(parts) == 1 else None
