"""Operations import nothing: a child of fork(2) would wait for ever for an import that another thread had begun."""

import subprocess
import sys

PROGRAM = """
import io, os, socket, sys, tempfile
import zcio
before = set(sys.modules)
near, far = socket.socketpair()
near.setblocking(False)
with tempfile.TemporaryFile() as file:
    file.write(b"x")
    file.seek(0)
    zcio.transfer(memoryview(b"x"), near)
    zcio.transfer(file, near, count=1)
    zcio.batch([(file, near)])
    with zcio.Region.open(f"/proc/self/fd/{file.fileno()}"):
        pass
print(*sorted(set(sys.modules) - before))
"""


def test_operations_import_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_the_package_needs_no_event_loop() -> None:
    """asyncio takes longer to import than all of zcio."""
    program = "import sys, zcio; print(*{'asyncio', 'logging', 'ssl'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
