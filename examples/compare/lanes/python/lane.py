"""The Python lane: one method behind the protocol that src/protocol.rs describes.

Usage: lane.py METHOD, one of the names in METHODS. It moves bytes exactly as a Python program would,
counts them, and times itself from `go` on; it must never do anything else in that time.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from functools import partial

import copying
import reading
import receiving
import sending
from job import Job, jobs, say

Serve = Callable[[Job], None]

COPIES = ("file_to_file", "file_to_file_xfs", "file_to_file_tmpfs")

# The loop that most programs have.
LOOP: dict[str, Serve] = {
    "file_to_tcp": partial(sending.file_to_tcp, send=sending.send_by_loop),
    "tcp_to_file": partial(receiving.tcp_to_file, receive=receiving.receive_by_loop),
    **dict.fromkeys(COPIES, partial(copying.file_to_file, copy=copying.copy_by_loop)),
}

# The standard library's own best way.
LIBRARY: dict[str, Serve] = {
    "file_to_tcp": partial(sending.file_to_tcp, send=sending.send_by_library),
    "file_to_tcp_connections": partial(sending.file_to_tcp, send=sending.send_by_library),
    "tcp_to_file": partial(receiving.tcp_to_file, receive=receiving.receive_into),
    "tcp_to_file_durable": partial(receiving.tcp_to_file, receive=receiving.receive_into),
    "relay": receiving.relay,
    **dict.fromkeys(COPIES, partial(copying.file_to_file, copy=copying.copy_by_library)),
    "file_to_pipe": sending.file_to_pipe,
    "small_files": sending.small_files,
    "small_ranges": sending.small_ranges,
    "mapped_scan": reading.scan,
    "map_close": reading.map_close,
    "random_read": reading.random,
    "random_read_direct": reading.random,
    "hand_over": reading.hand_over,
}


def plain(method: str) -> tuple[str, Serve]:
    """Nothing but the standard library."""
    routes = LOOP if method == "loop" else LIBRARY
    return "", lambda job: routes[job.route](job)


def event_loop(method: str) -> tuple[str, Serve]:
    """asyncio, on its own loop or on uvloop's."""
    from event_loop import serve, version

    return version(method), serve(method)


def zero_copy(method: str) -> tuple[str, Serve]:
    """zcio; imported here, because the other methods must run without it."""
    from zero_copy import serve

    return "", serve(method)


def arrays(method: str) -> tuple[str, Serve]:
    """numpy, on its own mapping or on zcio's."""
    from arrays import serve

    return "", serve(method)


def control(_: str) -> tuple[str, Serve]:
    """What the others are measured against."""
    return "", lambda job: (arrays("numpy")[1] if job.route == "mapped_sum" else LIBRARY[job.route])(job)


METHODS = {
    "control": control,
    "loop": plain,
    "stdlib": plain,
    "asyncio": event_loop,
    "uvloop": event_loop,
    "zcio": zero_copy,
    "zcio_copy": zero_copy,
    "zcio_direct": zero_copy,
    "zcio_each": zero_copy,
    "zcio_reads": zero_copy,
    "zcio_aio": event_loop,
    "numpy": arrays,
    "zcio_numpy": arrays,
}


def main() -> None:
    """Greets and serves. Whatever goes wrong ends the lane with a message, as the protocol wants it."""
    try:
        name = sys.argv[1]
        library, serve = METHODS[name](name)
        say("hello", runtime=library or f"{platform.python_implementation()} {platform.python_version()}")
        for job in jobs():
            serve(job)
    except KeyboardInterrupt:
        pass
    except Exception as error:
        say("failed", message=" ".join(f"{type(error).__name__}: {error}".split()))


if __name__ == "__main__":
    main()
