"""fork(2) shares every frame. A private page is copied at the first write to it."""

import ctypes
import mmap
import os

PAGE = mmap.PAGESIZE
PAGES = 8
WRITTEN = 5


def exclusive(process: int, address: int) -> list[int]:
    """The pages that no other process has: bit 56 of their page-table entries."""
    with open(f"/proc/{process}/pagemap", "rb") as entries:
        entries.seek(address // PAGE * 8)
        table = entries.read(PAGES * 8)
    return [page for page in range(PAGES) if table[page * 8 + 7] & 1]


for name, flag in ("private", mmap.MAP_PRIVATE), ("shared", mmap.MAP_SHARED):
    memory = mmap.mmap(-1, PAGES * PAGE, flags=flag | mmap.MAP_ANONYMOUS)
    memory[:] = b"p" * len(memory)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    wait_here, written = os.pipe()
    wait_there, done = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(done)
        memory[WRITTEN * PAGE] = ord("c")
        os.write(written, b".")
        os.read(wait_there, 1)  # Until the parent has looked.
        os._exit(0)
    os.read(wait_here, 1)
    print(f"{name}: the child wrote to page {WRITTEN}")
    print(f"  pages that only the child has: {exclusive(child, address)}")
    print(f"  the parent reads {chr(memory[WRITTEN * PAGE])!r} there")
    os.close(done)
    os.waitpid(child, 0)
