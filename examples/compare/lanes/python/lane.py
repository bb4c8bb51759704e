"""The Python lane: one method behind the protocol that src/protocol.rs describes.

Usage: lane.py METHOD, one of loop, stdlib, asyncio, uvloop, zcio. It moves bytes exactly as a Python program would, counts
them, and times itself from `go` on; it must never do anything else in that time.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable

import copying
import reading
import receiving
import sending
from job import Job, jobs, say

Serve = Callable[[Job], None]

# What a method that has no file of its own does on each route.
PLAIN = {
    "file_to_tcp": sending.file_to_tcp,
    "file_to_tcp_connections": sending.file_to_tcp,
    "tcp_to_file": receiving.tcp_to_file,
    "tcp_to_file_durable": receiving.tcp_to_file,
    "relay": receiving.relay,
    "file_to_file": copying.file_to_file,
    "file_to_file_xfs": copying.file_to_file,
    "file_to_file_tmpfs": copying.file_to_file,
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
    """The standard library's own best way, or the loop that most programs have."""
    return "", lambda job: PLAIN[job.route](job, method)


def event_loop(method: str) -> tuple[str, Serve]:
    """asyncio, on its own loop or on uvloop's."""
    from event_loop import serve, version

    return version(method), serve(method)


def zero_copy(method: str) -> tuple[str, Serve]:
    """zcio; imported here, because the other methods must run without it."""
    from zero_copy import serve

    return "", serve


METHODS = {"loop": plain, "stdlib": plain, "asyncio": event_loop, "uvloop": event_loop, "zcio": zero_copy}


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
