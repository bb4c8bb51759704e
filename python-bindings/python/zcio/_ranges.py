"""Ranges of a request for a file (RFC 9110, section 14), and the parts of the response that has several."""

import re
import secrets
from dataclasses import dataclass

# As in other servers: many tiny ranges are an attack, not a wish.
_MOST = 16
# Digits only, which int() takes more than; and no more of them than a file can have.
_RANGE = re.compile(r"([0-9]{0,19})-([0-9]{0,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes to send as they are, and those of the file that follow them."""

    head: bytes
    offset: int
    count: int


def ranges(value: str, size: int) -> list[tuple[int, int]] | None:
    """Offset and count of each, in the order that was asked for; none if no part of the file was asked for. None for
    what is no list of ranges, or is one that asks for too much: the whole file is the answer."""
    unit, _, listed = value.partition("=")
    wanted = [part.strip() for part in listed.split(",") if part.strip()]
    if unit.strip().lower() != "bytes" or not 1 <= len(wanted) <= _MOST:
        return None
    found = []
    for part in wanted:
        match = _RANGE.fullmatch(part)
        if match is None or part == "-":
            return None
        first, last = match.groups()
        if first and last and int(last) < int(first):
            return None
        start = int(first) if first else max(size - int(last), 0)
        end = min(int(last), size - 1) if first and last else size - 1
        if start < size and (first or int(last)):
            found.append((start, end - start + 1))
    # What overlaps so much is larger than the file.
    return None if sum(count for _, count in found) > size else found


def multipart(found: list[tuple[int, int]], size: int, kind: str) -> tuple[str, tuple[Part, ...]]:
    """The content type of a response with these ranges, and its body."""
    # Every byte as Starlette has it.
    boundary = secrets.token_hex(13)
    parts = []
    before = ""
    for start, count in found:
        head = (
            f"{before}--{boundary}\r\nContent-Type: {kind}\r\n"
            f"Content-Range: bytes {start}-{start + count - 1}/{size}\r\n\r\n"
        )
        before = "\r\n"
        parts.append(Part(head.encode("latin-1"), start, count))
    parts.append(Part(f"\r\n--{boundary}--".encode(), 0, 0))
    return f"multipart/byteranges; boundary={boundary}", tuple(parts)
