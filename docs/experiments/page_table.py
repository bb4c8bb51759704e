"""What page tables cost for 512 pages side by side, and for 512 that lie far apart."""

import mmap
import re
from pathlib import Path

PAGE = mmap.PAGESIZE
SPREAD = 512 * PAGE  # What one leaf table covers: 2 MiB with pages of 4 KiB.


def table_size() -> int:
    """KiB of this process's page tables."""
    found = re.search(r"VmPTE:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1])


def cost(step: int) -> int:
    """KiB by which the tables grow for 512 pages that lie `step` bytes apart."""
    with mmap.mmap(
        -1, 512 * step, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    ) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        before = table_size()
        for page in range(512):
            memory[page * step] = 1
        return table_size() - before


print(f"512 pages side by side: {cost(PAGE)} KiB of page tables")
print(f"512 pages {SPREAD >> 20} MiB apart: {cost(SPREAD)} KiB of page tables")
