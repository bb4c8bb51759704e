"""Conditions of a request for a file (RFC 9110, section 13): its ETag and its date, as the response has them.

Nothing that a client can write in a header raises.
"""

import datetime
import email.utils
import re
from collections.abc import Mapping

_TAG = re.compile(r'(?:W/)?"[^"]*"|\*')


def precondition(request: Mapping[str, str], etag: str, modified: str) -> int | None:
    """412 or 304, if that is the answer, for a file with this ETag and date ("" for none)."""
    if "if-match" in request:
        if not _is_among(etag, request["if-match"], weak=False):
            return 412
    elif (wanted := _time(request.get("if-unmodified-since"))) is not None:
        changed = _time(modified)
        if changed is None or changed > wanted:
            return 412
    if "if-none-match" in request:
        return 304 if _is_among(etag, request["if-none-match"], weak=True) else None
    known, changed = _time(request.get("if-modified-since")), _time(modified)
    return 304 if known is not None and changed is not None and changed <= known else None


def is_range_of_this(request: Mapping[str, str], etag: str, modified: str) -> bool:
    """Whether If-Range, if it is there, names this version of the file: its strong ETag, or exactly its date."""
    condition = request.get("if-range")
    if condition is None:
        return True
    if condition.startswith(('"', "W/")):
        return condition == etag and not etag.startswith("W/")
    return _time(condition) is not None and condition == modified


def _is_among(etag: str, listed: str, *, weak: bool) -> bool:
    tags = _TAG.findall(listed)
    if "*" in tags:
        return True
    if weak:
        return bool(etag) and etag.removeprefix("W/") in {tag.removeprefix("W/") for tag in tags}
    return not etag.startswith("W/") and etag in tags


def _time(value: str | None) -> float | None:
    """Seconds since 1970; None for what is no date."""
    if not value or len(value) > 64:
        return None
    try:
        date = email.utils.parsedate_to_datetime(value)
        # What is given in an unknown zone is in UTC, as every date of HTTP.
        return (date if date.tzinfo else date.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError, AttributeError):
        return None
