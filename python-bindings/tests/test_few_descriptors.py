"""Descriptors run out in the midst of an operation: what it needs it has before it changes a name."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

OLD, NEW = b"old" * 10_000, b"new" * 5_000

CHILD = """
import json, os, resource, sys
import zcio
from zcio._zcio import main

room, operation = int(sys.argv[1]), sys.argv[2]
# The lowest that are free are the last ones, too.
highest = os.dup(0)
os.close(highest)
resource.setrlimit(resource.RLIMIT_NOFILE, (highest + room, highest + room))
try:
    print(json.dumps(eval(operation) in (0, None)))
except OSError as error:
    print(json.dumps(error.errno))
"""

OPERATIONS = {
    "copy": "zcio.copy('source', 'sink') and None",
    "durable copy": "zcio.copy('source', 'sink', fsync=True) and None",
    "replacing copy": "zcio.copy('source', 'sink', replace=True) and None",
    "durable, replacing copy": "zcio.copy('source', 'sink', replace=True, fsync=True) and None",
    "command's copy": "main(['copy', '--replace', '--fsync', 'source', 'sink'])",
    "command's recv": "main(['recv', '--raw', '-', 'sink'])",
    "command's durable recv": "main(['recv', '--raw', '--fsync', '-', 'sink'])",
}


@pytest.mark.parametrize("before", [OLD, None], ids=["old", "new"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_who_is_refused_has_changed_no_name(tmp_path: Path, operation: str, before: bytes | None) -> None:
    sink = tmp_path / "sink"
    (tmp_path / "source").write_bytes(NEW)
    for room in range(20):
        sink.unlink(missing_ok=True)
        if before is not None:
            sink.write_bytes(before)
        with open(tmp_path / "source", "rb") as source:
            command = [sys.executable, "-c", CHILD, str(room), OPERATIONS[operation]]
            done = subprocess.run(command, cwd=tmp_path, stdin=source, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        if json.loads(done.stdout) is True:
            assert sink.read_bytes() == NEW
            break
        assert (sink.read_bytes() if sink.exists() else None) == before, (room, done)
        assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(
            {"source"} | ({"sink"} if before else set())
        )
    else:
        pytest.fail(f"nothing but refusals: {done}")
