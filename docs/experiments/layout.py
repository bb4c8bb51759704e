"""The areas of this process, from low addresses to high ones."""

import ctypes
import mmap
import re
from pathlib import Path

program = str(Path("/proc/self/exe").resolve())
ranges: dict[str, tuple[int, int]] = {}
memory = mmap.mmap(-1, mmap.PAGESIZE)

for line in Path("/proc/self/maps").read_text().splitlines():
    addresses, rights, _, _, _, *name = line.split(maxsplit=5)
    start, end = (int(part, 16) for part in addresses.split("-"))
    area = name[0].strip() if name else ""
    if area == program:
        kind = {"r-x": "text", "rw-": "data and bss"}.get(rights[:3], "constants")
    elif area in ("[heap]", "[stack]", "[vdso]"):
        kind = area
    elif area.startswith("["):
        continue
    else:
        kind = "mappings and libraries"
    low, high = ranges.get(kind, (start, end))
    ranges[kind] = min(low, start), max(high, end)

for kind, (start, end) in sorted(ranges.items(), key=lambda item: item[1]):
    print(f"{start:#18x} to {end:#x}: {kind}")
print(f"a new mapping is at {ctypes.addressof(ctypes.c_char.from_buffer(memory)):#x}")
limit = re.search(r"Max stack size\s+(\S+)", Path("/proc/self/limits").read_text())
assert limit
print(f"the stack may grow to {limit[1]} bytes")
