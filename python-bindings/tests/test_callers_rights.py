"""A path means what it means to the thread that names it: its rights, its sandbox, its folder; and its signals
end a wait. Work with a file that was open is done by other threads, which have all of that from somebody else."""

import asyncio
import ctypes
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import zcio
import zcio.aio
from support import background, on_disk, skip

LIBC = ctypes.CDLL(None, use_errno=True)
NOBODY = 65534
Use = Callable[[str, IO[bytes]], object]


def only(report: Any) -> object:
    """What became of the one item; an exception is raised."""
    (item,) = report.items
    if isinstance(item, BaseException):
        raise item
    return item


PR_SET_DUMPABLE = 4

READS: dict[str, Use] = {
    "transfer": lambda path, file: zcio.transfer(path, file),
    "transfer of a part": lambda path, file: zcio.transfer(path, file, offset=0, count=5),
    "fan_out": lambda path, file: zcio.fan_out(path, [file]),
    "batch": lambda path, file: only(zcio.batch([(path, file)])),
    "batch by number": lambda path, file: only(zcio.batch([(path, file.fileno(), 0, 5)])),
}
WRITES: dict[str, Use] = {
    "transfer": lambda path, file: zcio.transfer(file, path, offset=0),
    "fan_out": lambda path, file: zcio.fan_out(file, [path], offset=0),
    "batch": lambda path, file: only(zcio.batch([(file, path)])),
}
USES = {f"{name} reads": use for name, use in READS.items()} | {f"{name} writes": use for name, use in WRITES.items()}
every_use = pytest.mark.parametrize("use", USES.values(), ids=USES)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[IO[bytes]]:
    """A file that is open for both; the other threads are there already."""
    (tmp_path / "open").write_bytes(b"mine!")
    with (tmp_path / "open").open("r+b", buffering=0) as file:
        zcio.transfer(file, tmp_path / "begun", offset=0)
        yield file


def in_thread(work: Callable[[], None]) -> None:
    """In a thread of its own, which may give up what it likes."""
    with background(work):
        pass
    # Who becomes another takes from others the right to look into the process and find its memory, for all threads.
    LIBC.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def give_up_files() -> None:
    """By Landlock: this thread opens no file any more."""
    LIBC.prctl(38, 1, 0, 0, 0)
    read_or_write = ctypes.create_string_buffer(struct.pack("Q", 1 << 1 | 1 << 2), 8)
    rules = LIBC.syscall(444, read_or_write, 8, 0)
    if rules < 0 or LIBC.syscall(446, rules, 0) != 0:
        skip(f"landlock_create_ruleset or landlock_restrict_self: {os.strerror(ctypes.get_errno())}")


def become_nobody() -> None:
    LIBC.setfsgid(NOBODY)
    LIBC.setfsuid(NOBODY)


def needs_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("setfsuid: only root can be somebody else")


@every_use
@pytest.mark.parametrize("give_up", [give_up_files, become_nobody])
def test_what_the_thread_may_not_open_stays_closed(
    use: Use, give_up: Callable[[], None], tmp_path: Path, file: IO[bytes]
) -> None:
    if give_up is become_nobody:
        needs_root()
    secret = tmp_path / "secret"
    secret.write_bytes(b"top secret")
    secret.chmod(0o600)

    def work() -> None:
        give_up()
        with pytest.raises(PermissionError):
            secret.open("rb")
        with pytest.raises(PermissionError) as raised:
            use(str(secret), file)
        assert raised.value.filename == str(secret)

    in_thread(work)
    assert secret.read_bytes() == b"top secret"
    assert (tmp_path / "open").read_bytes() == b"mine!"


@every_use
def test_a_name_is_looked_up_in_the_folder_of_the_thread(use: Use, tmp_path: Path, file: IO[bytes]) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        (folder / "name").write_bytes(folder.name.encode())

    def work() -> None:
        if LIBC.unshare(0x200) != 0:
            skip(f"unshare(CLONE_FS): {os.strerror(ctypes.get_errno())}")
        os.chdir(there)
        use("name", file)

    before = Path.cwd()
    os.chdir(here)
    try:
        in_thread(work)
    finally:
        os.chdir(before)
    assert (here / "name").read_bytes() == b"here"
    both = {(there / "name").read_bytes(), (tmp_path / "open").read_bytes()}
    assert both == ({b"mine!"} if use in WRITES.values() else {b"there"})


@pytest.mark.parametrize("use", WRITES.values(), ids=WRITES)
def test_a_new_file_is_the_threads(use: Use, tmp_path: Path, file: IO[bytes]) -> None:
    needs_root()
    folder = tmp_path / "for all"
    folder.mkdir()
    folder.chmod(0o777)
    tmp_path.chmod(0o755)
    for parent in (tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)
    (tmp_path / "open").chmod(0o666)

    def work() -> None:
        become_nobody()
        use(str(folder / "new"), file)

    in_thread(work)
    assert (folder / "new").read_bytes() == b"mine!"
    assert (folder / "new").stat().st_uid == NOBODY


LATER = """
import ctypes, os, socket, sys, threading, zcio  # socket: the thread could not read it
folder = sys.argv[1]
file = open(os.path.join(folder, "open"), "rb", buffering=0)
def work():
    libc = ctypes.CDLL(None)
    libc.setfsgid(65534)
    libc.setfsuid(65534)
    zcio.transfer(file, "/dev/null", offset=0)
thread = threading.Thread(target=work)
thread.start()
thread.join()
for mechanism in ("auto", "direct_io"):
    new = os.path.join(folder, mechanism)
    assert zcio.transfer(file, new, offset=0, mechanism=mechanism).bytes == 5
    assert os.stat(new).st_uid == 0
    assert zcio.batch([(file, new), (new, open(os.path.join(folder, "open"), "r+b"))]).items[1].bytes == 5
"""


def test_a_thread_that_gave_up_its_rights_gives_up_nobody_elses(tmp_path: Path) -> None:
    """Even if it was the first."""
    needs_root()
    on_disk(tmp_path)
    (tmp_path / "open").write_bytes(b"mine!")
    (tmp_path / "open").chmod(0o600)
    subprocess.run([sys.executable, "-c", LATER, tmp_path], check=True)


LEASE = """
import fcntl, os, signal, sys, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
file = os.open(sys.argv[1], os.O_RDWR)
try:
    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
except OSError as error:
    print(error, flush=True)
else:
    print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def leased(tmp_path: Path) -> Iterator[Path]:
    """A file that another process has to let go of first, and does not."""
    path = tmp_path / "leased"
    path.write_bytes(b"theirs")
    command = [sys.executable, "-c", LEASE, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        answer = holder.stdout.readline().strip()
        if answer != "held":
            holder.kill()
            skip(f"fcntl(F_SETLEASE): {answer}")
        yield path
        holder.kill()


@every_use
def test_a_signal_handler_ends_an_open_that_waits(use: Use, leased: Path, file: IO[bytes]) -> None:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    # Again and again, because the first one may come before the wait.
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    ended: BaseException | None = None
    try:
        use(str(leased), file)
    except KeyboardInterrupt as error:
        ended = error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert ended is not None
    assert leased.stat().st_size == len(b"theirs")


BLOCKED = """
import os, signal, sys, zcio
folder = sys.argv[1]
with open(os.path.join(folder, "open"), "rb") as file:
    zcio.transfer(file, os.path.join(folder, "new"))
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.kill(os.getpid(), signal.SIGTERM)
assert signal.sigwait({signal.SIGTERM}) == signal.SIGTERM
"""


def test_a_signal_that_the_program_blocks_stays_blocked(tmp_path: Path) -> None:
    (tmp_path / "open").write_bytes(b"mine!")
    subprocess.run([sys.executable, "-c", BLOCKED, tmp_path], check=True)


def test_an_event_loop_names_and_forgets_new_files(tmp_path: Path, file: IO[bytes]) -> None:
    """Of a path and of many, beside a file that was open; what is refused leaves no name."""
    names = [tmp_path / name for name in ("one", "two", "three")]

    async def main() -> None:
        await zcio.aio.transfer(file, names[0], offset=0)
        await zcio.aio.fan_out(file, names[1:], offset=0)
        with pytest.raises(OSError, match="vmsplice"):
            await zcio.aio.transfer(file, tmp_path / "none", mechanism="vmsplice")

    asyncio.run(main())
    for name in names:
        assert name.read_bytes() == b"mine!"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["begun", "one", "open", "three", "two"]
