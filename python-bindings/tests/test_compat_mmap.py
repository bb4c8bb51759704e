"""zcio.compat.mmap against the original: the interpreter's own tests, and what those leave out.

No exception is made: every test of ``test.test_mmap`` that the original passes here, passes.
"""

import mmap as original
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import zcio
from interpreters import NEWER, environment
from support import content, skip
from zcio.compat import mmap

THEIR_TESTS = """
    import importlib, sys, unittest
    sys.modules["mmap"] = importlib.import_module("zcio.compat.mmap")
    import test.support
    test.support.use_resources = sys.argv[1:]
    import test.test_mmap as theirs
    assert theirs.mmap.mmap.__module__ == "zcio.compat._mmap"
    result = unittest.main(module=theirs, exit=False, argv=["test_mmap"]).result
    reasons = sorted({reason for _, reason in result.skipped} - {"requires Windows"})
    print(result.testsRun, len(result.failures) + len(result.errors), reasons)
    sys.exit(not result.wasSuccessful())
"""


def their_tests(python: str, directory: Path, *resources: str) -> None:
    if subprocess.run([python, "-c", "import test.test_mmap"], capture_output=True, check=False).returncode:
        skip(f"{python} has no test package")
    program = textwrap.dedent(THEIR_TESTS)
    done = subprocess.run(
        [python, "-c", program, *resources], cwd=directory, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    count, failed, reasons = done.stdout.split(maxsplit=2)
    # From Python 3.12 on, tests that are skipped are not counted.
    assert (int(count) > 35, failed) == (True, "0"), done.stdout
    skipped = eval(reasons)
    # Without the resource "largefile" two tests are left out, as they are for the original.
    assert all("largefile" in reason or "Windows" in reason for reason in skipped), reasons
    assert not resources or not any("largefile" in reason for reason in skipped), reasons


@pytest.mark.parametrize("python", [sys.executable, *NEWER])
def test_the_interpreters_own_tests(python: str, tmp_path: Path) -> None:
    their_tests(python if python == sys.executable else environment(python), tmp_path, "largefile")


def test_it_has_every_name() -> None:
    names = {name for name in dir(original) if not name.startswith("_")}
    assert names <= set(dir(mmap))
    methods = {name for name in dir(original.mmap) if not name.startswith("_")}
    assert methods <= set(dir(mmap.mmap))
    assert mmap.error is OSError


def test_a_file_cut_short_is_an_exception(tmp_path: Path) -> None:
    program = """
        import importlib, os, re, sys
        sys.modules["mmap"] = importlib.import_module("zcio.compat.mmap")
        import mmap, zcio
        open(sys.argv[1], "wb").write(b"x" * 100_000)
        with open(sys.argv[1], "r+b") as file:
            mapped = mmap.mmap(file.fileno(), 0)
        os.truncate(sys.argv[1], 0)
        for use in (lambda: mapped[50_000], mapped.read, lambda: re.search(b"y", mapped) or mapped[0]):
            try:
                use()
            except zcio.FaultedError:
                print("caught")
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "caught\n" * 3


@pytest.mark.parametrize("module", [original, mmap], ids=["original", "ours"])
def test_what_the_original_does_too(module: Any, tmp_path: Path) -> None:
    """What test.test_mmap does not look at; the original shows that the expectations are right."""
    data = content(3 << 20)
    path = tmp_path / "file"
    path.write_bytes(data)
    with path.open("r+b") as file:
        mapped = module.mmap(file.fileno(), 0)
    # Across the pieces in which ours searches.
    assert mapped.find(data[(1 << 20) - 3 : (1 << 20) + 3]) == (1 << 20) - 3
    assert mapped.rfind(data[(1 << 20) - 3 : (1 << 20) + 3]) == (1 << 20) - 3
    assert mapped.rfind(data[5:20], 0, 20) == 5
    assert (mapped.find(b""), mapped.rfind(b""), mapped.find(b"", 10)) == (0, len(data), 10)
    assert list(mapped)[:3] == [data[n : n + 1] for n in range(3)]
    assert data[7:8] in mapped
    mapped.seek(0)
    assert mapped.readline() == data[: data.index(b"\n") + 1]
    assert mapped[-5:] == data[-5:]
    view = memoryview(mapped)
    with pytest.raises(BufferError):
        mapped.close()
    with pytest.raises(BufferError):
        mapped.resize(10)
    view.release()
    mapped.move(10, 0, 100)
    assert mapped[10:110] == data[:100]
    mapped.flush()
    assert path.read_bytes()[10:110] == data[:100]
    mapped.resize(4 << 20)
    assert (mapped.size(), mapped[-1]) == (4 << 20, 0)
    mapped.madvise(module.MADV_DONTNEED)
    with pytest.raises(TypeError):
        mapped["a"]
    with pytest.raises(TypeError):
        del mapped[0]
    with pytest.raises(ValueError, match="range"):
        mapped[0] = 256
    with pytest.raises(ValueError, match=r"whence|seek type"):
        mapped.seek(0, 9)
    mapped.close()
    for use in (lambda: mapped[0], mapped.read, mapped.tell, lambda: len(mapped), lambda: memoryview(mapped)):
        with pytest.raises(ValueError, match="closed"):
            use()
    with pytest.raises(OSError, match="Bad file"):
        module.mmap(-1, 10).size()
    with path.open("rb") as file, pytest.raises(PermissionError):
        module.mmap(file.fileno(), 0)
    with pytest.raises(OSError, match="Invalid"):
        module.mmap(-1, 0)


@pytest.mark.parametrize("module", [original, mmap], ids=["original", "ours"])
def test_shared_memory_of_no_file_is_shared_with_children(module: Any) -> None:
    shared, private = module.mmap(-1, 4096), module.mmap(-1, 4096, flags=module.MAP_PRIVATE | module.MAP_ANONYMOUS)
    child = os.fork()
    if child == 0:
        shared[0] = private[0] = 7
        os._exit(0)
    os.waitpid(child, 0)
    assert (shared[0], private[0]) == (7, 0)


def test_what_differs() -> None:
    with pytest.raises(PermissionError, match="PROT_EXEC"):
        mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)
    with mmap.mmap(-1, 4096) as mapped:
        with pytest.raises(ValueError, match="without its file"):
            mapped.resize(8192)
        with pytest.raises(OSError, match="Invalid"):
            mapped.madvise(mmap.MADV_HWPOISON)
    assert issubclass(zcio.FaultedError, OSError)
