"""A storm: threads close, reopen, seal, resize, fork and transfer at once, between files whose every page carries the
file's own tag.

    python storm.py SECONDS FORKS DIRECTORY

A byte of another file, a success for less, a file of others that has changed, a child that hangs, a descriptor, mapping
or thread that is left: each ends the program with an error. What is refused or ends with an error is right as long as
its count is.
"""

import contextlib
import errno
import faulthandler
import fcntl
import os
import random
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import zcio

PAGE = 4096
FILES = 24
# Above what a socket takes at once, so that a transfer is in its middle when its ends are taken away.
LARGE = 2 << 20
SIZES = (PAGE, 3 * PAGE, 100 * PAGE, LARGE)
# What a child may take; one that waits for a lock takes for ever.
PATIENCE = 60
# The mistakes that an end which was taken away may be answered with.
REFUSALS = (OSError, ValueError, BufferError)


def tagged(number: int, size: int) -> bytes:
    """Pages of which each says whose it is and which."""
    pages = range(size // PAGE)
    return b"".join((number.to_bytes(8, "little") + page.to_bytes(8, "little")) * (PAGE // 16) for page in pages)


class Storm:
    """The files, and what has been done with them."""

    def __init__(self, directory: Path, seconds: float, forks: int) -> None:
        self.directory = directory
        self.until = time.monotonic() + seconds
        self.forks = forks
        self.contents = [tagged(number, SIZES[number % len(SIZES)]) for number in range(FILES)]
        self.paths = [directory / f"file-{number}" for number in range(FILES)]
        for path, data in zip(self.paths, self.contents, strict=True):
            path.write_bytes(data)
        self.done: Counter[str] = Counter()
        self.failures: list[str] = []
        self.counting = threading.Lock()

    def goes_on(self) -> bool:
        with self.counting:
            return not self.failures and (time.monotonic() < self.until or self.forks > 0)

    def fail(self, message: str) -> None:
        with self.counting:
            self.failures.append(message)

    def count(self, what: str) -> None:
        with self.counting:
            self.done[what] += 1


class Sink:
    """A stream, and a thread behind it that reads the beginning, lets something happen, and reads the rest."""

    def __init__(self, kind: str, meanwhile: Callable[[], None]) -> None:
        self.received = bytearray()
        self.meanwhile = meanwhile
        if kind == "pipe":
            self.far, self.near = os.pipe()
        else:
            far, near = tcp() if kind == "tcp" else socket.socketpair()
            self.far, self.near = far.detach(), near.detach()
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        first = True
        while data := os.read(self.far, 1 << 16):
            self.received += data
            if first:
                self.meanwhile()
                first = False

    def __enter__(self) -> "Sink":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.near)
        self.thread.join()
        os.close(self.far)


def tcp() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        return server.accept()[0], near


@contextlib.contextmanager
def source(storm: Storm, number: int, kind: str) -> Iterator[tuple[object, Callable[[], None]]]:
    """A file as an end of that kind, and what takes it away."""
    path, data = storm.paths[number], storm.contents[number]
    others: list[int] = []

    def reuse() -> None:
        # Whatever number has become free now means one of these.
        for other in random.sample(storm.paths, 6):
            others.append(os.open(other, os.O_RDWR))

    def close(end: object) -> None:
        with contextlib.suppress(*REFUSALS):
            if isinstance(end, int):
                os.close(end)
            elif isinstance(end, zcio.Region):
                end.close(strict=False)
            else:
                end.close()  # type: ignore[attr-defined]
        reuse()

    end: object
    if kind == "path":
        yield path, reuse
    elif kind in {"raw", "buffered"}:
        end = path.open("rb", buffering=0) if kind == "raw" else path.open("rb")
        yield end, lambda: close(end)
        end.close()
    elif kind == "number":
        end = os.open(path, os.O_RDONLY)
        # Only here is it known whether the number is still ours.
        taken = threading.Event()

        def take() -> None:
            taken.set()
            close(end)

        yield end, take
        if not taken.is_set():
            os.close(end)
    elif kind == "bytearray":
        end = bytearray(data)

        def shrink() -> None:
            with contextlib.suppress(BufferError):
                end.clear()
            reuse()

        yield end, shrink
    else:
        if kind == "shared":
            region: zcio.Region = zcio.SharedRegion.create(len(data))
            region.write(data)
        elif kind == "anonymous":
            region = zcio.Region.anonymous(len(data))
            region.write(data)
        else:
            region = zcio.Region.open(path)

        def disturb() -> None:
            if random.random() < 0.3:
                with contextlib.suppress(*REFUSALS):
                    region.resize(PAGE)
            close(region)

        yield memoryview(region) if kind == "view" else region, disturb
        with contextlib.suppress(BufferError):
            region.close()
    for fd in others:
        os.close(fd)


SOURCES = ("path", "raw", "buffered", "number", "bytearray", "region", "view", "anonymous", "shared")
SINKS = ("unix", "tcp", "pipe")


def send(storm: Storm) -> None:
    """A file to a stream; the file is taken away in the middle."""
    number, kind, to = random.randrange(FILES), random.choice(SOURCES), random.choice(SINKS)
    data = storm.contents[number]
    keywords: dict[str, int] = {}
    if random.random() < 0.3 and kind not in {"bytearray", "region", "view", "anonymous", "shared"}:
        keywords = {"offset": 0, "count": min(len(data), 4 * PAGE)}
        data = data[: keywords["count"]]
    ended = ""
    with source(storm, number, kind) as (end, take), Sink(to, take) as sink:
        try:
            told = zcio.transfer(end, sink.near, **keywords).bytes  # type: ignore[arg-type]
            whole = True
        except zcio.TransferError as error:
            told, whole, ended = error.moved, False, repr(error)
        except REFUSALS as error:
            # What was refused has moved nothing; what was raised when all was done says how much.
            told, whole, ended = getattr(error, "moved", 0), False, repr(error)
    received = bytes(sink.received)
    what = f"{kind} -> {to}: {told} of {len(data)} bytes told, {len(received)} received{ended}"
    if received != data[: len(received)]:
        storm.fail(f"foreign bytes: {what}")
    elif len(received) != told or (whole and received != data):
        storm.fail(f"a wrong count: {what}")
    storm.count(f"{kind} -> {to}" + ("" if whole else " (ended)"))


def store(storm: Storm) -> None:
    """A stream into a file, whose number is given to another file in the middle: that one must not change."""
    number, kind = random.randrange(FILES), random.choice(("raw", "buffered", "number"))
    data = storm.contents[number]
    path = storm.directory / f"sink-{threading.get_ident()}"
    near, far = socket.socketpair()
    others: list[int] = []
    end: object = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    if kind != "number":
        end = os.fdopen(end, "r+b", buffering=0 if kind == "raw" else -1)  # type: ignore[call-overload]

    def feed() -> None:
        with far:
            far.sendall(data[: len(data) // 2])
            # A number that is closed before anybody has looked at it is the caller's mistake.
            while path.stat().st_size == 0 and not over.is_set():
                time.sleep(0.001)
            with contextlib.suppress(OSError):
                os.close(end) if isinstance(end, int) else end.close()  # type: ignore[attr-defined]
            others.extend(os.open(other, os.O_RDWR) for other in random.sample(storm.paths, 6))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                far.sendall(data[len(data) // 2 :])

    over = threading.Event()
    thread = threading.Thread(target=feed)
    with near:
        thread.start()
        try:
            told = zcio.transfer(near, end).bytes  # type: ignore[arg-type]
            whole = True
        except zcio.TransferError as error:
            told, whole = error.moved, False
        except REFUSALS:
            told, whole = 0, False
    over.set()
    thread.join()
    for fd in others:
        os.close(fd)
    written = path.read_bytes()
    if written != data[: len(written)] or len(written) != told or (whole and written != data):
        storm.fail(f"socket -> {kind}: {told} of {len(data)} bytes told, {len(written)} written")
    storm.count(f"socket -> {kind}" + ("" if whole else " (ended)"))


def duplicate(storm: Storm) -> None:
    """A copy by name, which must be the file."""
    number = random.randrange(FILES)
    path = storm.directory / f"copy-{threading.get_ident()}"
    zcio.copy(storm.paths[number], path, replace=random.random() < 0.5)
    if path.read_bytes() != storm.contents[number]:
        storm.fail("a copy is not its source")
    path.unlink()
    storm.count("copy")


def seal(storm: Storm) -> None:
    """Shared memory that is sealed, or refuses it, while another thread transfers out of it."""
    number, kind = random.randrange(FILES), random.choice(SINKS)
    data = storm.contents[number]
    region = zcio.SharedRegion.create(len(data))
    region.write(data)

    def shut() -> None:
        with contextlib.suppress(*REFUSALS):
            region.seal()

    with Sink(kind, shut) as sink:
        told = zcio.transfer(region, sink.near).bytes
    if bytes(sink.received) != data or told != len(data):
        storm.fail(f"sealed meanwhile: {told} of {len(data)} bytes told, {len(sink.received)} received")
    region.close()
    storm.count("seal")


def in_child(storm: Storm) -> None:
    """What a child does with zcio: everything that a lock of its parent could stop."""
    number = random.randrange(FILES)
    data = storm.contents[number][:PAGE]
    with zcio.Region.open(storm.paths[number]) as region:
        assert region.read(0, PAGE) == data
    with zcio.SharedRegion.create(PAGE) as shared:
        shared.write(data)
    near, far = socket.socketpair()
    with near, far:
        for end in (near, far):
            end.setblocking(random.random() < 0.5)
        assert zcio.transfer(memoryview(data), near).bytes == len(data)
        assert far.recv(PAGE) == data
        with storm.paths[number].open("rb") as file:
            assert zcio.transfer(file, near, count=PAGE).bytes == PAGE
        assert far.recv(PAGE) == data


def fork(storm: Storm) -> None:
    """A child of a process whose other threads may hold any lock."""
    with storm.counting:
        if storm.forks > 0:
            storm.forks -= 1
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE)
        try:
            in_child(storm)
            os._exit(0)
        except BaseException as error:
            os.write(2, f"in a child: {error!r}\n".encode())
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        storm.fail("a child hangs")
    elif status != 0:
        storm.fail(f"a child ended with status {status}")
    storm.count("fork")


def locks(storm: Storm) -> None:
    """A POSIX lock of this process stays, whatever is transferred from or to its file meanwhile."""
    path = storm.directory / "locked"
    with path.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        with Sink(random.choice(SINKS), lambda: None) as sink:
            kind = random.choice(("number", "object"))
            zcio.transfer(file.fileno() if kind == "number" else file, sink.near, offset=0)
        # Another process would find it free if it had been dropped.
        child = os.fork()
        if child == 0:
            try:
                with path.open("r+b") as again:
                    fcntl.lockf(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os._exit(1)
            except OSError as error:
                os._exit(0 if error.errno in {errno.EACCES, errno.EAGAIN} else 2)
        if os.waitpid(child, 0)[1] != 0:
            storm.fail(f"a POSIX lock was dropped by a transfer from a {kind}")
        fcntl.lockf(file, fcntl.LOCK_UN)
    storm.count("lock")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def mappings(directory: Path) -> int:
    return Path("/proc/self/maps").read_text().count(str(directory)) + Path("/proc/self/maps").read_text().count(
        "memfd:"
    )


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def warm(storm: Storm) -> None:
    """What is made once and kept (rings, pipes, threads that wait for work) is there before anything is counted."""
    for _ in range(3):
        for act in (send, store, duplicate, seal, locks):
            act(storm)


ACTS = (send, send, send, store, duplicate, seal, fork)


def settled(count: Callable[[], int], before: int) -> bool:
    """Whether a count is what it was, or becomes so: a thread that has told its result may still be about to end."""
    limit = time.monotonic() + 30
    while count() > before and time.monotonic() < limit:
        time.sleep(0.05)
    return count() <= before


def main() -> None:
    seconds, forks, directory = float(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    faulthandler.enable()
    faulthandler.dump_traceback_later(seconds * 3 + 300, exit=True)
    storm = Storm(directory, seconds, forks)
    (directory / "locked").write_bytes(storm.contents[1])
    warm(storm)
    before = (descriptors(), mappings(directory), threads())

    def rage(act: Callable[[Storm], None] | None) -> None:
        while storm.goes_on():
            try:
                (act or random.choice(ACTS))(storm)
            except BaseException as error:
                import traceback

                storm.fail(f"{error!r}\n{traceback.format_exc()}")

    # Of locks one at a time: they are the process's.
    acts: list[Callable[[Storm], None] | None] = [None, None, None, None, fork, locks]
    workers = [threading.Thread(target=rage, args=(act,)) for act in acts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for path, data in zip(storm.paths, storm.contents, strict=True):
        if path.read_bytes() != data:
            storm.fail(f"{path.name} has changed")
    # Threads that wait for work are as many as were at work at once.
    for name, count, allowed in (
        ("descriptors", descriptors, before[0] + 32),
        ("mappings", lambda: mappings(directory), before[1]),
        ("threads", threads, before[2] + len(workers)),
    ):
        if not settled(count, allowed):
            storm.fail(f"{name} are left: {count()}, {allowed} allowed")
    print(dict(sorted(storm.done.items())))
    for failure in storm.failures:
        print(failure, file=sys.stderr)
    sys.exit(bool(storm.failures))


if __name__ == "__main__":
    main()
