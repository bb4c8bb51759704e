"""The same megabyte, read in 1, 256 and 65,536 system calls."""

import os
import tempfile


def calls() -> int:
    """System calls that read, made by this process so far."""
    with open("/proc/self/io") as counters:
        return next(int(line.split()[1]) for line in counters if line.startswith("syscr"))


SIZE = 1 << 20
with tempfile.TemporaryFile(dir=".") as file:
    file.write(bytes(SIZE))
    file.flush()
    for chunk in SIZE, 4096, 16:
        overhead = -calls() + calls()  # What counting itself reads.
        before, times = calls(), os.times()
        for offset in range(0, SIZE, chunk):
            os.pread(file.fileno(), chunk, offset)
        made, now = calls() - before - overhead, os.times()
        print(
            f"{chunk:>8} bytes a call: {made} calls, {now.user - times.user:.2f} s in user mode, "
            f"{now.system - times.system:.2f} s in kernel mode"
        )
