"""The newer interpreters of this machine, and an environment for each with the wheel in it.

Only looked for where ZCIO_LARGE is set: it takes a build and, for each interpreter, an installation of numpy and
pyarrow.
"""

import atexit
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from support import REPOSITORY, skip

LARGE = bool(os.environ.get("ZCIO_LARGE"))


def _find() -> list[str]:
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders += sorted((pyenv / "versions").glob("*/bin"))
    found: dict[tuple[int, int], str] = {}
    program = "import sys; print(sys.implementation.name, *sys.version_info[:2])"
    for folder in folders:
        for path in sorted(folder.glob("python3.[0-9]*")):
            if not re.fullmatch(r"python3\.\d+", path.name):
                continue
            done = subprocess.run([path, "-c", program], capture_output=True, text=True, check=False)
            answer = done.stdout.split()
            # A version that pyenv knows and does not use answers with an error.
            if done.returncode == 0 and answer[0] == "cpython":
                version = (int(answer[1]), int(answer[2]))
                if version > sys.version_info[:2]:
                    found.setdefault(version, str(path))
    return [found[version] for version in sorted(found)]


NEWER = _find() if LARGE else []


def _directory(prefix: str) -> str:
    """One that goes when the tests end."""
    directory = tempfile.mkdtemp(prefix=prefix)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


@functools.cache
def wheel() -> Path:
    """The wheel of this source tree, which is built in it."""
    if not os.access(REPOSITORY / "target", os.W_OK):
        skip("no right to write where the wheel is built, in target/")
    directory = _directory("zcio-wheel-")
    subprocess.run(
        ["maturin", "build", "--release", "--quiet", "--out", directory],
        cwd=REPOSITORY / "python-bindings",
        check=True,
        capture_output=True,
    )
    (built,) = Path(directory).glob("*.whl")
    return built


@functools.cache
def environment(python: str, *packages: str) -> str:
    """A new virtual environment with the wheel and these packages; its interpreter."""
    directory = _directory("zcio-venv-")
    subprocess.run([python, "-m", "venv", directory], check=True)
    pip = [f"{directory}/bin/pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(wheel()), *packages], check=True)
    return f"{directory}/bin/python"
