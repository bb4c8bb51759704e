"""What is published: the wheel and its tag, an empty environment, types for users, the source distribution.

The wheel is cheap to build where the package has been built already. What takes longer (a build from source, other
interpreters, with numpy and pyarrow from the network) runs with ZCIO_LARGE=1.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from interpreters import LARGE, NEWER, environment, wheel
from support import REPOSITORY, content

TESTS = Path(__file__).parent

USER = """
import socket

import zcio
from zcio.compat import mmap


def total(path: str) -> int:
    with zcio.Region.open(path, "r+", guard=True) as region:
        view: memoryview = region[10:20]
        region[0] = region[1]
        region[2:4] = b"ab"
        region.advise("random")
        region.flush(wait=False)
        return sum(view) + len(region.read(0, 10)) + region.residency().present


def share(peer: socket.socket) -> frozenset[str]:
    with zcio.SharedRegion.create(4096) as region:
        region.seal("grow")
        region.send(peer, process=1)
        zcio.read_direct("/dev/null", zcio.AlignedBuffer(4096))
        return frozenset(region.seals)


def old(path: str) -> bytes:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return mapped[0:10] + mapped.read(3)
"""


def test_the_wheel(tmp_path: Path) -> None:
    name = wheel().name
    assert re.fullmatch(r"zcio-[\d.]+-cp311-abi3-manylinux_2_\d+_(x86_64|aarch64)\.whl", name), name
    shown = subprocess.run(["auditwheel", "show", str(wheel())], capture_output=True, text=True, check=True).stdout
    tag = re.search(r"manylinux_2_\d+_\w+?(?=\.whl)", name)
    assert tag is not None
    assert f'platform tag: "{tag[0]}"' in " ".join(shown.split()), shown
    with zipfile.ZipFile(wheel()) as file:
        names = set(file.namelist())
        metadata = file.read(next(name for name in names if name.endswith("METADATA"))).decode()
    python = {f"zcio/{path.relative_to(REPOSITORY / 'python-bindings/python/zcio')}" for path in sources()}
    assert python | {"zcio/_zcio.abi3.so", "zcio/py.typed"} <= names
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:")]
    assert all("extra ==" in line for line in required), "nothing is needed at run time"
    assert "License-Expression: MIT OR Apache-2.0" in metadata
    assert tmp_path.exists()


def sources() -> list[Path]:
    folder = REPOSITORY / "python-bindings/python/zcio"
    return [path for path in folder.rglob("*.py*") if path.suffix in {".py", ".pyi"}]


def test_an_empty_environment_runs_the_readme(tmp_path: Path) -> None:
    python = environment(sys.executable)
    blocks = (REPOSITORY / "README.md").read_text().split("```python\n")[1:]
    assert blocks
    data = content(300_000)
    (tmp_path / "from").write_bytes(data)
    (tmp_path / "example.py").write_text(blocks[0].split("```")[0])
    # Neither the source tree nor this environment's packages.
    clean = {"PATH": "/usr/bin:/bin"}
    subprocess.run([python, "example.py", "from", "to"], cwd=tmp_path, env=clean, check=True, timeout=60)
    assert (tmp_path / "to").read_bytes() == data
    program = (
        "import zcio, zcio.compat.mmap, sys; print(zcio.__file__, *sorted(m for m in sys.modules if 'numpy' in m))"
    )
    done = subprocess.run([python, "-c", program], cwd=tmp_path, env=clean, check=True, capture_output=True, text=True)
    assert done.stdout.startswith(str(Path(python).parents[1]))
    assert "numpy" not in done.stdout


def test_a_users_script_is_typed(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(USER)
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", environment(sys.executable), "user.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert done.stdout == "Success: no issues found in 1 source file\n", done.stdout + done.stderr
    wrong = USER.replace('"random"', '"at random"')
    (tmp_path / "user.py").write_text(wrong)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert "arg-type" in done.stdout, "mypy saw no types"


@pytest.mark.skipif(not LARGE, reason="a build from nothing; set ZCIO_LARGE=1")
def test_the_source_distribution_builds_in_an_empty_directory(tmp_path: Path) -> None:
    here = REPOSITORY / "python-bindings"
    subprocess.run(["maturin", "sdist", "--out", str(tmp_path)], cwd=here, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("CARGO_", "MATURIN"))}
    build = ["maturin", "build", "--release", "--quiet", "--out", str(tmp_path / "built")]
    subprocess.run(build, cwd=source, env=variables, check=True, timeout=900)
    (built,) = (tmp_path / "built").glob("*.whl")
    assert built.name == wheel().name
    with zipfile.ZipFile(built) as ours, zipfile.ZipFile(wheel()) as theirs:
        assert set(ours.namelist()) == set(theirs.namelist())
    shutil.rmtree(source)


@pytest.mark.skipif(not LARGE, reason="installs numpy and pyarrow for each interpreter; set ZCIO_LARGE=1")
def test_newer_interpreters(tmp_path: Path) -> None:
    """The tests of regions, with the very wheel, on every newer interpreter that is here."""
    for name in (
        "support.py",
        "test_region.py",
        "test_region_guard.py",
        "test_region_large.py",
        "test_shared_region.py",
    ):
        shutil.copy(TESTS / name, tmp_path)
    variables = {name: value for name, value in os.environ.items() if name not in {"ZCIO_LARGE", "PYTHONPATH"}}
    for python in NEWER:
        other = environment(python, "numpy", "pyarrow", "pytest")
        command = [other, "-m", "pytest", "-q", "-W", "ignore::DeprecationWarning", str(tmp_path)]
        done = subprocess.run(
            command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, done.stdout[-4000:]
        print(python, done.stdout.splitlines()[-1])
