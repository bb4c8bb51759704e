"""A job of the lanes' protocol, which src/protocol.rs describes, and the clock that starts at `go`."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# The block of shutil.copyfileobj and of most programs' loops.
BLOCK = 64 << 10
# Large enough that its calls hardly count, small enough to stay in a cache: what a tuned loop would use.
LARGE_BLOCK = 256 << 10


@dataclass
class Moved:
    """What was moved: bytes, zcio's name of the way, and what was seen where only the lane looks."""

    bytes: int
    mechanism: str | None = None
    digest: int | None = None


class Job:
    """The fields of one job."""

    def __init__(self, line: str) -> None:
        self.fields = dict(field.split("=", 1) for field in line.rstrip("\n").split("\t")[1:])
        self.route = self.fields["route"]
        self.source = self.fields["source"]
        self.sink = self.fields["sink"]

    def number(self, name: str) -> int:
        """A number; 1 if the job does not say."""
        return int(self.fields.get(name, 1))

    def timed(self, work: Callable[[], Moved]) -> None:
        """Says that everything is open, waits for `go`, and reports what the work moved and how long it took."""
        say("ready")
        if not sys.stdin.readline():
            raise EOFError("the requests ended before go")
        start = time.perf_counter_ns()
        moved = work()
        wall = time.perf_counter_ns() - start
        extra = {} if moved.mechanism is None else {"mechanism": moved.mechanism}
        if moved.digest is not None:
            extra["digest"] = str(moved.digest)
        say("done", bytes=moved.bytes, wall_ns=wall, **extra)


def say(word: str, **fields: object) -> None:
    """Writes one line of the protocol."""
    print(word, *(f"{name}={value}" for name, value in fields.items()), sep="\t", flush=True)


def jobs() -> Iterator[Job]:
    """Every job, until standard input ends."""
    while line := sys.stdin.readline():
        yield Job(line)


def connect(address: str) -> socket.socket:
    """A connection to `host:port`."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)))


def wait_for_receiver(connection: socket.socket) -> None:
    """Ends the sending side and waits until the receiver has everything."""
    connection.shutdown(socket.SHUT_WR)
    if connection.recv(1):
        raise OSError("the receiver sent something")
