"""Bytes that the disk brings for a file, with a cold page cache and with a warm one."""

import os
import re
import tempfile
import time
from pathlib import Path

SIZE = 64 << 20


def from_device() -> int:
    """Bytes that block devices have brought for this process so far."""
    found = re.search(r"read_bytes: (\d+)", Path("/proc/self/io").read_text())
    assert found
    return int(found[1])


with tempfile.TemporaryFile(dir=".") as file:
    file.write(os.urandom(SIZE))
    os.fsync(file.fileno())
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    for cache in "cold", "warm":
        before, start, busy = from_device(), time.monotonic(), time.process_time()
        file.seek(0)
        while file.read(1 << 20):
            pass
        moved = from_device() - before
        elapsed, busy = time.monotonic() - start, time.process_time() - busy
        print(
            f"{cache}: the disk moved {moved / SIZE:.2f} of the bytes, "
            f"the processor was busy {busy:.2f} s of {elapsed:.2f} s"
        )
