"""zcio.compat.mmap against the original: the interpreter's own tests, and what those leave out.

No exception is made: every test of ``test.test_mmap`` that the original passes here, passes.
"""

import errno
import gc
import mmap as original
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy
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


# What cannot be done here, or not be tried beside other tests (an address of one's own), and its errno.
OUR_OWN = {0x10: errno.EPERM, 0x100000: errno.EPERM, 0x100: errno.EINVAL, 0x40: errno.ENOMEM}
# Flags that take an address: 0 here, which the kernel denies to who is not root before it looks at anything else.
FIXED = {0x10, 0x100000}
# Of Linux 6.6, and one whose answer is the file system's.
ABOVE4G, SYNC = 0x80, 0x80000
HUGETLB = 0x40000


def made(module: Any, *arguments: Any, **options: Any) -> object:
    """What the kernel says: an errno, or the bytes that are mapped."""
    try:
        with module.mmap(*arguments, **options) as mapped:
            return bytes(mapped[:])
    except OSError as error:
        return error.errno


@pytest.mark.parametrize("of", ["a file", "no file"])
@pytest.mark.parametrize("flag", [0, *(1 << bit for bit in range(4, 26))])
def test_every_flag(flag: int, of: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content(4096))
    with path.open("r+b") as file:
        fd = file.fileno() if of == "a file" else -1
        for kind in range(16):
            arguments = (fd, 4096, kind | flag)
            answer = made(mmap, *arguments)
            if flag == HUGETLB:
                assert answer == errno.EINVAL, "a small page is no multiple of a huge one"
            elif kind == 8 or (flag in OUR_OWN and kind in {1, 2, 3}):
                # 8 is MAP_DROPPABLE (Linux 6.11).
                assert answer in {errno.EINVAL, errno.EOPNOTSUPP, OUR_OWN.get(flag)}
            elif flag in FIXED:
                assert answer == errno.EINVAL == made(original, *arguments) or made(original, *arguments) == errno.EPERM
            elif (flag, kind) == (ABOVE4G, 3) or (flag == SYNC and of == "a file"):
                assert answer in {made(original, *arguments), errno.EOPNOTSUPP, content(4096)}
            else:
                assert answer == made(original, *arguments), hex(flag | kind)


def test_every_right(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content(4096))
    for opened in ("rb", "r+b"):
        with path.open(opened) as file:
            for prot in (original.PROT_READ, original.PROT_READ | original.PROT_WRITE, original.PROT_READ | 8):
                for flags in (original.MAP_SHARED, original.MAP_PRIVATE):
                    for fd in (file.fileno(), -1):
                        arguments = (fd, 4096, flags, prot)
                        assert made(mmap, *arguments) == made(original, *arguments), (opened, prot, flags, fd)


def vm_flags(mapped: Any) -> list[str]:
    """What the kernel says of the mapping (proc_pid_smaps(5))."""
    address = numpy.frombuffer(mapped, "u1").ctypes.data
    within = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            start, end = (int(number, 16) for number in words[0].split("-"))
            within = start <= address < end
        elif within and words[0] == "VmFlags:":
            return words[1:]
    raise AssertionError("not mapped")


@pytest.mark.parametrize("module", [original, mmap], ids=["original", "ours"])
@pytest.mark.parametrize("kind", [original.MAP_SHARED, original.MAP_PRIVATE])
@pytest.mark.parametrize("of", ["a file", "no file"])
def test_what_flags_do(module: Any, kind: int, of: str, tmp_path: Path) -> None:
    path, pages = tmp_path / "file", 16
    path.write_bytes(content(pages * 4096))
    with path.open("r+b") as file:
        fd, size = file.fileno() if of == "a file" else -1, pages * 4096
        mapped = module.mmap(fd, size, kind | 0x2000)
        assert "lo" in vm_flags(mapped)
        gc.collect()
        mapped.close()
        mapped = module.mmap(fd, size, kind | 0x4000)
        assert kind == original.MAP_SHARED or "nr" in vm_flags(mapped)
        gc.collect()
        mapped.close()
        for flags, brought_in in ((0x8000, True), (0x18000, False)):
            mapped = module.mmap(fd, size, kind | flags)
            address = numpy.frombuffer(mapped, "u1").ctypes.data
            with open("/proc/self/pagemap", "rb") as pagemap:
                pagemap.seek(address // 4096 * 8)
                entries = numpy.frombuffer(pagemap.read(pages * 8), "<u8")
            assert bool((entries >> 63).all()) is brought_in, hex(flags)
            mapped.close()
        # The descriptor is of no account then.
        mapped = module.mmap(file.fileno(), size, kind | original.MAP_ANONYMOUS)
        assert mapped[:] == bytes(size)
        mapped.close()


def test_an_array_keeps_it_open() -> None:
    mapped = mmap.mmap(-1, 100)
    array = numpy.frombuffer(mapped, "u1")
    with pytest.raises(BufferError, match="cannot close exported pointers exist"):
        mapped.close()
    with pytest.raises(BufferError, match="extant pointers exported"):
        mapped.resize(50)
    mapped[:3] = b"abc"
    assert bytes(array[:3]) == b"abc"
    del array
    mapped.close()


def test_what_differs() -> None:
    with pytest.raises(PermissionError, match="PROT_EXEC"):
        mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)
    with mmap.mmap(-1, 4096) as mapped:
        with pytest.raises(ValueError, match="without its file"):
            mapped.resize(8192)
        with pytest.raises(OSError, match="Invalid"):
            mapped.madvise(mmap.MADV_HWPOISON)
    assert issubclass(zcio.FaultedError, OSError)
