"""The Python lane: one method behind the protocol that src/protocol.rs describes.

Usage: lane.py METHOD, one of loop, stdlib, zcio. It moves bytes exactly as a Python program would, counts them, and
times itself from `go` on; it must never do anything else in that time.
"""

from __future__ import annotations

import contextlib
import platform
import shutil
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

# The block of shutil.copyfileobj and of most programs' loops.
BLOCK = 64 << 10
# Large enough that its calls hardly count, small enough to stay in a cache: what a tuned loop would use.
LARGE_BLOCK = 256 << 10

Moved = tuple[int, str | None]
Method = Callable[["Job"], Moved]


class Job:
    """One job: its two ends, one of which may be a connection that is open before the clock starts."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.route = fields["route"]
        self.source = fields["source"]
        self.sink = fields["sink"]
        self.socket: socket.socket | None = None
        address = {"file_to_tcp": self.sink, "tcp_to_file": self.source}.get(self.route)
        if address is not None:
            host, _, port = address.rpartition(":")
            self.socket = socket.create_connection((host, int(port)))

    def connection(self) -> socket.socket:
        """The connection of a route that has one."""
        assert self.socket is not None
        return self.socket

    def finish(self) -> None:
        """Waits until a receiver has everything."""
        if self.route == "file_to_tcp":
            connection = self.connection()
            connection.shutdown(socket.SHUT_WR)
            if connection.recv(1):
                raise OSError("the receiver sent something")

    def close(self) -> None:
        """Closes the connection, if there is one."""
        if self.socket is not None:
            self.socket.close()


def loop(job: Job) -> Moved:
    """Reads a block and writes it, 64 KiB at a time."""
    moved = 0
    with contextlib.ExitStack() as stack:
        if job.route == "tcp_to_file":
            read: Callable[[int], bytes] = job.connection().recv
        else:
            read = stack.enter_context(open(job.source, "rb", buffering=0)).read
        if job.route == "file_to_tcp":
            write: Callable[[bytes], object] = job.connection().sendall
        else:
            # Buffered, so that every byte is written; blocks of this size go straight through.
            write = stack.enter_context(open(job.sink, "wb")).write
        while block := read(BLOCK):
            write(block)
            moved += len(block)
    return moved, None


def stdlib(job: Job) -> Moved:
    """The standard library's own best way on each route."""
    if job.route == "file_to_tcp":
        with open(job.source, "rb") as source:
            return job.connection().sendfile(source), None
    if job.route == "file_to_file":
        return Path(shutil.copyfile(job.source, job.sink)).stat().st_size, None
    moved = 0
    buffer = memoryview(bytearray(LARGE_BLOCK))
    receive = job.connection().recv_into
    with open(job.sink, "wb") as sink:
        while count := receive(buffer):
            sink.write(buffer[:count])
            moved += count
    return moved, None


def zero_copy() -> Method:
    """zcio; imported here, because the other methods must run without it."""
    import zcio

    def transfer(job: Job) -> Moved:
        source = job.connection() if job.route == "tcp_to_file" else job.source
        sink = job.connection() if job.route == "file_to_tcp" else job.sink
        report = zcio.transfer(source, sink)
        return report.bytes, str(report.mechanism)

    return transfer


def say(word: str, **fields: object) -> None:
    """Writes one line of the protocol."""
    print(word, *(f"{name}={value}" for name, value in fields.items()), sep="\t", flush=True)


def serve(method: Method) -> None:
    """Answers jobs until standard input ends."""
    while line := sys.stdin.readline():
        job = Job(dict(field.split("=", 1) for field in line.rstrip("\n").split("\t")[1:]))
        try:
            say("ready")
            sys.stdin.readline()
            start = time.perf_counter_ns()
            moved, mechanism = method(job)
            job.finish()
            wall = time.perf_counter_ns() - start
        finally:
            job.close()
        extra = {} if mechanism is None else {"mechanism": mechanism}
        say("done", bytes=moved, wall_ns=wall, **extra)


def main() -> None:
    """Greets and serves. Whatever goes wrong ends the lane with a message, as the protocol wants it."""
    try:
        methods = {"loop": lambda: loop, "stdlib": lambda: stdlib, "zcio": zero_copy}
        method = methods[sys.argv[1]]()
        say("hello", runtime=f"{platform.python_implementation()} {platform.python_version()}")
        serve(method)
    except KeyboardInterrupt:
        pass
    except Exception as error:
        say("failed", message=" ".join(f"{type(error).__name__}: {error}".split()))


if __name__ == "__main__":
    main()
