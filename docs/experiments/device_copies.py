"""Bytes that the disk brings for a file, with a cold page cache and with a warm one, and the processor's part."""

import os
import tempfile

SIZE = 64 << 20


def from_device() -> int:
    """Bytes that block devices have brought for this process so far."""
    with open("/proc/self/io") as counters:
        return next(int(line.split()[1]) for line in counters if line.startswith("read_bytes"))


with tempfile.TemporaryFile(dir=".") as file:
    file.write(os.urandom(SIZE))
    os.fsync(file.fileno())
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    for cache in "cold", "warm":
        before, times = from_device(), os.times()
        file.seek(0)
        while file.read(1 << 20):
            pass
        moved, now = from_device() - before, os.times()
        print(
            f"{cache}: the disk moved {moved / SIZE:.2f} of the bytes, the processor was busy "
            f"{now.user + now.system - times.user - times.system:.2f} s of {now.elapsed - times.elapsed:.2f} s"
        )
