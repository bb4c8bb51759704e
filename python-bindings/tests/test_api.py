"""The surface: names, types, the report, what a transfer costs the process, and that it lets others run."""

import inspect
import os
import pickle
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import pytest
import zcio
import zcio._zcio
from support import REPOSITORY, background, tcp_pair, unix_pair


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"0123456789")
    return path


def test_the_annotations_name_the_mechanisms_of_the_core() -> None:
    assert get_args(zcio.Mechanism) == zcio.MECHANISMS


def test_the_signature() -> None:
    assert str(inspect.signature(zcio.transfer)) == (
        "(src, dst, *, offset=None, count=None, mechanism='auto', visibility='aliased', dst_offset=None, "
        "read_ahead=None, drop_behind=False, progress=None)"
    )
    assert "src" in (zcio.transfer.__doc__ or "")


def test_the_version() -> None:
    assert zcio.__version__ == version("zcio")


def test_everything_public_is_there_and_documented() -> None:
    for name in zcio.__all__:
        assert hasattr(zcio, name)
    for name in ("Report", "Attempt", "transfer", "TransferError"):
        assert getattr(zcio, name).__doc__


def test_the_report(source: Path, tmp_path: Path) -> None:
    report = zcio.transfer(source, tmp_path / "sink", count=20, mechanism="read_write")
    assert (report.bytes, report.requested, report.short) == (10, 20, True)
    assert (report.mechanism, report.automatic, report.attempts) == ("read_write", False, ())
    assert (report.copies, report.copies_known_by) == (2, "model")
    assert (report.system_calls >= 2, report.waits) == (True, 0)
    assert 0 < report.elapsed < 10
    with pytest.raises(AttributeError):
        report.bytes = 1  # type: ignore[misc]
    assert repr(report) == (
        "Report(bytes=10, requested=20, mechanism='read_write', automatic=False, attempts=(), "
        f"system_calls={report.system_calls}, waits=0, copies=2, copies_known_by='model', "
        f"mapped=0, encryption='none', elapsed={report.elapsed}, short=True)"
    )


def test_reports_are_values() -> None:
    def report(count: int = 1, reason: str = "it's so") -> zcio.Report:
        attempt = zcio.Attempt("sendfile", 0, "sendfile", None, reason)
        return zcio.Report(count, None, "splice", True, (attempt,), 2, 3, None, "unknown", 4, "none", 0.123456789)

    one = report()
    assert one == report()
    assert hash(one) == hash(report())
    assert one != report(2)
    assert one != report(reason="otherwise")
    assert one != 1
    copy = pickle.loads(pickle.dumps(one))
    assert copy == one
    assert repr(copy) == repr(one)
    assert (
        """attempts=(Attempt(mechanism='sendfile', moved=0, operation='sendfile', errno=None, reason="it's so"),)"""
        in (repr(one))
    )
    assert one.attempts[0] == report().attempts[0]
    assert (one.copies, one.copies_known_by, one.elapsed) == (None, "unknown", 0.123456789)
    with pytest.raises(ValueError, match="unknown mechanism"):
        zcio.Attempt("teleport", 0, "", None, "")  # type: ignore[arg-type]


def test_no_descriptor_is_left_behind(source: Path, tmp_path: Path) -> None:
    transfer: Any = zcio.transfer
    before = 0
    for turn in range(50):
        if turn == 1:  # The first turn leaves an idle pipe for the next transfers.
            before = len(os.listdir("/proc/self/fd"))
        with tcp_pair() as (near, far), source.open("rb") as file:
            zcio.transfer(source, tmp_path / "sink")
            zcio.transfer(file, near, offset=0)
            zcio.transfer(far, tmp_path / "sink", count=10)
            far.sendall(b"0123456789")
            zcio.transfer(near, near, count=10, mechanism="splice")
            refused: list[tuple[tuple[object, object], dict[str, object]]] = [
                ((source, tmp_path), {}),
                ((tmp_path, near), {}),
                ((source, near), {"mechanism": "copy_file_range"}),
                ((near, tmp_path / "none" / "none"), {}),
                ((source, "/dev/full"), {}),
                ((near, 1.5), {}),
                ((source, near), {"dst_offset": 3}),
            ]
            for arguments, options in refused:
                with pytest.raises((OSError, ValueError, TypeError)):
                    transfer(*arguments, **options)
            near.settimeout(0.001)
            if turn == 0:
                with pytest.raises(TimeoutError):
                    zcio.transfer(near, tmp_path / "sink")
    assert len(os.listdir("/proc/self/fd")) == before


def test_descriptors_are_not_inherited(tmp_path: Path) -> None:
    """A child that is started while a transfer waits must not keep its socket open."""
    with unix_pair() as (near, far), background(lambda: zcio.transfer(near, tmp_path / "sink")):
        time.sleep(0.1)
        program = "import os; print(len(os.listdir('/proc/self/fd')))"
        child = subprocess.run([sys.executable, "-c", program], close_fds=False, stdout=subprocess.PIPE, check=True)
        far.close()
        assert int(child.stdout) <= 4 + inheritable()


def inheritable() -> int:
    """Descriptors beyond the standard three that this process hands to its children anyway."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            count += int(name) > 2 and os.get_inheritable(int(name))
        except OSError:
            continue
    return count


def test_other_threads_run_meanwhile(tmp_path: Path) -> None:
    """One thread for both: without the GIL released, nobody would ever send what the transfer waits for."""
    ticks = 0
    with tcp_pair() as (near, far):

        def tick() -> None:
            nonlocal ticks
            end = time.monotonic() + 0.3
            while time.monotonic() < end or ticks <= 1000:
                ticks += 1
            far.sendall(b"now")
            far.close()

        with background(tick):
            report = zcio.transfer(near, tmp_path / "sink")
    assert report.bytes == 3
    assert ticks > 1000


def test_threads_transfer_at_the_same_time(tmp_path: Path) -> None:
    data = os.urandom(1 << 20)
    (tmp_path / "source").write_bytes(data)
    failures: list[object] = []

    def work(number: int) -> None:
        for _ in range(10):
            zcio.transfer(tmp_path / "source", tmp_path / f"sink{number}")
            if (tmp_path / f"sink{number}").read_bytes() != data:
                failures.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_readme_example(tmp_path: Path) -> None:
    """The first Python block of the README, run as it stands with a source and a destination."""
    readme = (REPOSITORY / "README.md").read_text()
    parts = readme.split("```python\n")
    assert len(parts) > 1, "README.md has no ```python block"
    data = os.urandom(300_000)
    (tmp_path / "from").write_bytes(data)
    (tmp_path / "example.py").write_text(parts[1].split("```")[0])
    subprocess.run([sys.executable, "example.py", "from", "to"], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "to").read_bytes() == data
