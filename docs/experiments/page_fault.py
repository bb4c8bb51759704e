"""Memory is given at the first touch, not when it is asked for."""

import ctypes
import mmap
import os
import resource
import tempfile

PAGE = mmap.PAGESIZE
PAGES = 1024


def resident(memory: mmap.mmap) -> int:
    """How many of its pages are in memory: bit 63 of their page-table entries."""
    with open("/proc/self/pagemap", "rb") as entries:
        entries.seek(ctypes.addressof(ctypes.c_char.from_buffer(memory)) // PAGE * 8)
        table = entries.read(PAGES * 8)
    return sum(entry >> 7 for entry in table[7::8])


def touch(what: str, memory: mmap.mmap, *, write: bool = True) -> None:
    before = resource.getrusage(resource.RUSAGE_THREAD)
    for page in range(PAGES):
        if write:
            memory[page * PAGE] = 1
        else:
            _ = memory[page * PAGE]
    now = resource.getrusage(resource.RUSAGE_THREAD)
    minor, major = now.ru_minflt - before.ru_minflt, now.ru_majflt - before.ru_majflt
    print(f"{what}: {minor} minor faults, {major} major")


memory = mmap.mmap(-1, PAGES * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)  # One fault a page, however the machine is set up.
print(f"mapped {PAGES} pages: {resident(memory)} in memory")
touch("first touch", memory)
print(f"then {resident(memory)} in memory")
touch("second touch", memory)

with tempfile.TemporaryFile(dir=".") as file:
    file.write(bytes(PAGES * PAGE))
    file.flush()
    os.fsync(file.fileno())
    os.posix_fadvise(
        file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED
    )  # Out of the page cache.
    touch(
        "a file that was not in memory, read",
        mmap.mmap(file.fileno(), PAGES * PAGE),
        write=False,
    )
